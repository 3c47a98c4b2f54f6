# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster loses when the data of a data node leaves, and the record of the nodes whose data has left. Pure.

The server never copies a point to another node after the write (measured). A point is lost when all nodes that got the point have left, and
the TTL of its group has not passed. So each departure is recorded on the hosts, and counts until everything that the node held has expired.
A data node that comes back with an empty disk is a departure too: the same points are missing (measured).

All times are in seconds since 1970, in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import Counts, Group, Segment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

FORMAT = 1
#: In ``banyandb_accept_data_loss``: every group of a cluster whose groups no liaison reports. No group has that name.
EVERY_GROUP = "*"
#: Part of the expected copies that may lack in a segment. A point that was written twice counts twice until a node merges its parts, each node at
#: another time (measured: still twice after 30 s). So nearly equal counts prove nothing.
TOLERANCE = 0.1


class BadRecord(ValueError):
    """A file is no record of departures."""


class Cause(Enum):
    """Why the data of a node is gone."""

    REMOVED = "removed"
    EMPTY_DISK = "empty_disk"


class Reason(Enum):
    """Why points are at risk."""

    LAST_COPY = "last_copy"
    TOO_FEW_COPIES = "too_few_copies"
    NOT_COUNTED = "not_counted"
    FAILED_PARTS = "failed_parts"


@dataclass(frozen=True)
class Held:
    """What a node held of a group when it left. ``end``: of its last segment. ``life``: seconds until a segment is deleted, None for never."""

    end: int
    life: int | None


@dataclass(frozen=True)
class Departure:
    """A node whose data has left. ``node``: its name in views. ``groups``: what it held by group; None when the groups were unknown."""

    cluster: str
    host: str
    node: str
    at: int
    cause: Cause
    groups: Mapping[str, Held] | None = field(default_factory=dict)

    def until(self, group: Group) -> float:
        """Return when the last point of ``group`` that the node held has expired: ``at`` where it held none, infinity for never."""
        held = Held(self.at + group.longest_interval, group.life) if self.groups is None else self.groups.get(group.name)
        if held is None:
            return self.at
        if held.life is None or group.life is None:
            return float("inf")
        # The TTL of a group may have changed since, and servers that run take the change at once.
        return held.end + max(held.life, group.life)

    def to_mapping(self) -> dict[str, Any]:
        groups = None
        if self.groups is not None:
            groups = {name: {"end": stamp(held.end), "life_seconds": held.life} for name, held in sorted(self.groups.items())}
        return {
            "cluster": self.cluster,
            "host": self.host,
            "node": self.node,
            "at": stamp(self.at),
            "cause": self.cause.value,
            "groups": groups,
        }

    @classmethod
    def from_mapping(cls, item: Mapping[str, Any]) -> Departure:
        """Raises BadRecord."""
        try:
            groups = item["groups"]
            if groups is not None:
                groups = {str(name): Held(moment(held["end"]), _life(held["life_seconds"])) for name, held in groups.items()}
            return cls(str(item["cluster"]), str(item["host"]), str(item["node"]), moment(item["at"]), Cause(item["cause"]), groups)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(f"no departure ({type(error).__name__}: {shown(str(error))})") from None


def record_text(departures: Iterable[Departure]) -> str:
    """Return the text of a record, which a person can read."""
    content = {"written_by": "skywalking.banyandb", "format": FORMAT, "departures": [each.to_mapping() for each in merged(departures)]}
    return json.dumps(content, indent=2) + "\n"


