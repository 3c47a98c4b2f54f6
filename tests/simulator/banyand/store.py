# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points of a data node: on disk in one directory for each part from a liaison, and all of them in memory."""

from __future__ import annotations

import bisect
import glob
import os
import time

from .points import POINTS, digest, records, split_head, with_head, write_whole
from .registry import GROUP
from .wire import UNKNOWN, Status

INDEX = "/simulator.Data/Index"
TAKE = "/simulator.Data/Take"
QUERY = "/simulator.Data/Query"

HOUR = 3600
SECOND = 1_000_000_000  # nanoseconds


class _Points:
    """The points of one measure in the order of time. One series has one point at a time: the highest version."""

    def __init__(self):
        self.times = []
        self.records = []
        self.versions = {}

    def add(self, series, moment, version, whole):
        known = self.versions.get((series, moment))
        if known is not None and version <= known:
            return
        self.versions[series, moment] = version
        at = bisect.bisect_left(self.times, moment)
        if known is not None:
            at = next(index for index in range(at, len(self.times)) if next(records(self.records[index]))[1] == series)
            self.records[at] = whole
            return
        self.times.insert(at, moment)
        self.records.insert(at, whole)

    def between(self, begin, end, limit):
        found = self.records[bisect.bisect_left(self.times, begin) : bisect.bisect_left(self.times, end)]
        return b"".join(found[:limit])


class _Hour:
    """The points of one shard and one hour."""

    def __init__(self):
        self.points = self.size = 0
        self.parts = set()
        self.series = set()


class Store:
    """root: the directory of the measures. schema: see SchemaSync. What a part holds is in it before the part is answered for."""

    def __init__(self, root, schema):
        self.root, self.schema = root, schema
        self.points = {}
        # group -> hour since 1970 -> shard -> _Hour
        self.hours = {}

    def services(self):
        return {INDEX: self.index, TAKE: self.take, QUERY: self.query}

    def load(self):
        """Read the points of an earlier process."""
        for path in glob.iglob(os.path.join(glob.escape(self.root), "*", "seg-*", "shard-*", "*", POINTS)):
            with open(path, "rb") as file:
                self._remember(*split_head(file.read()))

    async def index(self, request, metadata):
        """Accept the series of a batch. The real server's liaison sends them before it acknowledges the batch. Here only the call counts."""
        return b""

    async def take(self, request, metadata):
        """Store a part: the records of one shard. A repeated part, whose answer was lost, is the same part."""
        head, data = split_head(request)
        if not await self.schema.has(GROUP + head["group"]):
            return b""  # measured: the liaison counts the part as sent, and no node has it
        moment = next(records(data))[2] / 1e9
        segment = time.strftime("seg-%Y%m%d", time.gmtime(moment))
        path = os.path.join(self.root, head["group"], segment, f"shard-{head['shard']}", part_name(head), POINTS)
        if not os.path.exists(path):
            write_whole(path, request)
            self._remember(head, data)
        return b""

    async def query(self, request, metadata):
        head, _ = split_head(request)
        if not await self.schema.has(GROUP + head["group"]):
            raise Status(UNKNOWN, f"group {head['group']} not found")
        points = self.points.get((head["group"], bytes.fromhex(head["measure"])))
        return points.between(head["begin"], head["end"], head["limit"]) if points else b""

    def _remember(self, head, data):
        hours = self.hours.setdefault(head["group"], {})
        for measure, series, moment, version, _, whole in records(data):
            self.points.setdefault((head["group"], measure), _Points()).add(series, moment, version, whole)
            hour = hours.setdefault(moment // (HOUR * SECOND), {}).setdefault(head["shard"], _Hour())
            hour.points += 1
            hour.size += len(whole)
            hour.parts.add(part_name(head))
            hour.series.add(measure + series)


def part_name(head):
    """Return the directory of a part. head: the part's description of itself."""
    return digest(head["sender"].encode(), head["part"].encode()).hex()


def query_request(group, measure, begin, end, limit):
    """measure: its digest; begin and end: nanoseconds, without the end."""
    return with_head({"group": group, "measure": measure.hex(), "begin": begin, "end": end, "limit": limit}, b"")
