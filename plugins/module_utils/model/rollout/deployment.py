# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sort the hosts into the Ansible groups of the playbook ``deploy``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.certificate_rounds import UNLOADED
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import (
    Reason,
    RestartReason,
    concerns,
    read,
    refuses_login,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.tls_switch import switches
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE

STAY = "__banyandb_cluster_members"
CONFIGURE = "__banyandb_configure"
CHANGE = "__banyandb_change"
INSTALL = "__banyandb_install"
FIREWALL = "__banyandb_firewall"
ROLLOUT = "__banyandb_rollout"
DRAINABLE = "__banyandb_drainable"
SWITCH = "__banyandb_tls_switch"
REOPEN = "__banyandb_reopen"
EMPTIED = "__banyandb_empty_disk_nodes"
DISK_LOST = "__banyandb_empty_disk_check"
# The results of need().
START = "start"
RESTART = "restart"
MOVE = "move"
KEEP = "keep"
ENTER_FILE_MODE = "__banyandb_enter_file_mode"
PUSH = "__banyandb_push_hosts"
# A process that was started with another value of this variable reads its nodes from another source.
MODE_VARIABLE = "BYDB_NODE_DISCOVERY_MODE"
USERS = "__banyandb_users"
USERS_LATER = "__banyandb_users_in_wave"
USERS_LEFT = "__banyandb_users_left"


def steps(
    clusters: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Mapping[str, Any]],
    certified: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, list[str]]:
    """Return the groups of the playbook ``deploy`` for each host: host -> names of groups.

    ``clusters``: the clusters of the inventory. When the nodes come from DNS, the key ``hosts`` of a cluster has the nodes of the inventory.
    ``found``: host -> result of the module ``probe``.
    ``certified``: host that gets a certificate -> its groups, of certificate_rounds.groups_of().
    A host that is in no cluster (a host in ``banyandb_remove``) has no groups, and the playbook does not change the host.

    ``__banyandb_cluster_members``: all hosts of the clusters.
    ``__banyandb_change``: hosts whose server runs with other settings than the inventory has. The playbook changes these hosts wave by wave.
    ``__banyandb_configure``: other hosts with an installation or a configuration to change.
    ``__banyandb_tls_switch``: all hosts of a cluster whose servers the playbook configures and stops, to change TLS in the whole cluster. Hosts of
    stopped servers are among them: a failure restores the files of every host, and then no play starts a server of the cluster.
    ``__banyandb_reopen``: the liaisons of an earlier deployment, when any of them is stopped. An interrupted run may have left ports blocked.
    ``__banyandb_install``: the hosts of ``__banyandb_change``, ``__banyandb_configure`` and ``__banyandb_tls_switch``.
    ``__banyandb_firewall``: hosts whose firewall needs a change.
    ``__banyandb_start_<kind>``: hosts whose server must be started, with two exceptions:
    ``__banyandb_start_first_liaison``: one liaison of each cluster.
    ``__banyandb_start_other_data``: data nodes without the META role. Such a node listens only after a node with the META role has responded.
    ``__banyandb_rollout`` and ``__banyandb_drainable``: all hosts, and all liaisons, when any server is to be changed.
    ``__banyandb_empty_disk_nodes``: data nodes that return without their data: a lost disk, or a new machine under the name of a listed node.
    ``__banyandb_empty_disk_check``: all hosts, when any host is in ``__banyandb_empty_disk_nodes``.
    ``__banyandb_push_hosts``: all hosts, unless the probe has proved that a push has nothing to do on each host that reads topology.yml.
    ``__banyandb_users``: hosts that need another file with users, except those of the next group. A running server loads the file without a restart.
    ``__banyandb_users_in_wave``: such hosts whose server does not see the file. Until its restart the collection logs in with the old file.
    ``__banyandb_users_left``: hosts with a file with users, whose server is to have no users.
    ``__banyandb_enter_file_mode``: hosts whose server is to read topology.yml but runs without topology.yml. The file on these hosts is stale.
    """
    groups: dict[str, list[str]] = {}
    pushes = False
    services = {name: service for name, probe in found.items() for service in probe["services"].values()}
    switching = switches({name: each.get("hosts", each["nodes"]) for name, each in clusters.items()}, services, found)
    stopping = {host for switch in switching.values() for host in switch.stops}
    switched = {host for switch in switching.values() if switch.stops for host in switch.members}
    for cluster in clusters.values():
        here = sorted((node for node in cluster.get("hosts", cluster["nodes"]) if node["name"] in found), key=lambda node: str(node["name"]))
        first = next((node["name"] for node in here if node["role"] == LIAISON), None)
        deployed = {node["name"]: service for node in here if node["role"] == LIAISON and (service := services[node["name"]])["exists"]}
        reopens = any(need(service) == START and host not in stopping for host, service in deployed.items())
        for node in here:
            name, probe = node["name"], found[node["name"]]
            (service,) = probe["services"].values()
            service = after_certificate(service, UNLOADED in certified.get(name, ()))
            groups[name] = [STAY]
            stops = name in stopping
            if need(service) == START or stops:
                before = "first_" if name == first else "other_" if node["role"] == DATA and "ROLE_META" not in (node["roles"] or ()) else ""
                groups[name].append(f"__banyandb_start_{before}{node['role']}")
            groups[name].extend([REOPEN] if reopens and name in deployed else [])
            if name in switched:
                groups[name].append(SWITCH)
            elif need(service) in (RESTART, MOVE):
                groups[name].append(CHANGE)
            # A new host gets its account, and then its certificate, before the change of TLS.
            if (probe["install_needed"] or probe["node_needed"]) and not ({CHANGE, SWITCH} & {*groups[name]} and service["exists"]):
                groups[name].append(CONFIGURE)
            groups[name] += _users(probe, service)
            listed = any(name in found[other["name"]].get("topology_names", ()) for other in here if other is not node)
            if node["role"] == DATA and _lost_its_data(probe, listed):
                groups[name].append(EMPTIED)
            if cluster["mode"] == FILE and node["role"] != STANDALONE:
                groups[name].extend([ENTER_FILE_MODE] if changes_mode(service) else [])
                pushes = pushes or not probe.get("push")
    liaisons = {node["name"] for cluster in clusters.values() for node in cluster.get("hosts", cluster["nodes"]) if node["role"] == LIAISON}
    rolls = any(CHANGE in each for each in groups.values())
    drains = rolls or any(SWITCH in each for each in groups.values())
    loses = any(EMPTIED in each for each in groups.values())
    for name, each in groups.items():
        each.extend([INSTALL] if {CHANGE, CONFIGURE, SWITCH} & {*each} else [])
        each.extend(certified.get(name, ()))
        each.extend([FIREWALL] if (found[name].get("firewall") or {}).get("differs") else [])
        each.extend([ROLLOUT] if rolls else [])
        each.extend([DISK_LOST] if loses else [])
        each.extend([PUSH] if pushes else [])
        each.extend([DRAINABLE] if drains and name in liaisons else [])
    return groups


