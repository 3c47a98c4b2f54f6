# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin destruction_plan. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: destruction_plan
short_description: "Internal: check which clusters to destroy, and print the plan"
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.destroy).
  - Fails unless the user confirms clusters of the inventory by name, and all hosts of these clusters are in the run.
  - Runs only on the controller.
options:
  confirm:
    description: Names of the clusters to destroy, as a list or as text with commas.
    type: raw
  removes_data:
    description: Whether the playbook removes the data and the configuration of the nodes.
    type: bool
    default: false
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.removal_plan
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Plan
  skywalking.banyandb.destruction_plan:
    confirm: "{{ banyandb_confirm | default(omit) }}"
  register: __banyandb_destruction
  run_once: true
"""

RETURN = r"""
nodes:
  description: Host name, then the node of the host. Liaisons come first.
  type: dict
  returned: success
  sample: {"node1": {"name": "node1", "role": "liaison"}}
lines:
  description: The plan, line by line.
  type: list
  elements: str
  returned: success
  sample: ["cluster default: node1 (liaison) is drained, stopped and disabled, its data left where it is"]
"""
