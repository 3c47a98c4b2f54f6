# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the servers of a cluster that runs are changed, and how many of them together. Pure.

The rules stand here as data, each with its reason and its source; sections are those of the contract.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import DATA, LIAISON, STANDALONE

META = "meta"
LIFECYCLE = "lifecycle"


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

#: Upper bounds of how many servers of a rank have been changed when a stage ends: one first, to see what the change does.
STAGES: tuple[int | str, ...] = (1, "5%", "25%", "100%")

#: Of the environment of a server: what makes its node name, and what else it says of itself.
NAME_VARIABLES = ("BYDB_NODE_HOST", "BYDB_GRPC_PORT")
IDENTITY_VARIABLES = ("BYDB_NODE_LABELS", "BYDB_HAS_META_ROLE")

# With one replica, which is what section 8 was measured with, two data nodes may hold the only two copies of a shard.
DATA_AT_ONCE = 1


class RolloutRefused(ValueError):
    """No order of these changes keeps what has to be kept; the message names the host, the group and what to do."""


@dataclass(frozen=True)
class Limits:
    """What the user may set. ``stages``: numbers and percentages, each of a rank's servers; ``data_at_once``: data nodes
    that may be away together, at most as many as shards have replicas; ``minimum``: group -> servers that stay."""

    stages: tuple[int | str, ...] = STAGES
    data_at_once: int = DATA_AT_ONCE
    minimum: Mapping[str, int] | None = None

    @classmethod
    def from_values(cls, stages: Any = STAGES, data_at_once: Any = DATA_AT_ONCE, minimum: Any = None) -> Limits:
        """From variables, as Ansible has them. Raises RolloutRefused for what cannot be meant."""
        minimum = {} if minimum is None else minimum
        if isinstance(stages, (str, int)):
            stages = [stages]
        if not isinstance(stages, Sequence) or not stages or not all(_is_stage(stage) for stage in stages):
            raise RolloutRefused(f"banyandb_waves is {shown(stages)}: expected a list of numbers and percentages, such as [1, 5%, 25%, 100%].")
        if not re.fullmatch(r"[1-9]\d*", str(data_at_once)):
            raise RolloutRefused(f"banyandb_data_at_once is {shown(data_at_once)}: expected a number, 1 or more.")
        if not isinstance(minimum, Mapping) or not all(re.fullmatch(r"\d+", str(number)) for number in minimum.values()):
            raise RolloutRefused(
                f"banyandb_minimum is {shown(minimum)}: expected a mapping from a role (meta, data, liaison) or a label (type=hot) to the number "
                "of servers that must stay, such as {data: 2, type=hot: 1}."
            )
        return cls(tuple(stages), int(data_at_once), {str(group): int(number) for group, number in minimum.items()})


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


@dataclass(frozen=True)
class Change:
    """What is to become of one server. ``reasons``: why it is restarted; ``renamed``: it gets another node name, by which nobody
    knows it before; ``described``: other labels or roles."""

    reasons: tuple[str, ...]
    renamed: bool = False
    described: bool = False

    @classmethod
    def of(cls, reasons: Sequence[str], moved: bool = False) -> Change:
        """From what host_info says of a process (``needs_restart``) and whether it listens elsewhere than it is to."""
        return cls(
            tuple(reasons),
            renamed=any(_names(variable, reasons) for variable in NAME_VARIABLES) or moved,
            described=any(_names(variable, reasons) for variable in IDENTITY_VARIABLES),
        )


