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
  - From what M(skywalking.banyandb.probe) found on each host of the play, plans which servers are changed together and in which order, and prints
    the plan with the reasons. Data nodes with the META role come first, then the other data nodes, then liaisons; of each of these one first,
    then more.
  - No wave takes away the last of a role or of a label, or more than the user allows; what cannot be planned so is refused.
  - Runs on the controller alone.
options:
  clusters:
    description: What P(skywalking.banyandb.clusters#filter) gave.
    type: dict
    required: true
  restart:
    description: Restart these hosts as they are, or all when it is empty. Without it, those are changed whose server runs otherwise than it should.
    type: list
    elements: str
  only:
    description: Refuse when anything but the V(labels) or the V(addresses) of nodes would be changed.
    type: str
    choices: [labels, addresses]
  waves:
    description: How many servers of a kind have been changed when each stage ends, as numbers and percentages.
    type: raw
    default: [1, "5%", "25%", "100%"]
  data_at_once:
    description:
      - How many data nodes may be away together. At most as many as each shard has replicas, since the next copies of a shard may be on any of
        them.
    type: raw
    default: 1
  minimum:
    description:
      - How many servers must stay of a role (V(meta), V(data), V(liaison)) or of a label, such as C(type=hot). By default one of each, and half of
        the liaisons.
    type: raw
    default: {}
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
    clusters: "{{ banyandb_clusters }}"
    minimum: {data: 2, type=hot: 1}
  register: banyandb_rollout
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
lines:
  description: The plan as it was printed.
  type: list
  elements: str
  returned: success
"""
