# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which step of a deployment a host takes part in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import concerns, read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import DATA, FILE, LIAISON, STANDALONE

STAY = "__banyandb_cluster_members"
CONFIGURE = "__banyandb_configure"
CHANGE = "__banyandb_change"
INSTALL = "__banyandb_install"
ROLLOUT = "__banyandb_rollout"
DRAINABLE = "__banyandb_drainable"
EMPTIED = "__banyandb_empty_disk_nodes"
DISK_LOST = "__banyandb_empty_disk_check"
# What a server needs, as need() says it.
START = "start"
RESTART = "restart"
MOVE = "move"
KEEP = "keep"
ENTER_FILE_MODE = "__banyandb_enter_file_mode"
# A process that was started with another value of it reads its nodes from another place.
MODE_VARIABLE = "BYDB_NODE_DISCOVERY_MODE"


def steps(clusters: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Host -> the groups of the playbook ``deploy`` that it belongs to.

    ``clusters`` is what the inventory describes, ``found`` for each host what the module ``probe`` said of it. A host
    that is in no cluster any more (it is named for removal) is left alone: it has no groups.
    ``__banyandb_cluster_members`` are all others, ``__banyandb_change`` those whose server runs otherwise than it should, which are changed a wave
    at a time, ``__banyandb_configure`` others that are not yet as they should be, and
    ``__banyandb_start_<kind>`` those whose server has to be started, but for ``__banyandb_start_first_liaison``, one liaison of each cluster, and
    ``__banyandb_start_other_data``, data nodes without the META role, which listen only when one with it has answered.
    ``__banyandb_install`` are the hosts of ``__banyandb_change`` and ``__banyandb_configure``. While any server is to be changed,
    ``__banyandb_rollout`` are all hosts, and ``__banyandb_drainable`` their liaisons.
    ``__banyandb_empty_disk_nodes`` are data nodes that come back without the data of a lost disk; while there is any,
    ``__banyandb_empty_disk_check`` are all hosts.
    ``__banyandb_enter_file_mode`` are those whose server is to read topology.yml and runs without it, so that the file there is old.
    Where the nodes come from DNS, ``hosts`` of the cluster has what the inventory describes.
    """
    groups: dict[str, list[str]] = {}
    for cluster in clusters.values():
        here = sorted((node for node in cluster.get("hosts", cluster["nodes"]) if node["name"] in found), key=lambda node: str(node["name"]))
        first = next((node["name"] for node in here if node["role"] == LIAISON), None)
        for node in here:
            name, probe = node["name"], found[node["name"]]
            (service,) = probe["services"].values()
            groups[name] = [STAY]
            if need(service) == START:
                before = "first_" if name == first else "other_" if node["role"] == DATA and "ROLE_META" not in (node["roles"] or ()) else ""
                groups[name].append(f"__banyandb_start_{before}{node['role']}")
            if need(service) in (RESTART, MOVE):
                groups[name].append(CHANGE)
            elif probe["install_needed"] or probe["node_needed"]:
                groups[name].append(CONFIGURE)
            roots = (probe.get("storage") or {}).get("roots", ())
            if node["role"] == DATA and any(root["state"] == State.EMPTIED.value for root in roots):
                groups[name].append(EMPTIED)
            if cluster["mode"] == FILE and node["role"] != STANDALONE and changes_mode(service):
                groups[name].append(ENTER_FILE_MODE)
    liaisons = {node["name"] for cluster in clusters.values() for node in cluster.get("hosts", cluster["nodes"]) if node["role"] == LIAISON}
    rolls = any(CHANGE in each for each in groups.values())
    loses = any(EMPTIED in each for each in groups.values())
    for name, each in groups.items():
        each.extend([INSTALL] if CHANGE in each or CONFIGURE in each else [])
        each.extend([ROLLOUT] if rolls else [])
        each.extend([DISK_LOST] if loses else [])
        each.extend([DRAINABLE] if rolls and name in liaisons else [])
    return groups


def changes_mode(service: Mapping[str, Any]) -> bool:
    """Return whether the server runs in another discovery mode than it is to; ``service`` is of the module ``host_info``."""
    return concerns(read(service["needs_restart"]), [MODE_VARIABLE])


def need(service: Mapping[str, Any]) -> str:
    """What a server needs to run as it should; ``service`` is of the module ``host_info``.

    ``start``: no process, or one that neither listens nor would do so after a restart alone. ``restart``: an older
    configuration. ``move``: the same, and it listens elsewhere than it is to (a changed port), so it cannot be asked until
    it is restarted. ``keep``: nothing.
    """
    if not service["main_pid"] or not (service["ready"] or service["needs_restart"]):
        return START
    if not service["needs_restart"]:
        return KEEP
    return RESTART if service["ready"] else MOVE
