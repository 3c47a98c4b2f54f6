# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin srv_nodes. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: srv_nodes
short_description: "Internal: find the nodes of clusters through DNS, and decide which nodes the topology keeps"
version_added: 0.9.0
description:
  - Internal to the roles of this collection. Runs only on the controller.
  - Handles each cluster whose nodes come from DNS. Queries DNS for C(banyandb_srv_names), and queries every target for its identity. Compares the
    nodes with the topology files of the hosts (C(__banyandb_host) or C(__banyandb_dns_look), see M(skywalking.banyandb.host_info)). Replaces the
    nodes of the inventory.
  - Returns other clusters, and clusters without a host in the play, unchanged.
  - Keeps all nodes of a topology while DNS fails or answers only in part. Keeps a node that DNS omits until enough answers omit the node, or until
    C(banyandb_remove) lists the node. Each such case is a warning with the reason.
  - If the servers of a cluster query DNS themselves, refuses changes that make the servers lose nodes.
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  change:
    description:
      - Whether this run changes hosts. With V(true), problems fail the task, and a stored answer may be at most 1 h old (24 h with V(false)).
      - With V(true), the query also counts as an observation, except in check mode.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Changes nothing on any host, and counts no observation.
  diff_mode:
    support: none
    description: Changes nothing on any host.
requirements:
  - dnspython >= 2.6 on the controller; grpcio and protobuf to query nodes for their identity
seealso:
  - module: skywalking.banyandb.srv_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Find the nodes through DNS
  skywalking.banyandb.srv_nodes:
    clusters: "{{ __banyandb_clusters }}"
  register: __banyandb_dns_nodes
  run_once: true
"""

RETURN = r"""
more_problems:
  description: All problems except the first. The message of the failure has the first problem.
  returned: failure with several problems
  type: list
  elements: str
clusters:
  description:
    - The clusters. For a cluster whose nodes come from DNS, C(nodes) has the nodes of the DNS answer and C(hosts) has the nodes of the inventory.
    - C(remove) additionally has the nodes that may leave. C(settle) is the number of seconds after which a difference no longer disappears by itself.
  returned: success
  type: dict
"""
