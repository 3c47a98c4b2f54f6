# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the order in which a rollout changes the servers of a running cluster, and how many servers change together. Pure.

The rules are data, each with its reason and its source. Section numbers are those of the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits, RolloutRefused, stage_end
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import Change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_groups import LIFECYCLE, groups_of, lacking
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE


@dataclass(frozen=True)
class Rank:
    """Servers with the same place in the order. ``meta``: whether the data nodes have the META role; None: the role does not matter."""

    name: str
    role: str
    meta: bool | None
    why: str
    source: str

    def has(self, node: Mapping[str, Any]) -> bool:
        """Return whether a node is of this rank."""
        return node["role"] == self.role and self.meta in (None, "ROLE_META" in (node["roles"] or ()))


#: The order of the servers of a cluster.
ORDER = (
    Rank("data nodes with the META role", DATA, True, "they keep the schema, which all others ask them for", "section 5"),
    Rank("other data nodes", DATA, False, "they take what the liaisons pass on", "section 5"),
    Rank("liaisons", LIAISON, None, "they serve only while data nodes do", "section 5"),
    Rank("lifecycle nodes", LIFECYCLE, None, "they move what the data nodes keep", "section 5"),
    Rank("standalone servers", STANDALONE, None, "they are clusters of their own", "section 3"),
)


@dataclass(frozen=True)
class Wave:
    """Hosts of one cluster that change together.

    ``before``: nodes that must serve, and that the liaisons must use, before the first wave of a cluster starts. Empty for later waves.
    ``expected``: the same nodes after the wave. ``stands``: the same nodes after the wave was rolled back.
    ``identities``: the nodes of ``expected`` that have changed by then. Their name, labels and roles must be those of the inventory.
    ``pushes``: whether the wave changes the name, labels or roles of a node. The other servers learn such a change only by a push.
    ``later``: hosts whose name, labels or roles change in a later wave.
    All nodes are entry names.
    """

    number: int
    cluster: str
    rank: str
    hosts: tuple[str, ...]
    why: str
    before: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    stands: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    pushes: bool = False
    later: tuple[str, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def waves(
    clusters: Mapping[str, Sequence[Mapping[str, Any]]],
    changes: Mapping[str, Change],
    away: Collection[str] = (),
    new: Collection[str] = (),
    limits: Mapping[str, Limits] | None = None,
) -> list[Wave]:
    """Return the waves of a rollout, one cluster after the other, numbered from 1.

    Servers that do not serve come first. If the rollout changed others first, those would be down at the same time.

    ``clusters``: cluster name -> its nodes (``name``, ``role``, ``roles``, ``labels``).
    ``changes``: host -> its change. ``away``: hosts that this run does not reach. ``new``: hosts that no server knows yet.
    ``limits``: cluster name -> its limits.
    Raises RolloutRefused when no order keeps the limits.
    """
    limits = limits or {}
    _check_minimum(clusters, limits)
    stay_away = {*away} - {*changes}
    found: list[Wave] = []
    for cluster, nodes in sorted(clusters.items()):
        done: list[str] = []
        names = [node["name"] for node in nodes]
        known = [name for name in names if name not in away and name not in new]
        changing = [name for name in names if name in changes]
        unknown = {name for name in changing if changes[name].renamed or changes[name].revives}
        others = {name for name in changing if changes[name].renamed or changes[name].described}
        down = [name for name in changing if changes[name].revives]
        for hosts in (down, [name for name in changing if name not in down]):
            for rank in ORDER:
                for wave in _of_rank(len(found), cluster, nodes, rank, hosts, stay_away, down, limits.get(cluster, Limits())):
                    done += wave.hosts
                    found.append(
                        replace(
                            wave,
                            before=tuple(name for name in known if name not in unknown) if done == list(wave.hosts) else (),
                            expected=tuple(name for name in known if name in done or name not in unknown),
                            stands=tuple(name for name in known if (name in done and name not in wave.hosts) or name not in unknown),
                            identities=tuple(name for name in known if name in done),
                            pushes=any(name in others for name in wave.hosts),
                            later=tuple(name for name in sorted(others) if name not in done),
                        )
                    )
    return found


def lines(planned: Sequence[Wave], changes: Mapping[str, Change]) -> list[str]:
    """Return the plan as lines: each wave with its reason, and the changes of each host."""
    result = []
    for cluster in dict.fromkeys(wave.cluster for wave in planned):
        here = [wave for wave in planned if wave.cluster == cluster]
        result.append(f"cluster {cluster}: {len(here)} wave{'' if len(here) == 1 else 's'}, a gate before each and after the last")
        for wave in here:
            result.append(f"  wave {wave.number}: {', '.join(wave.hosts)} ({wave.why})")
            result += [f"    {host}: {'; '.join(reason.text() for reason in changes[host].reasons)}" for host in wave.hosts]
    return result


def _of_rank(
    before: int,
    cluster: str,
    nodes: Sequence[Mapping[str, Any]],
    rank: Rank,
    changing: Collection[str],
    away: Collection[str],
    down: Collection[str],
    limits: Limits,
) -> list[Wave]:
    """Return the waves of one rank.

    ``down``: hosts whose server does not serve. Their change makes no other server unavailable.
    """
    queue = sorted((node for node in nodes if rank.has(node) and node["name"] in changing), key=lambda node: str(node["name"]))
    total = len(queue)
    found: list[Wave] = []
    while queue:
        done = total - len(queue)
        stage = next((stage for stage in limits.stages if stage_end(stage, total) > done), "100%")
        room = stage_end(stage, total) - done
        if rank.role != LIAISON:
            room = min(room, limits.data_at_once if rank.role == DATA else 1)
        batch: list[Mapping[str, Any]] = []
        short = ""
        for node in queue:
            if len(batch) == room:
                break
            without = "" if node["name"] in down else lacking([*batch, node], nodes, away, limits)
            if not without:
                batch.append(node)
            short = short or without
        if not batch:
            raise RolloutRefused(f"{queue[0]['name']}: {short}")
        queue = [node for node in queue if node not in batch]
        why = _why(rank, stage, done, total, len(batch), bool(short))
        found.append(Wave(before + len(found) + 1, cluster, rank.name, tuple(node["name"] for node in batch), why))
    return found


def _why(rank: Rank, stage: int | str, done: int, total: int, size: int, cut: bool) -> str:
    if not done:
        first = f"the first of {total} {rank.name}: {rank.why}" if total > 1 else f"{rank.name}: {rank.why}"
        return first if size == 1 else f"{size} of {total} {rank.name}: {rank.why}"
    return f"{done + size} of {total} {rank.name} then, stage {stage}" + (", as many as may be down together" if cut else "")


def _check_minimum(clusters: Mapping[str, Sequence[Mapping[str, Any]]], limits: Mapping[str, Limits]) -> None:
    """Raise RolloutRefused when ``banyandb_minimum`` names a group without servers, which is a typing error."""
    known = {group for each in clusters.values() for node in each for group in groups_of(node)}
    unknown = sorted({group for each in limits.values() for group in each.minimum} - known)
    if unknown:
        after = f": expected groups that servers are in, such as {listed(sorted(known), 3)}. Correct the name."
        raise RolloutRefused(naming("banyandb_minimum names ", unknown, after))
