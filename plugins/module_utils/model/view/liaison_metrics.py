# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the metrics of a liaison, in the text format of Prometheus. Standard library only, Python 3.9+."""

from __future__ import annotations

import re
from typing import NamedTuple

# One counter for each service (measure, stream, trace): banyand/liaison/grpc/metrics.go. The page has no counter that never counted.
_SAMPLE = re.compile(
    r'^banyandb_liaison_grpc_total_stream_(started|finished)\{[^}]*\bmethod="write"[^}]*\} (\d+(?:\.\d+)?(?:e\+\d\d)?)$', re.ASCII | re.MULTILINE
)


class WriteStreams(NamedTuple):
    """Write streams that clients have opened at a liaison since its start.

    A stream is finished when the liaison has answered its points.
    """

    started: int = 0
    finished: int = 0

    @property
    def under_way(self) -> int:
        """The number of streams that wait for an answer, or that their client has not closed."""
        return max(self.started - self.finished, 0)

    @classmethod
    def from_text(cls, page: str) -> WriteStreams:
        """Return the counts on a page of metrics; a page without these counters gives no streams.

        Raises ValueError for a number that is too large.
        """
        counts = {"started": 0, "finished": 0}
        for name, value in _SAMPLE.findall(page):
            try:
                counts[name] += int(float(value))
            except OverflowError:
                raise ValueError(f"a count of {name} streams has {len(value)} digits") from None
        return cls(**counts)