def _users(probe: Mapping[str, Any], service: Mapping[str, Any]) -> list[str]:
    """Return the group of a host for its file with users."""
    found = probe.get("users_file") or {}
    if not found.get("differs"):
        return []
    if not found["wanted"]:
        return [USERS_LEFT]
    return [USERS_LATER if any(reason.reason == Reason.USERS_UNREAD for reason in read(service["needs_restart"])) else USERS]


def unknown_past(clusters: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the data nodes without data of which this run cannot know whether a server lists them, because it did not reach every host.

    Arguments as of steps().
    """
    names = []
    for cluster in clusters.values():
        nodes = [node for node in cluster.get("hosts", cluster["nodes"]) if node["role"] != STANDALONE]
        if cluster["mode"] == FILE and any(node["name"] not in found for node in nodes):
            here = [node["name"] for node in nodes if node["role"] == DATA and node["name"] in found]
            names += [name for name in here if _lost_its_data(found[name], True) and not _lost_its_data(found[name], False)]
    return names


def _lost_its_data(probe: Mapping[str, Any], is_listed: bool) -> bool:
    """Return whether a data node returns without its data. ``is_listed``: whether another host lists the node in topology.yml.

    A server lists only a node that has responded, so a listed node had data. A new machine has neither the data nor its record.
    """
    states = {root["state"] for root in (probe.get("storage") or {}).get("roots", ())}
    return State.EMPTIED.value in states or (is_listed and states == {State.NEW.value})


def after_certificate(service: Mapping[str, Any], unloaded: bool) -> Mapping[str, Any]:
    """Return a service with the reason to restart it that its new certificate makes. ``unloaded``: whether the host is in the group UNLOADED."""
    reason = RestartReason(Reason.CERTIFICATE_NOT_LOADED)
    if not unloaded or reason in read(service["needs_restart"]):
        return service
    return {**service, "needs_restart": [*service["needs_restart"], reason.to_mapping()]}


def changes_mode(service: Mapping[str, Any]) -> bool:
    """Return whether the server runs in another discovery mode than the inventory has.

    ``service``: as the module ``host_info`` returns it.
    """
    return concerns(read(service["needs_restart"]), [MODE_VARIABLE])


def need(service: Mapping[str, Any]) -> str:
    """Return what a server needs to run with the settings of the inventory.

    ``start``: the server has no process, or the process does not listen and a restart alone does not help.
    ``restart``: the server runs with a stale configuration.
    ``move``: as ``restart``, but the collection cannot ask the server before the restart. The server listens on another port than the inventory has,
    or refuses the login of the collection.
    ``keep``: nothing.
    ``service``: as the module ``host_info`` returns it.
    """
    if not service["main_pid"] or not (service["ready"] or service["needs_restart"]):
        return START
    if not service["needs_restart"]:
        return KEEP
    return RESTART if service["ready"] and not refuses_login(service) else MOVE
