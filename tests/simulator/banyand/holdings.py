# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count the points of a group on a data node, as the real server counts them (measured).

Only points that a liaison has flushed count. A point that was written twice counts twice (the simulator merges nothing). The points
are in segments by their times and by the interval of the group. Days begin at midnight UTC.
"""

from __future__ import annotations

import time

from . import messages
from .points import split_head, with_head
from .store import HOUR, SECOND

INSPECT = "/simulator.Data/Inspect"


class Holdings:
    """store: the points. node: the Node with these points."""

    def __init__(self, store, node):
        self.store, self.node = store, node

    def services(self):
        return {INSPECT: self.inspect}

    async def inspect(self, request, metadata):
        """Return what this node holds of a group with segments of this length. A node without points answers too."""
        head, _ = split_head(request)
        info = messages.DataInfo(node=self.node)
        segments = {}
        for hour, shards in self.store.hours.get(head["group"], {}).items():
            segments.setdefault(hour * HOUR // head["interval"], []).append(shards)
        for number, hours in sorted(segments.items()):
            start, end = number * head["interval"], (number + 1) * head["interval"]
            texts = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in (start, end)]
            segment = info.segment_info.add(segment_id=f"{start * SECOND}-{end * SECOND}", time_range_start=texts[0], time_range_end=texts[1])
            # The real server numbers its open shards from 0 (measured).
            for place, shard in enumerate(sorted({shard for shards in hours for shard in shards})):
                found = [shards[shard] for shards in hours if shard in shards]
                parts = len(set().union(*(each.parts for each in found)))
                shown = segment.shard_info.add(shard_id=place, data_count=sum(each.points for each in found), part_count=parts, file_part_count=parts)
                shown.data_size_bytes = sum(each.size for each in found)
                shown.inverted_index_info.SetInParent()
                shown.sidx_info.SetInParent()
            series = set().union(*(each.series for shards in hours for each in shards.values()))
            segment.series_index_info.data_count = len(series)
            info.data_size_bytes += sum(shard.data_size_bytes for shard in segment.shard_info)
        return info.SerializeToString()


def inspect_request(group, interval):
    """interval: seconds of a segment."""
    return with_head({"group": group, "interval": interval}, b"")
