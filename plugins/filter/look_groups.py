# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``look_groups``. The code is in model/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout import play_groups

DOCUMENTATION = r"""
name: look_groups
short_description: "Internal: return the groups of the hosts that change their firewall or get a push"
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.topology).
positional: _input, hostvars, clusters
options:
  _input:
    description: Names of the hosts of the run.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars). Hosts with a firewall have registered C(__banyandb_looked), a result of M(skywalking.banyandb.host_info).
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
- name: Add each host to its groups
  ansible.builtin.add_host:
    name: "{{ item.key }}"
    groups: "{{ item.value }}"
  loop: "{{ groups.__banyandb_hosts | skywalking.banyandb.look_groups(hostvars, __banyandb_clusters) | dict2items }}"
"""

RETURN = r"""
_value:
  description: Host name, then the names of its groups. A host without a group is not there.
  type: dict
"""


def look_groups(hosts: Sequence[str], hostvars: Mapping[str, Any], clusters: Mapping[str, Any]) -> dict[str, list[str]]:
    looked = {host: hostvars[host].get("__banyandb_looked") or {} for host in hosts}
    return play_groups.look_groups(clusters, hosts, {host: result for host, result in looked.items() if result.get("firewall")})


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"look_groups": look_groups}
