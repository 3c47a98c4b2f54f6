# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception of the lab."""

from __future__ import annotations


class LabError(Exception):
    """An error that the user can repair. The text names the object, the fault, the expected value and the next step."""
