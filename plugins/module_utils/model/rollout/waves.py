# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the servers of a cluster that runs are changed, and how many of them together. Pure.

The rules stand here as data, each with its reason and its source; sections are those of the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits, RolloutRefused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import Change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_groups import LIFECYCLE, groups_of, lacking
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE


@dataclass(frozen=True)
class Rank:
    """Servers that have their turn together. ``meta`` tells data nodes with the META role from those without."""

    name: str
    role: str
    meta: bool | None
    why: str
    source: str

    def has(self, node: Mapping[str, Any]) -> bool:
        return node["role"] == self.role and self.meta in (None, "ROLE_META" in (node["roles"] or ()))


#: Who comes before whom.
ORDER = (
    Rank("data nodes with the META role", DATA, True, "they keep the schema, which all others ask them for", "section 5"),
    Rank("other data nodes", DATA, False, "they take what the liaisons pass on", "section 5"),
    Rank("liaisons", LIAISON, None, "they serve only while data nodes do", "section 5"),
    Rank("lifecycle nodes", LIFECYCLE, None, "they move what the data nodes keep", "section 5"),
    Rank("standalone servers", STANDALONE, None, "they are clusters of their own", "section 3"),
)


@dataclass(frozen=True)
class Wave:
    """Hosts of one cluster that are changed together, and why these, now.

    ``before``: of the first wave of a cluster, the entry names of the nodes that have to serve, and be used, before anything is changed;
    ``expected``: of those that have to when it is done, ``stands``: when it has been put back; ``identities``: those of them that were
    changed by then, so that they must be as the inventory says; ``pushes``: whether a host of it is another node afterwards (name,
    labels or roles), which the others learn by a push alone; ``later``: hosts that become so in a later wave.
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
    """Return the waves, one cluster after the other, numbered from 1.

    ``clusters``: name -> its nodes (``name``, ``role``, ``roles``, ``labels``). ``changes``: what is to be changed, by host;
    ``away``: hosts that this run does not reach; ``new``: those that no server knows yet; ``limits``: of each cluster.
    Servers that do not serve come first: whatever is changed while they are down would be down beside them. Raises RolloutRefused.
    """
    limits = limits or {}
    _check_minimum(clusters, limits)
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
                for wave in _of_rank(len(found), cluster, nodes, rank, hosts, {*away} - {*changes}, down, limits.get(cluster, Limits())):
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
    """The plan as a person reads it: each wave, why it comes then, and what changes on each host."""
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
    """Return the waves of one rank. A server that is ``down`` takes nothing away when it is changed."""
    queue = sorted((node for node in nodes if rank.has(node) and node["name"] in changing), key=lambda node: str(node["name"]))
    total = len(queue)
    found: list[Wave] = []
    while queue:
        done = total - len(queue)
        stage = next((stage for stage in limits.stages if _bound(stage, total) > done), "100%")
        room = _bound(stage, total) - done
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
    return f"{done + size} of {total} {rank.name} then, stage {stage}" + (", as many as may be away together" if cut else "")


def _check_minimum(clusters: Mapping[str, Sequence[Mapping[str, Any]]], limits: Mapping[str, Limits]) -> None:
    """Raise RolloutRefused for a minimum of a group in which no server of the inventory is: a typing error."""
    known = {group for each in clusters.values() for node in each for group in groups_of(node)}
    unknown = sorted({group for each in limits.values() for group in each.minimum} - known)
    if unknown:
        raise RolloutRefused(
            f"banyandb_minimum names {', '.join(unknown)}: expected groups that servers are in, which are {', '.join(sorted(known))}."
        )


def _bound(stage: int | str, total: int) -> int:
    """How many of ``total`` have been changed when the stage ends, at least one."""
    text = str(stage)
    return min(total, -(-total * int(text[:-1]) // 100) if text.endswith("%") else int(text))
