# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that the lab raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """Something the user can act on. Its text says what, where, what was expected and what to do."""
