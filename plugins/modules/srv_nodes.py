# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: srv_nodes
short_description: Find the nodes of clusters through DNS, and decide what may become of the topology
version_added: 0.9.0
description:
  - Internal to the roles of this collection. For each cluster whose nodes come from DNS it asks for C(banyandb_srv_names) and every target who it
    is, holds that against what the hosts' files list now (C(__banyandb_host) or C(__banyandb_dns_look), see M(skywalking.banyandb.host_info)), and
    replaces the nodes of the inventory. Other clusters, and those without a host in the play, are returned as they were.
  - Nothing leaves a topology while DNS fails or answers in part, and what DNS leaves out stays until it is believed or named. Each such case is
    a warning that says which it was.
  - For clusters whose servers ask DNS themselves it refuses what would make them lose nodes.
  - Runs on the controller alone.
options:
  clusters:
    description: What P(skywalking.banyandb.clusters#filter) gave.
    type: dict
    required: true
  change:
    description:
      - Whether this run is to change hosts. Then problems fail, a remembered answer may be 1 h old at most (24 h otherwise), and the look counts
        as an observation, but for check mode.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Changes nothing on any host, and counts nothing.
  diff_mode:
    support: none
    description: Changes nothing on any host.
requirements:
  - dnspython >= 2.6 on the controller; grpcio and protobuf to ask nodes who they are
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
  description: All problems but the first, which is the message.
  returned: when there are several problems
  type: list
  elements: str
clusters:
  description:
    - The clusters. Of those that DNS was asked for, C(nodes) are what it leads to, C(hosts) what the inventory describes, C(remove) has in
      addition what may leave, and C(settle) is how many seconds a difference may stand before it is no longer expected to heal.
  returned: success
  type: dict
"""
