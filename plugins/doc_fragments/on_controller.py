# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that have an action plugin and no code on a host."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Changes nothing on any host.
  diff_mode:
    support: none
    description: Changes nothing on any host.
"""
