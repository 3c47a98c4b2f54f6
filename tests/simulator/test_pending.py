# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test how a liaison of the simulator handles the points it holds, when data nodes take them and when they refuse them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .banyand import pending
from .banyand.pending import FAILED, Pending
from .banyand.points import POINTS, record, records, split_head, with_head
from .banyand.store import QUERY, TAKE, Store, query_request
from .banyand.wire import UNAVAILABLE, Status

MEASURE, SERIES = b"measure.", b"series.."


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_TRIES", (0.01, 0.02, 0.04))
    monkeypatch.setattr(pending, "_NO_NODE", 0.02)


class DataNodes:
    """A fake for the data nodes: the points that each has taken, and the number of calls. ``refusing``: tries that a node refuses."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.refusing: dict[str, float] = {}
        self.taken: dict[str, list[int]] = {name: [] for name in names}
        self.tries = dict.fromkeys(names, 0)

    def locate(self, group: str, shard: int) -> list[str]:
        return self.names

    async def call(self, name: str, path: str, request: bytes, timeout: float, attempts: int) -> bytes:
        assert path == TAKE
        self.tries[name] += 1
        if self.tries[name] <= self.refusing.get(name, 0):
            raise Status(UNAVAILABLE, "connection refused")
        self.taken[name] += [time for _, _, time, *_ in records(split_head(request)[1])]
        return b""


def point(time: int) -> Any:
    return record(MEASURE, SERIES, time, 1, b"body")


def play(root: Path, data: DataNodes, *times: int, until: Callable[[], bool]) -> None:
    """Run a liaison that gets points of these times, until a condition holds."""

    async def live() -> None:
        liaison = Pending(str(root), "liaison:18912", 0.05, data, data.locate)
        for time in times:
            liaison.add("group", 2, point(time))
        await so(until, data)

    asyncio.run(live())


async def so(fact: Callable[[], bool], data: DataNodes) -> None:
    for _ in range(1000):
        if fact():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not so after 10 s; taken: {data.taken}, tried: {data.tries}")


def parts(root: Path) -> list[Path]:
    return sorted(path for path in (root / "group" / "shard-2").iterdir() if path.name != FAILED)


def test_what_is_held_goes_to_all_data_nodes_of_the_shard_and_leaves_nothing(tmp_path: Path) -> None:
    data = DataNodes("one", "two")
    play(tmp_path, data, 1, 2, 3, until=lambda: bool(data.taken["two"]) and not parts(tmp_path))
    assert data.taken == {"one": [1, 2, 3], "two": [1, 2, 3]}
    assert not list((tmp_path / "group" / "shard-2" / FAILED).iterdir())


def test_a_part_that_one_node_does_not_take_in_three_more_tries_is_put_aside(tmp_path: Path) -> None:
    data = DataNodes("one", "two")
    data.refusing = {"one": math.inf}
    play(tmp_path, data, 1, 2, until=lambda: bool(data.tries["one"]) and not parts(tmp_path))
    assert data.taken == {"one": [], "two": [1, 2]}
    assert data.tries == {"one": 4, "two": 1}
    (aside,) = (tmp_path / "group" / "shard-2" / FAILED).iterdir()
    assert aside.name.endswith("_core")
    assert [time for _, _, time, *_ in records(split_head((aside / POINTS).read_bytes())[1])] == [1, 2]


def test_a_node_that_takes_a_part_at_a_later_try_has_it(tmp_path: Path) -> None:
    data = DataNodes("one")
    data.refusing = {"one": 3}
    play(tmp_path, data, 7, until=lambda: data.taken["one"] == [7] and not parts(tmp_path))
    assert not list((tmp_path / "group" / "shard-2" / FAILED).iterdir())


def test_without_data_nodes_a_part_waits_on_disk_and_is_sent_by_the_next_process_that_gets_points(tmp_path: Path) -> None:
    none = DataNodes()
    play(tmp_path, none, 1, until=lambda: bool(parts(tmp_path)))
    data = DataNodes("one")
    play(tmp_path, data, 2, until=lambda: len(data.taken["one"]) == 2 and not parts(tmp_path))
    assert data.taken["one"] == [1, 2]


def test_the_first_points_of_a_shard_are_flushed_at_once_and_later_ones_are_held_and_die_with_the_process(tmp_path: Path) -> None:
    data = DataNodes("one")

    async def live() -> None:
        liaison = Pending(str(tmp_path), "liaison:18912", 3600.0, data, data.locate)
        liaison.add("group", 2, point(1))
        await so(lambda: data.taken["one"] == [1], data)
        liaison.add("group", 2, point(2))
        await asyncio.sleep(0.1)

    asyncio.run(live())
    assert data.taken["one"] == [1]
    assert parts(tmp_path) == []


# The data node's side


class Loaded:
    """A schema that has every object."""

    async def has(self, key: str) -> bool:
        return True


def ask(store: Store, handler: str, request: bytes) -> bytes:
    answer: bytes = asyncio.run(store.services()[handler](request, {}))
    return answer


def stored(root: Path, *, begin: int = 0, end: int = 100, limit: int = 100) -> list[tuple[int, int]]:
    """(time, version) of the points that a data node finds after a restart."""
    store = Store(str(root), Loaded())
    store.load()
    answer = ask(store, QUERY, query_request("group", MEASURE, begin, end, limit))
    return [(time, version) for _, _, time, version, *_ in records(answer)]


def take(root: Path, part: str, *points: bytes, store: Store | None = None) -> None:
    head = {"group": "group", "shard": 2, "sender": "liaison:18912", "part": part}
    ask(store or Store(str(root), Loaded()), TAKE, with_head(head, b"".join(points)))


def test_a_data_node_keeps_points_in_the_order_of_their_times(tmp_path: Path) -> None:
    take(tmp_path, "1", point(30), point(10))
    take(tmp_path, "2", point(20))
    assert stored(tmp_path) == [(10, 1), (20, 1), (30, 1)]
    assert stored(tmp_path, begin=10, end=30) == [(10, 1), (20, 1)]
    assert stored(tmp_path, limit=1) == [(10, 1)]


def test_of_one_series_and_time_the_highest_version_counts(tmp_path: Path) -> None:
    versions = [record(MEASURE, SERIES, 5, version, b"") for version in (2, 3, 1)]
    take(tmp_path, "1", *versions, record(MEASURE, b"another.", 5, 1, b""))
    assert sorted(stored(tmp_path)) == [(5, 1), (5, 3)]


def test_a_part_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    take(tmp_path, "1", point(1))
    take(tmp_path, "1", point(1))
    assert stored(tmp_path) == [(1, 1)]
    assert len(list(tmp_path.rglob(POINTS))) == 1
