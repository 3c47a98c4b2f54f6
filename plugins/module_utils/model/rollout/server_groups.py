# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the groups in which servers replace each other, and how many servers of a group must stay. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE

META = "meta"
LIFECYCLE = "lifecycle"


def groups_of(node: Mapping[str, Any]) -> list[str]:
    """Return the groups of a node: its role, and for a data node the META role and each label."""
    if node["role"] != DATA:
        return [str(node["role"])]
    meta = [META] if "ROLE_META" in (node["roles"] or ()) else []
    return [DATA, *meta, *(f"{name}={value}" for name, value in sorted((node["labels"] or {}).items()))]


def minimum_of(group: str, size: int, limits: Limits) -> int:
    """Return how many servers of a group must stay.

    ``size``: number of servers in the group.
    The user's value wins. Without one, half of the liaisons and one server of any other group must stay. The remaining liaisons take over the
    clients of the others. A group of one server has no other server that could take over.
    """
    if group in limits.minimum:
        return limits.minimum[group]
    if size < 2 or group in (STANDALONE, LIFECYCLE):
        return 0
    return -(-size // 2) if group == LIAISON else 1


def lacking(leaving: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], away: Collection[str], limits: Limits) -> str:
    """Return which group would have too few servers, as a message; empty when every group has enough.

    ``leaving``: nodes that the plan makes unavailable. ``away``: hosts that this run does not reach.
    """
    gone = {node["name"] for node in leaving} | {*away}
    for group in dict.fromkeys(group for node in leaving for group in groups_of(node)):
        members = [node["name"] for node in nodes if group in groups_of(node)]
        left = [name for name in members if name not in gone]
        minimum = minimum_of(group, len(members), limits)
        if len(left) < minimum:
            missing = sorted(name for name in members if name in away)
            return (
                f"without it {len(left)} of the {len(members)} servers of {group} would be left, at least {minimum} must stay"
                + (f" ({listed(missing, 1)} cannot be reached)" if missing else "")
                + f". Start what does not run, add a server, or set banyandb_minimum: {{{group}: {len(left)}}}."
            )
    return ""
