# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import declared
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS, clusters, merged
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unknown_names import unknown_groups, unknown_variables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.inventory_arguments import require_inventory

DOCUMENTATION = r"""
name: clusters
short_description: "Internal: return the BanyanDB clusters of the inventory"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Reads all hosts of the groups C(banyandb_data), C(banyandb_liaison) and C(banyandb_standalone), also hosts outside of C(--limit). Returns
    the nodes of each cluster (variable C(banyandb_cluster)) in the form that M(skywalking.banyandb.topology) takes.
  - C(problems) lists the errors in the inventory. Each sentence names the host and says what to do. With an error, the list
    also has the variables and groups with unknown names.
positional: _input, groups
extends_documentation_fragment:
  - skywalking.banyandb.inventory_arguments
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Refuse an inventory with problems
  ansible.builtin.assert:
    that: item.value.problems == []
    fail_msg: "{{ item.value.problems | join(' ') }}"
  loop: "{{ hostvars | skywalking.banyandb.clusters(groups) | dict2items }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Cluster name, then C(nodes), C(remove) and C(problems).
  type: dict
"""


def inventory_clusters(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    require_inventory("clusters", hostvars, groups)
    found = clusters(groups, hostvars)
    # The run ends at the first problem, so these warnings would come only after its correction.
    broken = next((cluster for cluster in found.values() if cluster.problems), None)
    if broken:
        names = {host: list(hostvars[host]) for group in GROUPS for host in groups.get(group, ())}
        broken.problems += [finding.message for finding in [*unknown_variables(names, declared()), *unknown_groups(groups)]]
    return {name: {**asdict(cluster), "problems": list(map(message, merged(cluster.problems, hostvars)))} for name, cluster in found.items()}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"clusters": inventory_clusters}
