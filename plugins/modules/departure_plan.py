# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: departure_plan
short_description: Refuse a departure that loses points
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection. Runs on the controller alone.
  - Compares what the data nodes hold with the replicas of each group, and with the nodes that have left within the TTL of the group.
  - Prints a table of the groups and points at risk, and refuses unless O(accept) has every such group.
options:
  clusters:
    description: What the filter P(skywalking.banyandb.clusters#filter) gives.
    type: dict
    required: true
  leaving:
    description: Entry names of the nodes whose data is about to leave. A node that no topology lists has left before.
    type: list
    elements: str
    required: true
  cause:
    description: Whether the nodes are V(removed), or come back with an V(empty_disk).
    type: str
    choices: [removed, empty_disk]
    default: removed
  accept:
    description: Names of groups that may lose points. V(*) is for a cluster whose groups no liaison reports.
    type: list
    elements: str
    default: []
  found:
    description: Name of the variable in which each host has the result of M(skywalking.banyandb.departure_info).
    type: str
    required: true
  failed_parts:
    description: Name of the variable in which each liaison has the result of M(skywalking.banyandb.failed_parts_info).
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
    accept: "{{ banyandb_accept_data_loss | default([]) }}"
    found: departure_found
    failed_parts: failed_parts_found
  run_once: true
"""

RETURN = r"""
departures:
  description: Cluster, then the departures to record, those that any host has recorded before included. With a refusal only with C(-v).
  type: dict
  returned: success
risks:
  description: The groups at risk. C(safe_from) is in seconds since 1970, or V(null) without a date. With a refusal only with C(-v).
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
  description: The table that was printed. With a refusal only with C(-v).
  type: list
  elements: str
  returned: success
"""
