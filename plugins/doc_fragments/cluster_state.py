# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that only read."""

    # For modules that query running servers.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Returns the same in check mode as outside of check mode.
    support: full
    details: The module changes nothing.
  diff_mode:
    description: Returns the changes in diff mode.
    support: N/A
    details: The module changes nothing.
  action_group:
    description: Use C(group/skywalking.banyandb.cluster_state) in C(module_defaults) to set options of all modules of the group.
    support: full
    membership:
      - skywalking.banyandb.cluster_state
"""
