# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``host_firewall``. The code is in model/."""

from __future__ import annotations

from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_firewall import host_firewall

DOCUMENTATION = r"""
name: host_firewall
short_description: "Internal: return the firewall that a host must have"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
positional: _input, clusters
options:
  _input:
    description: The host in the result of the filter P(skywalking.banyandb.local_servers#filter).
    type: dict
    required: true
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Load the firewall of this host
  skywalking.banyandb.node_firewall:
    firewall: "{{ __banyandb_local_servers[inventory_hostname] | skywalking.banyandb.host_firewall(__banyandb_clusters) }}"
    complete: false
"""

RETURN = r"""
_value:
  description: Option C(firewall) of M(skywalking.banyandb.node_firewall).
  type: dict
"""


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"host_firewall": host_firewall}
