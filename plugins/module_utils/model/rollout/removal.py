# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether nodes may leave a cluster for good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_groups import META, groups_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON

#: A cluster keeps at least so many servers of each group. No liaison starts without META, and clients need a liaison.
KEPT = {META: 1, DATA: 1, LIAISON: 1}


def problems(
    clusters: Mapping[str, Sequence[Mapping[str, Any]]], leaving: Collection[str], limits: Mapping[str, Limits], in_run: Collection[str]
) -> list[str]:
    """Return why the nodes ``leaving`` may not leave, as messages.

    ``clusters``: cluster name -> its nodes, with the nodes that leave. ``leaving``: entry names. ``limits``: cluster name -> its limits.
    ``in_run``: hosts of this run. Every server of the cluster must drop the node before its server stops.
    """
    known = {node["name"] for nodes in clusters.values() for node in nodes}
    found = []
    if not leaving:
        found.append('banyandb_remove is empty. Name the hosts that leave, with -e \'{"banyandb_remove": ["data3"]}\'.')
    unknown = sorted(set(leaving) - known)
    if unknown:
        found.append(
            naming(
                "banyandb_remove names ",
                unknown,
                ": in no group of the servers. For a host that is not in the inventory, run skywalking.banyandb.topology.",
                2,
            )
        )
    for cluster, nodes in sorted(clusters.items()):
        left_out = [node["name"] for node in nodes if node["name"] not in in_run]
        if left_out and any(node["name"] in leaving for node in nodes):
            found.append(
                naming(
                    f"cluster {cluster}: --limit leaves out ",
                    left_out,
                    ", and every server of the cluster must drop the node. Run this without --limit.",
                    3,
                )
            )
        groups = dict.fromkeys(group for node in nodes if node["name"] in leaving for group in groups_of(node))
        for group in groups:
            members = [node["name"] for node in nodes if group in groups_of(node)]
            staying = [name for name in members if name not in leaving]
            least = max(limits[cluster].minimum.get(group, 0), KEPT.get(group, 0))
            if len(staying) < least:
                what = f": cluster {cluster} would have {len(staying)} of its {len(members)} servers of {group} left, at least {least} must stay. "
                or_set = "" if len(staying) < KEPT.get(group, 0) else f", or set banyandb_minimum: {{{group}: {len(staying)}}}"
                found.append(naming("", [name for name in members if name in leaving], f"{what}Add another first{or_set}.", 2))
    return found


def lines(clusters: Mapping[str, Sequence[Mapping[str, Any]]], leaving: Collection[str], clean_up: bool) -> list[str]:
    """Return the plan of the removal, one line for each node."""
    found = []
    for cluster, nodes in sorted(clusters.items()):
        for node in nodes:
            if node["name"] in leaving:
                first = "drained, " if node["role"] == LIAISON else ""
                after = "its data and configuration removed" if clean_up else "its data left where it is"
                others = sum(other["name"] not in leaving for other in nodes)
                found.append(
                    f"cluster {cluster}: {node['name']} ({node['role']}) is {first}dropped from the views of {others} servers, stopped, {after}"
                )
    names = sorted(node["name"] for nodes in clusters.values() for node in nodes if node["name"] in leaving)
    return found + (
        [f"after this run, delete from the inventory: {', '.join(names)}. The next deploy starts every server of the inventory"] if names else []
    )