def waves(
    clusters: Mapping[str, Sequence[Mapping[str, Any]]],
    changes: Mapping[str, Change],
    away: Collection[str] = (),
    new: Collection[str] = (),
    limits: Limits | None = None,
) -> list[Wave]:
    """The waves, one cluster after the other, numbered from 1.

    ``clusters``: name -> its nodes (``name``, ``role``, ``roles``, ``labels``). ``changes``: what is to be changed, by host;
    ``away``: hosts that do not serve as it is; ``new``: those that nobody knows yet. Raises RolloutRefused.
    """
    limits = limits or Limits()
    _check_minimum(clusters, limits)
    found: list[Wave] = []
    for cluster, nodes in sorted(clusters.items()):
        done: list[str] = []
        known = [node["name"] for node in nodes if node["name"] not in away and node["name"] not in new]
        names = {node["name"] for node in nodes}
        renamed = {name for name, change in changes.items() if change.renamed}
        others = {name for name, change in changes.items() if change.renamed or change.described}
        for rank in ORDER:
            for wave in _of_rank(len(found), cluster, nodes, rank, changes, {*away} - {*changes}, limits):
                done += wave.hosts
                found.append(
                    replace(
                        wave,
                        before=tuple(name for name in known if name not in renamed) if done == list(wave.hosts) else (),
                        expected=tuple(name for name in known if name in done or name not in renamed),
                        stands=tuple(name for name in known if (name in done and name not in wave.hosts) or name not in renamed),
                        identities=tuple(name for name in known if name in done),
                        pushes=any(name in others for name in wave.hosts),
                        later=tuple(name for name in sorted(others) if name not in done and name in names),
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
            result += [f"    {host}: {'; '.join(changes[host].reasons)}" for host in wave.hosts]
    return result


def _of_rank(
    before: int,
    cluster: str,
    nodes: Sequence[Mapping[str, Any]],
    rank: Rank,
    changing: Collection[str],
    away: Collection[str],
    limits: Limits,
) -> list[Wave]:
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
            without = lacking([*batch, node], nodes, away, limits)
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


def groups_of(node: Mapping[str, Any]) -> list[str]:
    """The groups in which servers stand in for each other: the role, META among data nodes, and each label of a data node."""
    if node["role"] != DATA:
        return [str(node["role"])]
    meta = [META] if "ROLE_META" in (node["roles"] or ()) else []
    return [DATA, *meta, *(f"{name}={value}" for name, value in sorted((node["labels"] or {}).items()))]


def minimum_of(group: str, size: int, limits: Limits) -> int:
    """How many of a group of ``size`` must stay: what the user set; else half of the liaisons, which take over what the others
    served, and one of any other group. A group of one has nobody to take over."""
    if limits.minimum and group in limits.minimum:
        return limits.minimum[group]
    if size < 2 or group in (STANDALONE, LIFECYCLE):
        return 0
    return -(-size // 2) if group == LIAISON else 1


def lacking(leaving: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], away: Collection[str], limits: Limits) -> str:
    """Which group would have too few servers without those ``leaving`` and those ``away``, as a sentence with what to do; or nothing."""
    gone = {node["name"] for node in leaving} | {*away}
    for group in dict.fromkeys(group for node in leaving for group in groups_of(node)):
        members = [node["name"] for node in nodes if group in groups_of(node)]
        left = [name for name in members if name not in gone]
        minimum = minimum_of(group, len(members), limits)
        if len(left) < minimum:
            missing = sorted(name for name in members if name in away)
            return (
                f"without it {len(left)} of the {len(members)} servers of {group} would be left, at least {minimum} must stay"
                + (f" ({', '.join(missing)} is away as it is)" if missing else "")
                + f". Bring back what is away, add a server, or set banyandb_minimum: {{{group}: {len(left)}}}."
            )
    return ""


def _check_minimum(clusters: Mapping[str, Sequence[Mapping[str, Any]]], limits: Limits) -> None:
    known = {group for each in clusters.values() for node in each for group in groups_of(node)}
    unknown = sorted(set(limits.minimum or ()) - known)
    if unknown:
        raise RolloutRefused(
            f"banyandb_minimum names {', '.join(unknown)}: expected groups that servers are in, which are {', '.join(sorted(known))}."
        )


def _names(variable: str, reasons: Sequence[str]) -> bool:
    return any(re.search(rf"\b{variable}\b", reason) for reason in reasons)


def within(reason: str, variables: Collection[str]) -> bool:
    """Whether a reason of host_info (``started with other values of A, B``) is about these variables alone."""
    named = re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", reason)
    return bool(named) and set(named) <= set(variables)


def _is_stage(stage: object) -> bool:
    return isinstance(stage, (str, int)) and not isinstance(stage, bool) and re.fullmatch(r"[1-9]\d*%?", str(stage)) is not None


def _bound(stage: int | str, total: int) -> int:
    """How many of ``total`` have been changed when the stage ends, at least one."""
    text = str(stage)
    return min(total, -(-total * int(text[:-1]) // 100) if text.endswith("%") else int(text))


@dataclass(frozen=True)
class Seen:
    """What a gate has to judge. ``dropped``: hosts of the play that failed or could not be reached; ``failures``: host -> why its change
    went wrong; ``watches``: watcher -> the result of cluster_watch, or why there is none."""

    dropped: Sequence[str]
    failures: Mapping[str, str]
    watches: Mapping[str, Mapping[str, Any] | str]


def judged(seen: Seen) -> list[str]:
    """Why the gate stays closed, in sentences; nothing when it opens. Without anybody who watched, it stays closed."""
    reasons = [f"{host} failed or could not be reached." for host in seen.dropped if host not in seen.failures]
    reasons += [f"{host}: {' '.join(why.split())}" for host, why in sorted(seen.failures.items())]
    gone = {*seen.dropped, *seen.failures}
    for watcher, watch in sorted(seen.watches.items()):
        if isinstance(watch, str):
            reasons += [] if watcher in gone else [f"{watcher} could not watch: {watch}"]
        elif not watch["whole"]:
            reasons += [_finding(pair) for pair in watch["pairs"]]
    return list(dict.fromkeys(reasons)) or ([] if seen.watches else ["Nobody watched: no server of the cluster takes part in this run."])


def _finding(pair: Mapping[str, str]) -> str:
    what = f"{pair['observer']} shows {pair['subject']} as {pair['seen']} in {pair['table']}"
    if pair["observer"] == pair["subject"]:
        what = f"{pair['subject']}: {pair['table'] or 'its view'} is {pair['seen']}"
    elif not pair["table"]:
        what = f"{pair['observer']} asked {pair['subject']}: {pair['seen']}"
    return f"{what} (expected {pair['expected']}). {pair['remedy']}"
