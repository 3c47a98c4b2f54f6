# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the groups of a cluster, and the points of each group on each data node, from the JSON of a liaison. Pure.

Measured on the server built from 9ebac4516: a liaison counts a point after it has flushed the point (0.3 s to 5 s after the acknowledgement).
A point that was written twice counts twice until the node merges its parts. So a count is an upper bound of the flushed points.
``dataInfo`` leaves out a data node that is not active on the liaison, without an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: Groups of this catalog hold documents of properties, without TTL. Liaisons count the points of all other groups.
PROPERTY = "CATALOG_PROPERTY"
#: First letter of the server's own groups: tasks of deletions, traces of the gossip, metrics of the server.
INTERNAL = "_"
#: Unit -> seconds. The server counts a day as 24 h (banyand/internal/storage, IntervalRule.estimatedDuration).
UNITS = {"UNIT_HOUR": 3600, "UNIT_DAY": 86400}
NANOSECONDS = 1_000_000_000
#: Measured: one gauge for each shard of a group of properties. The gauge also counts deleted and replaced documents.
_DOCUMENTS = re.compile(r'^banyandb_property_inverted_index_total_doc_count\{group="([^"]*)",[^}]*\} (\d+(?:\.\d+)?(?:e\+\d\d)?)$', re.MULTILINE)


class BadContent(ValueError):
    """The answer of a liaison is not a list of groups, or not the content of a group."""


@dataclass(frozen=True)
class Stage:
    """A lifecycle stage. ``selector``: the labels of its nodes, such as ``type=warm``. Times in seconds."""

    selector: str
    replicas: int
    ttl: int
    interval: int

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether a node with ``labels`` belongs to this stage."""
        wanted = [part.partition("=") for part in self.selector.split(",") if part]
        return bool(wanted) and all(labels.get(name.strip()) == value.strip() for name, _sep, value in wanted)


@dataclass(frozen=True)
class Group:
    """A group. ``ttl`` and ``interval`` (of its segments) in seconds. Both are 0 for a group of properties, which never expire."""

    name: str
    catalog: str
    replicas: int
    ttl: int = 0
    interval: int = 0
    stages: tuple[Stage, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        return {**asdict(self), "stages": [asdict(stage) for stage in self.stages]}

    @classmethod
    def from_mapping(cls, item: Mapping[str, Any]) -> Group:
        return cls(**{**item, "stages": tuple(Stage(**stage) for stage in item["stages"])})

    @property
    def has_properties(self) -> bool:
        return self.catalog == PROPERTY

    @property
    def life(self) -> int | None:
        """Seconds from the end of a segment until every node has deleted the segment; None: never.

        A node of a stage keeps points for the TTL of the group and of all stages before its own (banyand/queue/pub/stage.go). Only the last stage
        deletes points. So the result is the sum of all TTLs.
        """
        return None if self.has_properties else self.ttl + sum(stage.ttl for stage in self.stages)

    @property
    def longest_interval(self) -> int:
        return max([self.interval, *(stage.interval for stage in self.stages)])

    def copies(self, labels: Mapping[str, str]) -> int:
        """Return how many nodes receive each point that a node with ``labels`` receives."""
        return 1 + next((stage.replicas for stage in self.stages if stage.selects(labels)), self.replicas)


@dataclass(frozen=True)
class Segment:
    """The data of one group on one node in one time span, in seconds since 1970.

    ``series``: documents of the series index. A measure in index mode has its points only there. For other measures and streams the number counts
    series.
    """

    start: int
    end: int
    points: int
    series: int

    @property
    def held(self) -> int:
        return self.points or self.series

    def to_list(self) -> list[int]:
        return [self.start, self.end, self.points, self.series]


#: Group -> node -> its segments. A node that no liaison counted has no entry. A node without points has an empty entry.
Counts = Mapping[str, Mapping[str, tuple[Segment, ...]]]


def groups_from(document: object) -> list[Group]:
    """Return the users' groups, sorted by name. ``document``: answer to ``GET /api/v1/group/schema/lists``. Raises BadContent."""
    try:
        found = [_group(item) for item in document["group"]]  # type: ignore[index]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadContent(f"no list of groups ({type(error).__name__}: {shown(str(error))})") from None
    return sorted((group for group in found if not group.name.startswith(INTERNAL)), key=lambda group: group.name)


def counts_from(document: object) -> dict[str, tuple[Segment, ...]]:
    """Return node -> segments. ``document``: answer to ``GET /api/v1/group/content/<group>``. Raises BadContent."""
    try:
        return {
            info["node"]["metadata"]["name"]: tuple(_segment(segment) for segment in info.get("segmentInfo") or ())
            for info in document["dataInfo"]  # type: ignore[index]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadContent(f"no content of a group ({type(error).__name__}: {shown(str(error))})") from None


def properties_from(page: str) -> dict[str, int]:
    """Return group -> number of documents of properties. ``page``: metrics of a data node."""
    found: dict[str, int] = {}
    for group, value in _DOCUMENTS.findall(page):
        found[group] = found.get(group, 0) + int(float(value))
    return found


def _group(item: Mapping[str, Any]) -> Group:
    options = item["resourceOpts"]
    return Group(
        item["metadata"]["name"],
        item["catalog"],
        int(options["replicas"]),
        _seconds(options["ttl"]),
        _seconds(options["segmentInterval"]),
        tuple(
            Stage(stage["nodeSelector"], int(stage["replicas"]), _seconds(stage["ttl"]), _seconds(stage["segmentInterval"]))
            for stage in options.get("stages") or ()
        ),
    )


def _seconds(rule: Mapping[str, Any] | None) -> int:
    return UNITS[rule["unit"]] * int(rule["num"]) if rule else 0


def _segment(item: Mapping[str, Any]) -> Segment:
    start, end = (int(part) for part in item["segmentId"].split("-"))
    # Do not use shardId: it is the position in the node's list of shards and changes with a restart (measured).
    points = sum(int(shard["dataCount"]) for shard in item.get("shardInfo") or ())
    series = int((item.get("seriesIndexInfo") or {}).get("dataCount", 0))
    return Segment(start // NANOSECONDS, -(-end // NANOSECONDS), points, series)
