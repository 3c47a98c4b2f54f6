# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin rollout_plan. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: "Internal: plan the waves of a change to the servers of a cluster"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Reads the result of M(skywalking.banyandb.probe) of each host of the play. Plans the order of the servers, and which servers change together.
    Prints the plan with the reasons.
  - Data nodes with the META role come first, then the other data nodes, then liaisons. Each kind starts with a wave of one server.
  - No wave stops the last server of a role or a label, or more servers than the user allows. If no such plan exists, the module fails.
  - Each cluster has its own C(banyandb_waves), C(banyandb_data_at_once), C(banyandb_minimum), C(banyandb_soak) and C(banyandb_stall). The module
    reads these variables from all hosts of the cluster, even if the run has a limit. All hosts must have the same values.
  - Runs only on the controller.
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  restart:
    description:
      - Hosts whose servers to restart unchanged. An empty list means all hosts. The plan starts a server that does not run.
      - Without O(restart), the plan changes the servers whose configuration is not the expected configuration.
    type: list
    elements: str
  answers:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.cluster_watch) for its own server. Used with
      O(restart).
    type: str
  only:
    description: Accept only changes of V(labels) or V(addresses). The module fails if the plan has a different change.
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
stops:
  description:
    - The hosts whose servers the run stops before the waves, because TLS changes in a whole cluster. C(liaisons) stop one after another, each after
      its drain. A liaison that does not listen stops first, without a drain. Then C(others) stop together. The waves have none of these hosts.
  type: list
  elements: dict
  returned: success
  sample: [{liaisons: [liaison1, liaison2], others: [data1, data2]}]
drained:
  description: The liaisons that the run drains.
  type: list
  elements: str
  returned: success
  sample: [liaison1, liaison2]
watchers:
  description: Cluster name, then the hosts whose cluster views judge the waves. These are the liaisons, or without liaisons the data nodes.
  type: dict
  returned: success
liaisons:
  description: Cluster name, then all liaisons of the cluster, even if the run has a limit. All liaisons take part in the drain of one liaison.
  type: dict
  returned: success
gates:
  description: Cluster name, then C(soak) and C(stall) of the cluster's gates, in seconds.
  type: dict
  returned: success
  sample: {default: {soak: 10.0, stall: 45.0}}
lines:
  description: The printed plan, line by line.
  type: list
  elements: str
  returned: success
"""
