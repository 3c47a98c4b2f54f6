# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the figures of the load client and the points that it makes."""

from __future__ import annotations

import pytest

from . import figures
from .client import SERIES, Load, Settings
from .figures import Acknowledged, Answer, Failure


def point(number: int, liaison: str = "a", sent: float = 0.0, answered: float = 0.1, time: int = 1000) -> Acknowledged:
    return Acknowledged(number, time, liaison, sent, answered)


def known(*points: Acknowledged) -> dict[int, Acknowledged]:
    return {each.number: each for each in points}


# What is missing


def test_nothing_is_missing_when_every_acknowledged_point_is_found() -> None:
    assert figures.missing(known(point(1), point(2)), {1, 2, 3}) == []


def test_missing_points_come_by_number_with_who_acknowledged_them() -> None:
    lost = figures.missing(known(point(9, "b"), point(2, "a"), point(5)), {5})
    assert [(each.number, each.liaison) for each in lost] == [(2, "a"), (9, "b")]


def test_a_point_that_was_never_acknowledged_is_not_missing() -> None:
    assert figures.missing({}, set()) == []


# What a query must find


def test_a_query_must_find_what_was_acknowledged_long_enough_ago() -> None:
    points = [point(1, answered=2.9), point(2, answered=3.0), point(3, answered=3.1)]
    assert figures.expected(points, 3.0, 0, 5000) == {1, 2}


def test_a_query_must_find_only_what_it_asks_for() -> None:
    points = [point(1, time=999), point(2, time=1000), point(3, time=1999), point(4, time=2000)]
    assert figures.expected(points, 3.0, 1000, 2000) == {2, 3}


@pytest.mark.parametrize(
    ("wanted", "found", "share"),
    [(set(), set(), 0.0), (set(), {1}, 0.0), ({1, 2}, {1, 2, 3}, 0.0), ({1, 2, 3, 4}, {1}, 0.75), ({1}, set(), 1.0)],
)
def test_the_missed_share_is_of_what_is_wanted(wanted: set[int], found: set[int], share: float) -> None:
    assert figures.missed_share(wanted, found) == share


# By second


def test_moments_are_counted_in_the_second_in_which_they_lie() -> None:
    assert figures.count_by_second([3.99, 0.0, 3.0, 0.999, 4.0]) == {0: 2, 3: 2, 4: 1}


def test_of_each_second_the_largest_value_counts() -> None:
    assert figures.largest_by_second([(1.2, 0.5), (1.9, 0.25), (0.1, 0.0), (1.0, 2.0)]) == {0: 0.0, 1: 2.0}


def test_names_are_counted_the_most_frequent_first() -> None:
    assert list(figures.count(["b", "a", "a"]).items()) == [("a", 2), ("b", 1)]


# All together


def test_a_run_in_which_nothing_happened() -> None:
    seen = figures.summary(known(point(1, sent=0.5, answered=0.75)), 1, {1}, [], [], [], [Answer(9.0, "a", 0.005, 0.0)])
    assert seen["acknowledged"] == seen["sent"] == seen["queries"] == 1
    assert seen["slowest_acknowledgement"] == 0.25
    nothing = ("unacknowledged", "missing", "missing_points", "write_errors", "failed_queries", "redirected_queries")
    assert not any(seen[name] for name in (*nothing, "write_reasons", "query_reasons"))
    assert figures.table(seen).splitlines() == [
        "points      1 acknowledged, 0 of them missing, 0 never acknowledged",
        "writes      slowest acknowledgement 0.25 s, 0 errors",
        "queries     1, 0 failed, 0 redirected, 0 incomplete (at most 0% missing), slowest 0.01 s",
    ]


def test_a_run_in_which_everything_happened() -> None:
    points = known(point(1, "a", 1.0, 1.1), point(2, "b", 2.0, 4.5), point(3, "b", 2.0, 4.6))
    writes = [Failure(2.1, "a", "UNAVAILABLE: gone"), Failure(2.9, "a", "UNAVAILABLE: gone")]
    queries = [Failure(3.5, "b", "UNKNOWN: no")]
    answers = [Answer(2.0, "a", 0.01, 0.0), Answer(3.1, "a", 0.02, 0.1), Answer(3.2, "a", 7.5, 0.4)]
    redirected = [Failure(2.5, "a", "UNAVAILABLE: gone")]
    seen = figures.summary(points, 4, {1}, writes, queries, redirected, answers)
    assert (seen["sent"], seen["acknowledged"], seen["unacknowledged"], seen["missing"]) == (4, 3, 1, 2)
    assert seen["missing_points"] == [{"number": 2, "liaison": "b", "second": 4}, {"number": 3, "liaison": "b", "second": 4}]
    assert (seen["missing_by_second"], seen["missing_by_liaison"]) == ({4: 2}, {"b": 2})
    assert (seen["slowest_acknowledgement"], seen["slowest_acknowledgement_by_second"]) == (2.6, {1: 0.1, 2: 2.6})
    assert (seen["write_errors"], seen["write_errors_by_second"], seen["write_errors_by_liaison"]) == (2, {2: 2}, {"a": 2})
    assert (seen["queries"], seen["failed_queries"], seen["failed_queries_by_liaison"]) == (4, 1, {"b": 1})
    assert (seen["incomplete_queries"], seen["largest_missed_share"], seen["missed_share_by_second"]) == (2, 0.4, {3: 0.4})
    assert (seen["redirected_queries"], seen["redirected_queries_by_second"]) == (1, {2: 1})
    assert seen["slowest_query"] == 7.5
    assert seen["write_reasons"] == {"UNAVAILABLE: gone": 2}
    assert seen["query_reasons"] == {"UNKNOWN: no": 1, "UNAVAILABLE: gone": 1}
    assert figures.table(seen).splitlines()[4:] == [
        "second  slowest ack  write errors  failed queries  redirected  incomplete  missing",
        "     2       2.60 s             2                           1",
        "     3                                          1                   40.0%",
        "     4                                                                           2",
        "2 x write: UNAVAILABLE: gone",
        "1 x query: UNKNOWN: no",
        "1 x query: UNAVAILABLE: gone",
    ]


# How points are made


def test_no_two_points_have_series_and_time_in_common() -> None:
    load = Load(Settings(("a:1",)))
    batches = [load.make_points(count) for count in (1, 50, 3 * SERIES, 7, 1000, 0, 25)]
    points = [each for batch in batches for each in batch]
    assert [each.number for each in points] == list(range(1, len(points) + 1))
    assert len({(each.series, each.time) for each in points}) == len(points)
    assert {len({each.series for each in points})} == {SERIES}
    assert [each.time for each in points] == sorted(each.time for each in points)
