# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Plan in which waves the servers of a cluster are changed
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - From what M(skywalking.banyandb.probe) found on each host of the play, plans which servers are changed together and in which order, and prints
    the plan with the reasons. Data nodes with the META role come first, then the other data nodes, then liaisons; of each of these one first,
    then more.
  - No wave takes away the last of a role or of a label, or more than the user allows; what cannot be planned so is refused.
  - Each cluster has its own C(banyandb_waves), C(banyandb_data_at_once), C(banyandb_minimum), C(banyandb_soak) and C(banyandb_stall). They are read
    from all its hosts, whatever the run is limited to, and hosts that do not agree are refused.
  - Runs on the controller alone.
options:
  clusters:
    description: What P(skywalking.banyandb.clusters#filter) gave.
    type: dict
    required: true
  restart:
    description:
      - Restart the servers of these hosts as they are, or of all hosts when it is empty. A server that does not run is started.
      - Without it, the servers are changed that run with another configuration than they should.
    type: list
    elements: str
  answers:
    description: Name of the variable in which each host registered M(skywalking.banyandb.cluster_watch) of its own server, with O(restart).
    type: str
  only:
    description: Refuse when anything but the V(labels) or the V(addresses) of nodes would be changed.
    type: str
    choices: [labels, addresses]
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.rollout_gate
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Plan the waves
  skywalking.banyandb.rollout_plan:
    clusters: "{{ __banyandb_clusters }}"
  register: __banyandb_rollout_plan
  run_once: true
"""

RETURN = r"""
waves:
  description: The waves in their order.
  type: list
  elements: dict
  returned: success
  sample:
    - number: 1
      cluster: default
      rank: data nodes with the META role
      hosts: [data1]
      why: "the first of 3 data nodes with the META role: they keep the schema, which all others ask them for"
      before: [data1, data2, data3, liaison1]
      expected: [data1, data2, data3, liaison1]
      stands: [data1, data2, data3, liaison1]
      identities: [data1]
      pushes: false
watchers:
  description: Cluster name, then the hosts through whose eyes its waves are judged. The liaisons, or where there are none the data nodes.
  type: dict
  returned: success
liaisons:
  description: Cluster name, then all its liaisons, which take part when one of them is drained, whatever the run is limited to.
  type: dict
  returned: success
gates:
  description: Cluster name, then C(soak) and C(stall) of its gates, in seconds.
  type: dict
  returned: success
  sample: {default: {soak: 10.0, stall: 45.0}}
lines:
  description: The plan as it was printed.
  type: list
  elements: str
  returned: success
"""
