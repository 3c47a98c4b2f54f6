# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: removal_plan
short_description: Check whether hosts may leave their cluster for good
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.remove). Runs on the controller alone.
  - Reads C(banyandb_remove) and C(banyandb_minimum) of every host of the inventory, whatever the run is limited to.
  - Refuses to let go of the last data node with the META role, the last data node or the last liaison, and of a server whose role or label would be
    left with fewer than its minimum. Else it prints what is going to be done.
options:
  clean_up:
    description: Whether what they stored is removed too, for what is printed.
    type: bool
    default: false
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.rollout_plan
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Plan
  skywalking.banyandb.removal_plan:
    clean_up: true
  run_once: true
"""

RETURN = r"""
more_problems:
  description: All problems but the first, which is the message.
  returned: when there are several problems
  type: list
  elements: str
nodes:
  description: The node of each host that is to leave.
  type: dict
  returned: success
lines:
  description: What was printed.
  type: list
  elements: str
  returned: success
"""
