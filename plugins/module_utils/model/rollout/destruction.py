# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether clusters may be destroyed, and list what the destruction does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import Cluster
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON


def confirmed_names(given: object) -> list[str]:
    """Return the cluster names in ``banyandb_confirm``. ``given``: a list, or a text with commas."""
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else [given] if given is not None else []
    return [name for part in parts if (name := str(part).strip())]


def problems(clusters: Mapping[str, Cluster], confirmed: Sequence[str], in_run: Collection[str], given: Collection[str]) -> list[str]:
    """Return why no cluster may be destroyed, as messages.

    ``confirmed``: cluster names that the user confirmed. ``in_run``: hosts of this run. ``given``: names of variables on the command line.
    """
    known = listed(sorted(clusters))
    found = []
    if "banyandb_cluster" in given:
        found.append(
            "banyandb_cluster is set on the command line, which makes all hosts one cluster. Leave it out: banyandb_confirm names the clusters to "
            "destroy."
        )
    if not confirmed:
        found.append(f"banyandb_confirm is not set: expected the name of the cluster to destroy ({known}). Set -e banyandb_confirm=NAME.")
    unknown = [name for name in confirmed if name not in clusters]
    if unknown:
        found.append(f"banyandb_confirm is {listed(unknown, 2)}: expected clusters of this inventory, which has {known}. Correct the name.")
    for name in sorted(set(confirmed) & clusters.keys()):
        cluster = clusters[name]
        leaving = sorted(set(cluster.remove) & set(in_run))
        if leaving:
            found.append(
                naming(
                    f"cluster {name}: ",
                    leaving,
                    " is listed in banyandb_remove. Run skywalking.banyandb.remove first, or take it out of banyandb_remove.",
                    2,
                )
            )
        left_out = [node["name"] for node in cluster.nodes if node["name"] not in in_run]
        if left_out:
            found.append(
                naming(
                    f"cluster {name}: --limit leaves out ",
                    left_out,
                    ". Run this without --limit, or use skywalking.banyandb.remove for single hosts.",
                    2,
                )
            )
    return found


def destroyed(clusters: Mapping[str, Cluster], confirmed: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return host -> its node, for all hosts of the ``confirmed`` clusters.

    Liaisons come first: they stop while the data nodes still serve.
    """
    nodes = [node for name in sorted(set(confirmed)) for node in clusters[name].nodes]
    return {node["name"]: node for node in sorted(nodes, key=lambda node: node["role"] != LIAISON)}


def lines(clusters: Mapping[str, Cluster], confirmed: Collection[str], removes_data: bool) -> list[str]:
    """Return the plan of the destruction, one line for each host."""
    after = "its data and configuration removed" if removes_data else "its data left where it is"
    cluster_of = {node["name"]: name for name in confirmed for node in clusters[name].nodes}
    return [
        f"cluster {cluster_of[host]}: {host} ({node['role']}) is {'drained, ' if node['role'] == LIAISON else ''}stopped and disabled, {after}"
        for host, node in destroyed(clusters, confirmed).items()
    ]
