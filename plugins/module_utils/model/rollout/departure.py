# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute which points a cluster loses when a data node's data leaves, and record the nodes whose data has left. Pure.

The server never copies a point to another node after the write (measured). The cluster loses a point when every node that holds the point
has left before the TTL of the group ends. So the hosts record each departure. A departure counts until all data of the node has expired.
A data node that returns with an empty disk is a departure too: the same points are missing (measured).

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
#: Name in ``banyandb_accept_data_loss`` for every group of a cluster whose groups no liaison reports. No group has this name.
EVERY_GROUP = "*"
#: Fraction of the expected copies that may be missing in a segment. A point that was written twice counts twice until the node merges its parts
#: (measured: still twice after 30 s), and each node merges at another time. So counts that are nearly equal are no evidence.
TOLERANCE = 0.1


class BadRecord(ValueError):
    """The file is not a record of departures."""


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
    """The data of one group that a node held when the node left.

    ``end``: end of the last segment. ``life``: seconds until the server deletes a segment; None: never.
    """

    end: int
    life: int | None


@dataclass(frozen=True)
class Departure:
    """A node whose data has left.

    ``node``: name of the node in views.
    ``groups``: group -> data that the node held; None when no liaison reported the groups.
    """

    cluster: str
    host: str
    node: str
    at: int
    cause: Cause
    groups: Mapping[str, Held] | None = field(default_factory=dict)

    def until(self, group: Group) -> float:
        """Return when the last point of ``group`` on the node has expired.

        The result is ``at`` when the node held no point of the group, and infinity when the points never expire.
        """
        held = Held(self.at + group.longest_interval, group.life) if self.groups is None else self.groups.get(group.name)
        if held is None:
            return self.at
        if held.life is None or group.life is None:
            return float("inf")
        # A user may have changed the TTL of the group since then. Running servers apply the change at once.
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
        """Return the departure that to_mapping() gave. Raises BadRecord."""
        try:
            groups = item["groups"]
            if groups is not None:
                groups = {str(name): Held(moment(held["end"]), _life(held["life_seconds"])) for name, held in groups.items()}
            return cls(str(item["cluster"]), str(item["host"]), str(item["node"]), moment(item["at"]), Cause(item["cause"]), groups)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(f"no departure ({type(error).__name__}: {shown(str(error))})") from None


def record_text(departures: Iterable[Departure]) -> str:
    """Return the text of a record: JSON that a person can read."""
    content = {"written_by": "skywalking.banyandb", "format": FORMAT, "departures": [each.to_mapping() for each in merged(departures)]}
    return json.dumps(content, indent=2) + "\n"


def record_from(text: str) -> list[Departure]:
    """Return the departures in the text of a record. Raises BadRecord."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRecord("no JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("departures"), list):
        raise BadRecord(f"expected format {FORMAT} and a list of departures")
    return [Departure.from_mapping(item) for item in content["departures"]]


def merged(departures: Iterable[Departure]) -> list[Departure]:
    """Return each departure of several hosts' records once, the oldest first."""
    found = {(each.cluster, each.node, each.at): each for each in departures}
    return [found[key] for key in sorted(found, key=lambda key: (key[2], key[0], key[1]))]


def without_returned(departures: Iterable[Departure], since: Mapping[str, int]) -> list[Departure]:
    """Return the departures of data that is still missing.

    A removed node keeps its data on its disk. When the node returns with the same directories, all its points are back.

    ``since``: node -> time since which the node has all of its data directories.
    """
    return [each for each in departures if each.cause is not Cause.REMOVED or since.get(each.node, each.at + 1) > each.at]


@dataclass(frozen=True)
class Leaving:
    """A node whose data is about to leave. ``labels`` select the lifecycle stage of the node."""

    host: str
    node: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cause: Cause = Cause.REMOVED


