# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin departure_plan. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: departure_plan
short_description: "Internal: refuse to remove a data node if points would be lost"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection. Runs only on the controller.
  - Compares the points of the data nodes with the replicas of each group, and with the nodes that left within the TTL of the group.
  - Prints a table of the groups and points at risk. Fails unless C(banyandb_accept_data_loss) of the
    cluster lists every group at risk. All hosts of a cluster must have the same value.
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  leaving:
    description: Entry names of the nodes that leave with their data. A node that is in no topology file has already left.
    type: list
    elements: str
    required: true
  announce:
    description: Whether to print a line with the leaving nodes, for a playbook whose plan does not name them.
    type: bool
    default: true
  cause:
    description: Why the data leaves. V(removed) means that the user removes the nodes. V(empty_disk) means that the nodes return with an empty disk.
    type: str
    choices: [removed, empty_disk]
    default: removed
  accept:
    description: Names of groups that may lose points, for a cluster whose hosts do not set C(banyandb_accept_data_loss). Use V(*) if no liaison
      reports the groups of the cluster.
    type: list
    elements: str
    default: []
  found:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.departure_info).
    type: str
    required: true
  failed_parts:
    description: Name of the variable in which each liaison registered the result of M(skywalking.banyandb.failed_parts_info).
    type: str
    required: true
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.departure_info
  - module: skywalking.banyandb.departure_record
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Refuse to lose points
  skywalking.banyandb.departure_plan:
    clusters: "{{ __banyandb_clusters }}"
    leaving: [data3]
    found: departure_found
    failed_parts: failed_parts_found
  run_once: true
"""

RETURN = r"""
departures:
  description: Cluster, then the departures to record. Includes departures that a host has already recorded. After a refusal only with C(-v).
  type: dict
  returned: success
risks:
  description: The groups at risk. C(safe_from) is in seconds since 1970, or V(null) without a date. After a refusal only with C(-v).
  type: list
  elements: dict
  returned: success
  sample:
    - cluster: default
      group: sw_metrics
      copies: 2
      host: data3
      points: 210
      reason: last_copy
      safe_from: 1796515200
      names: [10.0.0.5:17912]
lines:
  description: The printed table, line by line. After a refusal only with C(-v).
  type: list
  elements: str
  returned: success
"""
