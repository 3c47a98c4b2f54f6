# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options with which a host checks what a push would do: nothing, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import INVENTORY
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE


def expected_push(host: str, server: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the options of the module ``topology`` for ``host``; None when the host reads no topology.yml, or when its nodes come from DNS.

    ``server``: the host in the result of the filter ``local_servers``. ``clusters``: result of the filter ``clusters``.
    """
    cluster = _pushed(host, clusters)
    if cluster is None:
        return None
    nodes = _members(cluster)
    own = next(node for node in nodes if node["name"] == host)
    return {
        "path": f"{server['config_dir']}/topology.yml",
        "nodes": nodes,
        "remove": cluster["remove"],
        "refresh_stale": True,
        "prove": {"name": host, "role": own["role"], "url": server["url"]},
    }


def push_guard(host: str, clusters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the option ``guard`` of the module ``host_info``. None when ``host`` reads no topology.yml, and when its nodes come from DNS.

    With nodes from DNS, every node in a topology.yml is in DNS, stays, or may leave: dns_nodes decides this for the whole cluster.

    ``clusters``: result of the filter ``clusters``.
    """
    cluster = _pushed(host, clusters)
    if cluster is None:
        return None
    return {"nodes": [{key: node[key] for key in ("name", "grpc_address")} for node in _members(cluster)], "remove": cluster["remove"]}


def _pushed(host: str, clusters: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the cluster that pushes the nodes of the inventory to ``host``; None without such a cluster."""
    for cluster in clusters.values():
        if cluster["mode"] == FILE and cluster["source"] == INVENTORY and any(node["name"] == host for node in _members(cluster)):
            return cluster
    return None


def _members(cluster: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [node for node in cluster["nodes"] if node["role"] != STANDALONE]