@dataclass(frozen=True)
class Content:
    """The groups and points that the servers of a cluster report.

    ``members``: names of all data nodes that a liaison should count.
    ``properties``: node -> group -> number of documents, from the metrics of the node.
    ``failed_parts``: group -> directories with parts that a liaison has stopped sending to data nodes.
    ``unseen``: liaisons whose failed parts are unknown.
    """

    groups: Sequence[Group]
    counts: Counts
    members: Sequence[str]
    properties: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failed_parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unseen: Sequence[str] = ()

    def segments(self, group: Group, node: str, now: int) -> tuple[Segment, ...] | None:
        """Return the segments of a group that a node holds and that have not expired; None when they are unknown."""
        found = self.counts.get(group.name, {}).get(node)
        if found is None or group.life is None:
            return None
        return tuple(segment for segment in found if segment.end + group.life > now)

    def held(self, group: Group, leaving: Leaving, now: int) -> int | None:
        """Return the number of points (or of documents of properties) of a group on a node; None when it is unknown."""
        if leaving.cause is Cause.EMPTY_DISK:
            return None
        if group.has_properties:
            return self.properties.get(leaving.node, {}).get(group.name)
        segments = self.segments(group, leaving.node, now)
        return None if segments is None else sum(segment.held for segment in segments)


@dataclass(frozen=True)
class Risk:
    """Points of a group that the cluster loses, or may lose, with the data of a host.

    ``points``: upper bound; None: unknown.
    ``safe_from``: when the removal becomes safe; None when no date is known.
    ``names``: nodes, liaisons or directories that are the evidence.
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
        # The node may receive points until the other servers drop the node. A node without a shard of the group receives none.
        if held == 0 and _has_points(content, group, now):
            continue
        segments = () if leaving.cause is Cause.EMPTY_DISK else content.segments(group, leaving.node, now) or ()
        groups[group.name] = Held(max([now + group.longest_interval, *(segment.end for segment in segments)]), group.life)
    return Departure(cluster, leaving.host, leaving.node, now, leaving.cause, groups)


def still_counting(departures: Iterable[Departure], group: Group, now: int) -> dict[str, float]:
    """Return the departures that still count for a group: node -> when the node's points expire."""
    found: dict[str, float] = {}
    for each in departures:
        until = each.until(group)
        if until > now:
            found[each.node] = max(until, found.get(each.node, 0))
    return found


def risks(content: Content, leaving: Sequence[Leaving], departures: Sequence[Departure], cluster: str, now: int) -> list[Risk]:
    """Return the points at risk when the data of the nodes ``leaving`` leaves, one node after the other.

    The cluster loses a point of node X when all other copies were on nodes that have left. So X puts no point at risk while the number of nodes
    that have left is smaller than the number of other copies. This holds when at least ``copies`` data nodes were active at each write.
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
    """Return the points that were written with too few copies.

    The other nodes then have fewer points of a segment than all copies would be. Segments are compared by their times, which are equal on all nodes.
    Nodes in ``gone`` do not count, even when they have returned.
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
    """Return the number in ``other`` to compare with ``segment``: points, or documents of the series index when ``segment`` has no points."""
    return other.points if segment.points else other.series


def _safe_from(copies: int, gone: Mapping[str, float]) -> int | None:
    """Return when enough departures have expired that each point has a copy elsewhere; None when there is no such date.

    A group without replicas never has such a date.
    """
    ends = sorted(gone.values())
    last = len(ends) - copies + 1
    return int(ends[last]) if last < len(ends) and ends[last] != float("inf") else None


def _has_points(content: Content, group: Group, now: int) -> bool:
    if group.has_properties:
        return True
    every = (content.segments(group, node, now) or () for node in content.counts.get(group.name, {}))
    return any(segment.held for segments in every for segment in segments)


def stamp(seconds: float) -> str:
    """Return a time as text, such as ``2026-11-28T20:15:00Z``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> int:
    """Return the seconds since 1970 of a text that stamp() made. Raises ValueError."""
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())


def _life(value: Any) -> int | None:
    return None if value is None else int(value)
