# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a liaison's metrics tell, in the text format of Prometheus. Standard library only, Python 3.9+."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A counter for each service (measure, stream, trace), see the server's banyand/liaison/grpc/metrics.go. One that was never touched is not there.
_SAMPLE = re.compile(
    r'^banyandb_liaison_grpc_total_stream_(started|finished)\{[^}]*\bmethod="write"[^}]*\} (\d+(?:\.\d+)?(?:e\+\d\d)?)$', re.ASCII | re.MULTILINE
)


@dataclass(frozen=True)
class WriteStreams:
    """Streams of writes that clients have opened at a liaison since it started. One is finished when its points are answered."""

    started: int = 0
    finished: int = 0

    @property
    def under_way(self) -> int:
        """How many wait for an answer, or are not closed by their client yet."""
        return max(self.started - self.finished, 0)

    @classmethod
    def from_text(cls, page: str) -> WriteStreams:
        """Of a page of metrics. One without such counters tells of no streams. Raises ValueError: a number beyond all counts."""
        counts = {"started": 0, "finished": 0}
        for name, value in _SAMPLE.findall(page):
            try:
                counts[name] += int(float(value))
            except OverflowError:
                raise ValueError(f"a count of {name} streams has {len(value)} digits") from None
        return cls(**counts)
