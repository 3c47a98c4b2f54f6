# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups that the playbooks make of the hosts of a run, from the inventory alone. Pure.

A play for a group replaces a condition on a task: Ansible starts a process for each host that skips a task.
A play for some hosts must not fail on all of them: Ansible ends the run when every host of a play fails. So most groups have all hosts or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import FIREWALL, PUSH
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, STANDALONE

#: All hosts of the run, when any server reads no topology.yml: a server that asks DNS, a standalone server.
VIEW_WAIT = "__banyandb_view_wait"
#: Hosts with a liaison.
LIAISONS = "__banyandb_liaisons"
#: All hosts of the run, when the nodes of any cluster come from DNS.
DNS_HOSTS = "__banyandb_dns_hosts"
#: All hosts of the run, when nodes leave a cluster.
DEPARTURE_HOSTS = "__banyandb_departure_hosts"
#: Hosts at which a run without a preflight looks, to find which firewalls need a change and whether a push has anything to do.
LOOK = "__banyandb_look_hosts"


def play_groups(
    clusters: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], pushes: bool = False, changes_firewall: bool = False
) -> dict[str, list[str]]:
    """Return the groups of each host: host -> names of groups. A host without a group has no entry.

    ``clusters``: as the filter ``clusters`` returns them. ``hosts``: hosts of the play. ``pushes``: whether the run pushes to every host.
    ``changes_firewall``: whether the run changes firewalls without a preflight. Then it looks at the hosts with a firewall, and look_groups() decides
    whether the run pushes.
    A host in ``banyandb_remove`` does not count as a liaison.
    """
    nodes = [(cluster["mode"], node) for cluster in clusters.values() for node in cluster.get("hosts", cluster["nodes"]) if node["name"] in hosts]
    firewalls = {node["name"] for cluster in clusters.values() if cluster.get("firewall") and changes_firewall for node in cluster["nodes"]}
    conditions = {
        DNS_HOSTS: any(cluster["source"] == "dns" for cluster in clusters.values()),
        DEPARTURE_HOSTS: any(cluster["remove"] for cluster in clusters.values()),
        PUSH: pushes and firewalls.isdisjoint(hosts),
        VIEW_WAIT: any(mode != FILE or node["role"] == STANDALONE for mode, node in nodes),
    }
    of_host = {
        LIAISONS: {node["name"] for _mode, node in nodes if node["role"] == LIAISON},
        LOOK: firewalls,
    }
    found = {
        host: [group for group, holds in conditions.items() if holds] + [group for group, names in of_host.items() if host in names] for host in hosts
    }
    return {host: groups for host, groups in found.items() if groups}


def look_groups(clusters: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the groups of each host after the look: host -> names of groups. A host without a group has no entry.

    ``clusters``, ``hosts``: as of play_groups(), with all hosts of the run. ``found``: host -> result of the module ``host_info``, without failures.
    All hosts push, unless each host that reads topology.yml has proved its view, and no firewall changes after the proof.
    """
    firewalls = [name for name, each in found.items() if each["firewall"]["differs"] or each["firewall"]["problems"]]
    readers = [
        node["name"]
        for cluster in clusters.values()
        for node in cluster["nodes"]
        if cluster["mode"] == FILE and node["role"] != STANDALONE and node["name"] in hosts
    ]
    pushes = bool(firewalls) or any(not found.get(name, {}).get("push") for name in readers)
    groups = {host: [*([FIREWALL] if host in firewalls else []), *([PUSH] if pushes else [])] for host in hosts}
    return {host: names for host, names in groups.items() if names}
