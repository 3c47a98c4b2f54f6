# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fate of written points while servers stop and start (contract, section 8).

The cluster of these tests checks its peers every second, as the collection sets it, so it soon stops using a stopped
server. Each test has its own group: a liaison flushes a shard's points 5 s after the first of them.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import grpc
import pytest

from tests.load.client import Settings, running
from tests.load.liaison import SUCCEED, Liaison, Point

from . import asking
from .asking import Calls
from .conftest import Cluster
from .servers import GRPC, INTERNAL, METRICS, Server, listing
from .waiting import holds, until

MAX_REVISION = "banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision"
FLUSH = 5.0
FLUSHED = 15.0
"""Seconds until a query must find acknowledged points: the flush and a slow machine."""

NOTICED = 10.0
"""Seconds until a liaison with a check every second must show that a node stopped or started."""

STREAMS = re.compile(r'^banyandb_liaison_grpc_total_stream_(started|finished)\{method="write",service="measure"\} (\S+)$', re.MULTILINE)

FIRST = range(1, 17)
"""The first points of a group by number: one of each series."""

T = TypeVar("T")
names = (f"points{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def whole(add: Callable[..., Server]) -> Cluster:
    settings = {f"{kind}-client-health-check-interval": "1s" for kind in ("data", "liaison")}
    return Cluster(add, first=6, **settings)


@pytest.fixture
def cluster(whole: Cluster) -> Iterator[Cluster]:
    """Yield the cluster of this module. Each test leaves it complete."""
    yield whole
    until(whole.whole, NOTICED, "the test leaves the cluster as it found it")


@pytest.fixture
def group(cluster: Cluster) -> str:
    """Return a new group with a measure that both liaisons know, and with points 1 to 16: one of each series.

    These points come first because the server flushes a shard's very first points at once.
    """
    name = next(names)
    first, second = cluster.liaisons
    ask(first, name, make)
    until(lambda: ask(second, name, lambda liaison: liaison.knows_measure()), NOTICED, f"{second} knows the measure too")
    until(lambda: write(second, name, FIRST) == {*FIRST}, NOTICED, f"{second} takes points")
    until(lambda: found_by_all(cluster, name) == [{*FIRST}] * 2, FLUSHED, "nothing is held any more")
    return name


async def make(liaison: Liaison) -> None:
    await liaison.make_group()
    await liaison.make_measure()


def ask(server: Server, group: str, question: Callable[[Liaison], Coroutine[Any, Any, T]]) -> T:
    """Return the answer to ``question`` from the public port of a liaison. Raises grpc.RpcError."""

    async def asking() -> T:
        liaison = Liaison(f"{server.host.address}:{GRPC}", group, "points")
        try:
            return await question(liaison)
        finally:
            await liaison.close()

    return asyncio.run(asking())


def write(server: Server, group: str, numbers: range) -> set[int]:
    """Write points of 16 series in all shards and return the acknowledged numbers."""
    now = time.time_ns() // 1_000_000
    acknowledged: set[int] = set()

    async def writing(liaison: Liaison) -> None:
        points = [Point(number, now + number // 16, f"series{number % 16}") for number in numbers]
        await liaison.write(points, 20, lambda number, status: acknowledged.add(number) if status == SUCCEED else None)

    ask(server, group, writing)
    return acknowledged


def write_streams(server: Server) -> dict[str, float]:
    """Return a liaison's numbers of ``started`` and ``finished`` streams that write measures."""
    return {name: float(count) for name, count in STREAMS.findall(asking.page(server.host.address, METRICS, "/metrics"))}


def found(server: Server, group: str) -> set[int]:
    """Return the numbers of the points of the last minutes. Raises grpc.RpcError."""
    now = time.time_ns() // 1_000_000
    points = ask(server, group, lambda liaison: liaison.query(now - 300_000, now + 60_000, 8))
    return {number for _, number in points}


def found_by_all(cluster: Cluster, group: str) -> list[set[int]]:
    return [found(liaison, group) for liaison in cluster.liaisons]


def sees(cluster: Cluster, table: str, *away: Server) -> bool:
    """Return whether every running liaison sees all peers of a table as active except ``away``."""
    servers = {"tire1": cluster.liaisons, "tire2": cluster.data}[table]
    active = cluster.names([server for server in servers if server not in away])
    return all(set(liaison.tables()[table].active) == active for liaison in cluster.liaisons if liaison.running)


def restart_liaison(cluster: Cluster, liaison: Server) -> None:
    """Start the liaison with the list of data nodes, then write the full list: its own entry would cost 5 s (contract, section 1)."""
    liaison.rename(listing(cluster.data_entries))
    liaison.start()
    until(lambda: liaison.watches, NOTICED, f"{liaison} watches its file")
    liaison.rename(listing(cluster.entries))
    until(lambda: sees(cluster, "tire1") and sees(cluster, "tire2"), NOTICED, f"{liaison} is active everywhere, and so are its peers")


# The registry


def test_what_one_liaison_made_the_other_knows_and_every_node_has_its_revision(cluster: Cluster, calls: Calls) -> None:
    name = next(names)
    first, second = cluster.liaisons
    assert not ask(second, name, lambda liaison: liaison.has_group())
    ask(first, name, make)
    until(lambda: ask(second, name, lambda liaison: liaison.has_group()), NOTICED, "the other liaison knows the group")
    until(lambda: ask(second, name, lambda liaison: liaison.knows_measure()), NOTICED, "and the measure")
    made = ask(second, name, lambda liaison: liaison.measure_revision())
    ports = [(server, GRPC) for server in cluster.servers] + [(server, INTERNAL) for server in cluster.liaisons]

    def revisions() -> set[int]:
        return {calls.ask(server.host.address, port, MAX_REVISION).max_mod_revision for server, port in ports}

    # The server may add its own objects to the objects of a group.
    until(lambda: len(revisions()) == 1 and min(revisions()) >= made, NOTICED, "all nodes say the same revision, and have what was made")


def test_what_is_there_is_not_made_twice(group: str, cluster: Cluster) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        ask(cluster.liaisons[1], group, lambda liaison: liaison.create_group())
    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS


def test_a_point_without_a_measure_is_not_acknowledged(cluster: Cluster) -> None:
    assert write(cluster.liaisons[0], "missing", range(1, 3)) == set()


def test_a_stream_of_writes_is_started_with_its_first_point_and_finished_when_it_is_answered(group: str, cluster: Cluster) -> None:
    """An administrator waits for this before stopping a liaison: no write is in progress."""
    liaison = cluster.liaisons[0]
    assert write(liaison, group, range(17, 19)) == {17, 18}
    until(lambda: len(set(write_streams(liaison).values())) == 1, NOTICED, "nothing is under way")
    count = write_streams(liaison)["finished"]
    answers = []

    def points() -> Iterator[Point]:
        yield Point(19, time.time_ns() // 1_000_000, "series3")
        until(lambda: write_streams(liaison) == {"started": count + 1, "finished": count}, NOTICED, "it is started")
        holds(lambda: write_streams(liaison) == {"started": count + 1, "finished": count}, 2, "and not finished before the client closes it")
        assert not answers

    ask(liaison, group, lambda client: client.write(points(), 20, lambda number, status: answers.append((number, status))))
    assert answers == [(19, SUCCEED)]
    until(lambda: write_streams(liaison) == {"started": count + 1, "finished": count + 1}, NOTICED, "it is finished")


# Memory, flush, disk


def test_an_acknowledged_point_is_found_only_after_the_flush(group: str, cluster: Cluster) -> None:
    start = time.monotonic()
    numbers = range(17, 65)
    assert write(cluster.liaisons[0], group, numbers) == set(numbers)
    assert time.monotonic() - start < FLUSH / 2, "it was acknowledged long before the flush"
    holds(lambda: found_by_all(cluster, group) == [{*FIRST}] * 2, FLUSH / 2, "no liaison finds it")
    until(lambda: found_by_all(cluster, group) == [{*FIRST, *numbers}] * 2, FLUSHED, "both liaisons find it")
    # Points on the data nodes do not need the liaison of their write.
    first, second = cluster.liaisons
    first.kill()
    until(lambda: sees(cluster, "tire1", first), NOTICED, "it is gone")
    assert found(second, group) == {*FIRST, *numbers}
    restart_liaison(cluster, first)


def test_a_liaison_that_is_stopped_loses_what_it_acknowledged_and_held(group: str, cluster: Cluster) -> None:
    """The liaison loses the points of its shards from all liaisons. The other liaison keeps its own points."""
    first, second = cluster.liaisons
    through_first, through_second = range(17, 49), range(49, 81)
    assert write(first, group, through_first) | write(second, group, through_second) == {*through_first, *through_second}
    first.stop()
    until(lambda: len(found(second, group)) > len(FIRST), FLUSHED, "the other liaison has flushed")
    restart_liaison(cluster, first)
    left = found(second, group)
    for numbers in (through_first, through_second):
        assert left & set(numbers), "of each batch some points were the other liaison's"
        assert set(numbers) - left, "and some were lost with the stopped one"
    holds(lambda: found(first, group) == left, 2, "what is lost stays lost")


def test_a_point_has_two_copies_on_data_nodes_that_keep_them(group: str, cluster: Cluster) -> None:
    one, two, _ = cluster.data
    numbers = {*FIRST, *write(cluster.liaisons[0], group, range(17, 81))}
    until(lambda: found_by_all(cluster, group) == [numbers] * 2, FLUSHED, "all are found")
    one.kill()
    until(lambda: sees(cluster, "tire2", one), NOTICED, "one data node is not active")
    assert found_by_all(cluster, group) == [numbers] * 2, "the other copies are found"
    two.kill()
    until(lambda: sees(cluster, "tire2", one, two), NOTICED, "two data nodes are not active")
    for left in found_by_all(cluster, group):
        assert left < numbers, "the answer to a query lacks the points with both copies on stopped nodes"
        assert left, "the answer to a query has the points of the third node"
    for server in (one, two):
        server.start()
    until(lambda: sees(cluster, "tire2"), NOTICED, "both are back")
    # A stopped data node may forget a new series until the next write of that series. It keeps the points.
    numbers |= write(cluster.liaisons[0], group, range(81, 97))
    until(lambda: found_by_all(cluster, group) == [numbers] * 2, FLUSHED, "all are found again")


def test_points_go_to_the_data_nodes_that_are_active(group: str, cluster: Cluster) -> None:
    away = cluster.data[0]
    away.kill()
    until(lambda: sees(cluster, "tire2", away), NOTICED, "a data node is not active")
    numbers = {*FIRST, *write(cluster.liaisons[0], group, range(17, 81))}
    until(lambda: found_by_all(cluster, group) == [numbers] * 2, FLUSHED, "the two others have all points")
    away.start()
    until(lambda: sees(cluster, "tire2"), NOTICED, "it is back")
    assert found_by_all(cluster, group) == [numbers] * 2


# Under load


def test_no_acknowledged_point_is_lost_when_data_nodes_are_killed_and_restarted_one_by_one(cluster: Cluster) -> None:
    settings = Settings(tuple(f"{liaison.host.address}:{GRPC}" for liaison in cluster.liaisons), group=next(names), rate=50)
    with running(settings) as load:
        until(lambda: load.ready, 60, "points are taken and found through every liaison")
        for server in cluster.data[:2]:
            server.kill()
            until(lambda: sees(cluster, "tire2", server), NOTICED, f"{server} is not active")
            server.start()
            until(lambda: sees(cluster, "tire2"), NOTICED, f"{server} is back")
    figures = load.result
    assert (figures["missing"], figures["unacknowledged"]) == (0, 0)
    assert figures["acknowledged"] == figures["sent"] > 0
    # A liaison notices a dead node, and waiting writes go on: no write reaches the client's own limit.
    assert not [reason for reason in figures["write_reasons"] if reason.startswith("DEADLINE_EXCEEDED")]
    assert figures["queries"] > figures["failed_queries"]
