# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options with which a host checks that its topology.yml and its view need no push. Pure."""

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
    for cluster in clusters.values():
        nodes = [node for node in cluster["nodes"] if node["role"] != STANDALONE]
        own = next((node for node in nodes if node["name"] == host), None)
        if own is not None and cluster["mode"] == FILE and cluster["source"] == INVENTORY:
            return {
                "path": f"{server['config_dir']}/topology.yml",
                "nodes": nodes,
                "remove": cluster["remove"],
                "refresh_stale": True,
                "prove": {"name": host, "role": own["role"], "url": server["url"]},
            }
    return None
