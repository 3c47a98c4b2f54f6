# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read how many servers of a cluster may change together, as the user set it. Pure.

The settings belong to one cluster, so all hosts of the cluster must have the same values. Another cluster may have other values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import SOAK_SECONDS, STALL_SECONDS

#: Upper bounds of the number of changed servers of a rank at the end of each stage. The first stage is one server, to see the effect.
STAGES: tuple[int | str, ...] = (1, "5%", "25%", "100%")

# With one replica (measured so, section 8), two data nodes may hold the only two copies of a shard.
DATA_AT_ONCE = 1


class RolloutRefused(ValueError):
    """No order of the changes keeps the limits; the message names the host, the group and what to do."""


class WrongLimits(RolloutRefused):
    """A limit has an invalid value, or hosts of one cluster have different values."""


@dataclass(frozen=True)
class Limits:
    """The limits of one cluster.

    ``stages``: numbers and percentages of the servers of a rank.
    ``data_at_once``: data nodes that may be down together; at most the number of replicas of the shards.
    ``minimum``: group -> number of servers that must stay.
    ``soak``: seconds without a finding before a gate opens. ``stall``: seconds without progress before a gate fails.
    ``allow_downtime``: whether a change that needs a stop of all servers may stop them.
    """

    stages: tuple[int | str, ...] = STAGES
    data_at_once: int = DATA_AT_ONCE
    minimum: Mapping[str, int] = field(default_factory=dict)
    soak: float = SOAK_SECONDS
    stall: float = STALL_SECONDS
    allow_downtime: bool = False

    @classmethod
    def from_variables(cls, variables: Mapping[str, Any]) -> Limits:
        """Return the limits in Ansible variables. ``variables``: name -> value; None or a missing name means the default.

        Raises WrongLimits for an invalid value.
        """
        given = {name: value for name, value in variables.items() if value is not None}
        stages: Any = given.get("banyandb_waves", STAGES)
        data_at_once, minimum = given.get("banyandb_data_at_once", DATA_AT_ONCE), given.get("banyandb_minimum", {})
        if isinstance(stages, (str, int)):
            stages = [stages]
        if not isinstance(stages, Sequence) or not stages or not all(_is_stage(stage) for stage in stages):
            raise WrongLimits(f"banyandb_waves is {shown(stages)}: expected a list of numbers and percentages, such as [1, 5%, 25%, 100%].")
        if not re.fullmatch(r"[1-9]\d*", str(data_at_once)):
            raise WrongLimits(f"banyandb_data_at_once is {shown(data_at_once)}: expected a number, 1 or more.")
        if not isinstance(minimum, Mapping) or not all(re.fullmatch(r"\d+", str(number)) for number in minimum.values()):
            raise WrongLimits(
                f"banyandb_minimum is {shown(minimum)}: expected a mapping from a role (meta, data, liaison) or a label (type=hot) to the number "
                "of servers that must stay, such as {data: 2, type=hot: 1}."
            )
        return cls(
            tuple(stages),
            int(data_at_once),
            {str(group): int(number) for group, number in minimum.items()},
            _seconds("banyandb_soak", given.get("banyandb_soak", SOAK_SECONDS)),
            _seconds("banyandb_stall", given.get("banyandb_stall", STALL_SECONDS)),
            is_true(given.get("banyandb_allow_downtime", False)),
        )


#: The variables with the limits.
VARIABLES = ("banyandb_waves", "banyandb_data_at_once", "banyandb_minimum", "banyandb_soak", "banyandb_stall", "banyandb_allow_downtime")


def limits_of(clusters: Mapping[str, Sequence[Mapping[str, Any]]], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Limits]:
    """Return cluster -> its limits, from the variables of all its hosts. A limit of the run (``--limit``) does not matter.

    ``clusters``: cluster name -> its nodes.
    Raises WrongLimits for an invalid value, and when hosts of one cluster have different values.
    """
    found = {}
    for cluster, nodes in clusters.items():
        values = agreed(cluster, nodes, hostvars, VARIABLES)
        try:
            found[cluster] = Limits.from_variables(values)
        except WrongLimits as error:
            raise WrongLimits(f"cluster {cluster}: {error}") from None
    return found


def wrong_limits(clusters: Mapping[str, Sequence[Mapping[str, Any]]], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return cluster -> why its limits are wrong, for each cluster with wrong limits. Arguments as of limits_of()."""
    found = {}
    for cluster, nodes in clusters.items():
        try:
            limits_of({cluster: nodes}, hostvars)
        except WrongLimits as error:
            found[cluster] = str(error)
    return found


def agreed(cluster: str, nodes: Sequence[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]], variables: Sequence[str]) -> dict[str, Any]:
    """Return the common value of each variable for a cluster; None for a variable that no host sets.

    The values of standalone servers beside other servers do not count: a standalone server is a cluster of its own.
    Raises WrongLimits when the hosts have different values.
    """
    asked = [node["name"] for node in nodes if node["role"] != STANDALONE] or [node["name"] for node in nodes]
    found = {}
    for variable in variables:
        values = {host: hostvars[host].get(variable) for host in asked if host in hostvars}
        first = next(iter(values.values()), None)
        other = next((host for host, value in values.items() if value != first), None)
        if other is not None:
            one = next(iter(values))
            raise WrongLimits(
                f"{variable} is {_said(values[one])} for {one} and {_said(values[other])} for {other}, both of cluster {cluster}. "
                "Set one value for all hosts of the cluster."
            )
        found[variable] = first
    return found


def stage_end(stage: int | str, total: int) -> int:
    """Return how many of ``total`` servers or clusters have changed when the stage ends, at least 1."""
    text = str(stage)
    return min(total, -(-total * int(text[:-1]) // 100) if text.endswith("%") else int(text))


def _said(value: Any) -> str:
    return "not set" if value is None else shown(value)


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise WrongLimits(f"{name} is {shown(value)}: expected seconds, 0 or more.")
    return seconds


def _is_stage(stage: object) -> bool:
    return isinstance(stage, (str, int)) and not isinstance(stage, bool) and re.fullmatch(r"[1-9]\d*%?", str(stage)) is not None
