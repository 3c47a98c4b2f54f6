# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures as pure functions. Moments are seconds since the start of the load; a second is the whole part of a moment."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Acknowledged:
    """A point that a server has acknowledged.

    ``time``: its timestamp in milliseconds. ``liaison``: the liaison that acknowledged it. ``sent``: the moment of its first try.
    ``answered``: the moment of the acknowledgement.
    """

    number: int
    time: int
    liaison: str
    sent: float
    answered: float


@dataclasses.dataclass(frozen=True)
class Failure:
    """A failed write or query: its ``moment``, its ``liaison``, and ``why``."""

    moment: float
    liaison: str
    why: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answered query: its moment, its duration in seconds, and the share of the expected points that it missed."""

    moment: float
    liaison: str
    seconds: float
    missed: float


def missing(acknowledged: Mapping[int, Acknowledged], found: Collection[int]) -> list[Acknowledged]:
    """Return the acknowledged points that no query finds, by number."""
    return [acknowledged[number] for number in sorted(acknowledged) if number not in found]


def expected(acknowledged: Iterable[Acknowledged], before: float, begin: int, end: int) -> set[int]:
    """Return the numbers that a query of the times [begin, end) must find: points that were acknowledged before a moment."""
    return {point.number for point in acknowledged if point.answered <= before and begin <= point.time < end}


def missed_share(wanted: Collection[int], found: Collection[int]) -> float:
    """Return the share of the wanted numbers that was not found; 0 without wanted numbers."""
    return sum(number not in found for number in wanted) / len(wanted) if wanted else 0.0


def count_by_second(moments: Iterable[float]) -> dict[int, int]:
    """Return the number of moments in each second."""
    return dict(sorted(collections.Counter(int(moment) for moment in moments).items()))


def largest_by_second(values: Iterable[tuple[float, float]]) -> dict[int, float]:
    """Return the largest value of each second, from pairs (moment, value)."""
    largest: dict[int, float] = {}
    for moment, value in values:
        largest[int(moment)] = max(largest.get(int(moment), value), value)
    return dict(sorted(largest.items()))


def count(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name occurs, the most frequent first."""
    return dict(collections.Counter(names).most_common())


def summary(
    acknowledged: Mapping[int, Acknowledged],
    sent: int,
    found: Collection[int],
    write_errors: list[Failure],
    query_errors: list[Failure],
    redirected: list[Failure],
    answers: list[Answer],
) -> dict[str, Any]:
    """Return the figures of a run; see README.md. ``sent``: number of points made."""
    lost = missing(acknowledged, found)
    stalls = [(point.sent, point.answered - point.sent) for point in acknowledged.values()]
    incomplete = [answer for answer in answers if answer.missed]
    return {
        "sent": sent,
        "acknowledged": len(acknowledged),
        "unacknowledged": sent - len(acknowledged),
        "missing": len(lost),
        "missing_by_second": count_by_second(point.answered for point in lost),
        "missing_by_liaison": count(point.liaison for point in lost),
        "missing_points": [{"number": point.number, "liaison": point.liaison, "second": int(point.answered)} for point in lost],
        "slowest_acknowledgement": round(max((stall for _, stall in stalls), default=0.0), 3),
        "slowest_acknowledgement_by_second": _rounded(largest_by_second(stalls)),
        "write_errors": len(write_errors),
        "write_errors_by_second": count_by_second(error.moment for error in write_errors),
        "write_errors_by_liaison": count(error.liaison for error in write_errors),
        "queries": len(answers) + len(query_errors),
        "failed_queries": len(query_errors),
        "failed_queries_by_second": count_by_second(error.moment for error in query_errors),
        "failed_queries_by_liaison": count(error.liaison for error in query_errors),
        "redirected_queries": len(redirected),
        "redirected_queries_by_second": count_by_second(error.moment for error in redirected),
        "redirected_queries_by_liaison": count(error.liaison for error in redirected),
        "slowest_query": round(max((answer.seconds for answer in answers), default=0.0), 3),
        "incomplete_queries": len(incomplete),
        "largest_missed_share": round(max((answer.missed for answer in answers), default=0.0), 4),
        "missed_share_by_second": _rounded(largest_by_second((answer.moment, answer.missed) for answer in incomplete)),
        "write_reasons": count(error.why for error in write_errors),
        "query_reasons": count(error.why for error in [*query_errors, *redirected]),
    }


def _rounded(values: Mapping[int, float]) -> dict[int, float]:
    return {second: round(value, 4) for second, value in values.items()}


SLOW = 1.0
"""The table shows a second with an acknowledgement that took this many seconds or more."""


def table(figures: Mapping[str, Any]) -> str:
    """Return the figures as text: totals, and the seconds with an error or a slow acknowledgement."""
    lines = [
        f"points      {figures['acknowledged']} acknowledged, {figures['missing']} of them missing, {figures['unacknowledged']} never acknowledged",
        f"writes      slowest acknowledgement {figures['slowest_acknowledgement']:.2f} s, {figures['write_errors']} errors",
        f"queries     {figures['queries']}, {figures['failed_queries']} failed, {figures['redirected_queries']} redirected,"
        f" {figures['incomplete_queries']} incomplete (at most {figures['largest_missed_share']:.0%} missing),"
        f" slowest {figures['slowest_query']:.2f} s",
    ]
    columns = {
        "slowest ack": {second: f"{value:.2f} s" for second, value in figures["slowest_acknowledgement_by_second"].items() if value >= SLOW},
        "write errors": figures["write_errors_by_second"],
        "failed queries": figures["failed_queries_by_second"],
        "redirected": figures["redirected_queries_by_second"],
        "incomplete": {second: f"{value:.1%}" for second, value in figures["missed_share_by_second"].items()},
        "missing": figures["missing_by_second"],
    }
    seconds = sorted({second for column in columns.values() for second in column})
    if seconds:
        lines += ["", "second  " + "  ".join(columns)]
    for second in seconds:
        cells = (str(column.get(second, "")).rjust(len(title)) for title, column in columns.items())
        lines.append(f"{second:6}  " + "  ".join(cells))
    for what in ("write", "query"):
        lines += [f"{times} x {what}: {why}" for why, times in figures[f"{what}_reasons"].items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"
