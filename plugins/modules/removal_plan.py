# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: removal_plan
short_description: See whether hosts may leave their cluster for good
version_added: 0.9.0
description:
  - Refuses to let go of the last data node with the META role, the last data node or the last liaison, and of a server whose role or label would be
    left with fewer than its minimum. Else it prints what is going to be done.
  - Internal to the playbook C(skywalking.banyandb.remove). Runs on the controller alone.
options:
  leaving:
    description: Inventory names of the hosts.
    type: list
    elements: str
    required: true
  clean_up:
    description: Whether what they stored is removed too, for what is printed.
    type: bool
    default: false
  minimum:
    description: How many servers must stay of a role (V(meta), V(data), V(liaison)) or of a label, such as C(type=hot).
    type: raw
    default: {}
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
    leaving: [data3]
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
