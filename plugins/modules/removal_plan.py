# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin removal_plan. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: removal_plan
short_description: "Internal: check whether hosts may leave their cluster permanently"
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.remove). Runs only on the controller.
  - Reads C(banyandb_remove) and C(banyandb_minimum) of every host of the inventory, even if the run has a limit.
  - Refuses to remove the last data node with the META role, the last data node or the last liaison. Refuses to leave fewer servers with a role or a
    label than their minimum. If all hosts may leave, prints the plan.
options:
  clean_up:
    description: Whether the playbook also removes the data. The printed plan says so.
    type: raw
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
  description: All problems except the first. The message of the failure has the first problem.
  returned: failure with several problems
  type: list
  elements: str
nodes:
  description: Host name, then the node of the host, for all hosts that leave.
  type: dict
  returned: success
lines:
  description: The printed plan, line by line.
  type: list
  elements: str
  returned: success
"""
