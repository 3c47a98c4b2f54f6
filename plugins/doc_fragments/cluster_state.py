# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that only look."""

    # Modules that ask running servers.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return what it would return outside of it.
    support: full
    details: The module changes nothing.
  diff_mode:
    description: Returns what was changed, in diff mode.
    support: N/A
    details: The module changes nothing.
  action_group:
    description: Use C(group/skywalking.banyandb.cluster_state) in C(module_defaults) to set options of all these modules at once.
    support: full
    membership:
      - skywalking.banyandb.cluster_state
"""