def record_from(text: str) -> list[Departure]:
    """Return the departures of a record. Raises BadRecord."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRecord("no JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("departures"), list):
        raise BadRecord(f"expected format {FORMAT} and a list of departures")
    return [Departure.from_mapping(item) for item in content["departures"]]


def merged(departures: Iterable[Departure]) -> list[Departure]:
    """Return each departure once, the oldest first: the union of what several hosts have recorded."""
    found = {(each.cluster, each.node, each.at): each for each in departures}
    return [found[key] for key in sorted(found, key=lambda key: (key[2], key[0], key[1]))]


def without_returned(departures: Iterable[Departure], since: Mapping[str, int]) -> list[Departure]:
    """Return the departures of data that is still gone. ``since``: node -> since when the node has had all of its data directories.

    A removed node leaves its data on its disk. When the node comes back with the same directories, all its points are back.
    """
    return [each for each in departures if each.cause is not Cause.REMOVED or since.get(each.node, each.at + 1) > each.at]


@dataclass(frozen=True)
class Leaving:
    """A node whose data is about to leave. ``labels`` choose its lifecycle stage."""

    host: str
    node: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cause: Cause = Cause.REMOVED


@dataclass(frozen=True)
class Content:
    """What the servers of a cluster report.

    ``members``: node names of all data nodes that should be counted. ``properties``: node -> group -> documents, from the metrics of the
    node. ``failed_parts``: group -> directories that hold parts which a liaison does not try to pass on any more. ``unseen``: liaisons whose
    failed parts are unknown.
    """

    groups: Sequence[Group]
    counts: Counts
    members: Sequence[str]
    properties: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failed_parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unseen: Sequence[str] = ()

    def segments(self, group: Group, node: str, now: int) -> tuple[Segment, ...] | None:
        """What a node has of a group and what has not expired; None when that is unknown."""
        found = self.counts.get(group.name, {}).get(node)
        if found is None or group.life is None:
            return None
        return tuple(segment for segment in found if segment.end + group.life > now)

    def held(self, group: Group, leaving: Leaving, now: int) -> int | None:
        """Points (documents of properties) that a node has of a group; None when that is unknown."""
        if leaving.cause is Cause.EMPTY_DISK:
            return None
        if group.has_properties:
            return self.properties.get(leaving.node, {}).get(group.name)
        segments = self.segments(group, leaving.node, now)
        return None if segments is None else sum(segment.held for segment in segments)


@dataclass(frozen=True)
class Risk:
    """Points of a group that are lost, or may be, with the data of a host. ``points``: at most so many; None: unknown.

    ``safe_from``: when removal is safe, None when no date is known. ``names``: nodes, liaisons or directories that are the evidence.
    """

    group: str
    copies: int
    host: str
    points: int | None
    reason: Reason
    safe_from: int | None = None
    names: tuple[str, ...] = ()


def departure(content: Content | None, leaving: Leaving, cluster: str, now: int) -> Departure:
    """Return the record of a node whose data leaves now. ``content``: None when no liaison reports the groups."""
    if content is None:
        return Departure(cluster, leaving.host, leaving.node, now, leaving.cause, None)
    groups = {}
    for group in content.groups:
        held = content.held(group, leaving, now)
        # Points may come in until the other servers drop the node. A node without a shard of a group that has points gets none.
        if held == 0 and _has_points(content, group, now):
            continue
        segments = () if leaving.cause is Cause.EMPTY_DISK else content.segments(group, leaving.node, now) or ()
        groups[group.name] = Held(max([now + group.longest_interval, *(segment.end for segment in segments)]), group.life)
    return Departure(cluster, leaving.host, leaving.node, now, leaving.cause, groups)


def still_counting(departures: Iterable[Departure], group: Group, now: int) -> dict[str, float]:
    """Return node -> when its points of a group have expired, for the departures whose points have not."""
    found: dict[str, float] = {}
    for each in departures:
        until = each.until(group)
        if until > now:
            found[each.node] = max(until, found.get(each.node, 0))
    return found


def risks(content: Content, leaving: Sequence[Leaving], departures: Sequence[Departure], cluster: str, now: int) -> list[Risk]:
    """Return what is at risk when the data of these nodes leaves, one node after the other.

    A point of a node X is lost when all its other copies were on nodes that have left. So nothing of a group is at risk from X while fewer
    nodes have left than a point has other copies, if each point was written while at least ``copies`` data nodes were active.
    """
    found = []
    known = list(departures)
    for node in leaving:
        for group in content.groups:
            found += _risks_of(content, group, node, [each for each in known if each.node != node.node], now)
        known.append(departure(content, node, cluster, now))
    return found


def _risks_of(content: Content, group: Group, leaving: Leaving, departures: Sequence[Departure], now: int) -> list[Risk]:
    held = content.held(group, leaving, now)
    if held == 0:
        return []
    gone = still_counting(departures, group, now)
    risk = Risk(group.name, group.copies(leaving.labels), leaving.host, held, Reason.LAST_COPY)
    found = []
    needed = risk.copies - 1 - len(gone)
    if needed <= 0:
        names = tuple(sorted(gone)) if risk.copies > 1 else ()
        found.append(replace(risk, safe_from=_safe_from(risk.copies, gone), names=names))
    elif held is not None and not group.has_properties:
        found += _too_few(content, group, risk, leaving.node, gone, needed, now)
    if needed > 0 and not group.has_properties:
        counted = content.counts.get(group.name, {})
        missing = tuple(sorted(name for name in content.members if name not in counted and name not in gone and name != leaving.node))
        if missing or content.unseen:
            found.append(replace(risk, reason=Reason.NOT_COUNTED, names=(*missing, *content.unseen)))
    if content.failed_parts.get(group.name):
        found.append(replace(risk, points=None, reason=Reason.FAILED_PARTS, names=tuple(content.failed_parts[group.name])))
    return found


def _too_few(content: Content, group: Group, risk: Risk, node: str, gone: Iterable[str], needed: int, now: int) -> list[Risk]:
    """Points that were written with too few copies: the other nodes have fewer of a segment than its copies would be.

    Segments are compared by their times, the same on all nodes. Nodes that are gone are left out, whether they came back or not.
    """
    others = [
        segments
        for name in content.counts.get(group.name, {})
        if name != node and name not in gone
        for segments in [content.segments(group, name, now)]
        if segments is not None
    ]
    points, safe_from = 0, 0
    for segment in content.segments(group, node, now) or ():
        there = sum(_alike(other, segment) for each in others for other in each if (other.start, other.end) == (segment.start, segment.end))
        if needed * segment.held - there > TOLERANCE * needed * segment.held:
            points += segment.held - there // needed
            safe_from = max(safe_from, segment.end + (group.life or 0))
    return [replace(risk, points=points, reason=Reason.TOO_FEW_COPIES, safe_from=safe_from)] if points else []


def _alike(other: Segment, segment: Segment) -> int:
    """What ``other`` has of what ``segment`` holds: points, or where it holds none the documents of the series index."""
    return other.points if segment.points else other.series


def _safe_from(copies: int, gone: Mapping[str, float]) -> int | None:
    """When so few of the nodes that are gone still count that a point has a copy elsewhere. A group without replicas has no such date."""
    ends = sorted(gone.values())
    last = len(ends) - copies + 1
    return int(ends[last]) if last < len(ends) and ends[last] != float("inf") else None


def _has_points(content: Content, group: Group, now: int) -> bool:
    if group.has_properties:
        return True
    every = (content.segments(group, node, now) or () for node in content.counts.get(group.name, {}))
    return any(segment.held for segments in every for segment in segments)


def stamp(seconds: float) -> str:
    """``2026-11-28T20:15:00Z``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> int:
    """Seconds since 1970 of what stamp() gave. Raises ValueError."""
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())


def _life(value: Any) -> int | None:
    return None if value is None else int(value)
