# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries that are not responding: 5 seconds each, one after the other, in the order of the file (contract, section 1)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .conftest import Cluster
from .servers import GRPC, INTERNAL, Server, listing
from .waiting import SOON, holds, until

EACH = 5.0
"""Seconds that one dead entry costs."""

MARGIN, SLACK = 1.5, 6.0
"""Seconds that a time may be shorter or longer, on a machine where many servers start at once. Processes start slowly
there, so the tests compare times of starts with each other, not with zero.
"""


def costs(seconds: float, entries: int) -> bool:
    """Return whether ``seconds`` fit this number of dead entries."""
    return entries * EACH - MARGIN < seconds < entries * EACH + SLACK


def waited(listened: float, at_once: float, entries: int) -> bool:
    """Return whether a server that listened after ``listened`` seconds waited for this number of dead entries. ``at_once``: seconds of a server
    without dead entries. That server may be slow too on a busy machine, which makes the first server no faster.
    """
    return entries * EACH - MARGIN < listened and listened - at_once < entries * EACH + SLACK


def dead(kind: str, count: int) -> dict[str, str]:
    """Return entries of nodes that are not responding. ``kind`` is refusing or silent (see network.py)."""
    return {f"{kind}{i}": f"{kind}{i}:{GRPC}" for i in range(1, count + 1)}


@dataclasses.dataclass
class Reload:
    """A running node got two dead entries and then a new live entry, and lost a node. Seconds after the write."""

    added: float
    removed: float
    retries: float
    """Number of entries in the retry queue then."""
    next: float
    """Seconds until the next write counts, while the server retries those entries."""


def reload(server: Server, cluster: Cluster, kind: str) -> Reload:
    first, second, third = cluster.data
    server.rename(listing(first.entry | second.entry))
    server.start()
    until(lambda: server.sees() == {first.name, second.name}, SOON, f"{server} knows two nodes")
    until(lambda: server.watches, SOON, f"{server} watches its file")
    server.rename(listing(first.entry | dead(kind, 2) | third.entry))
    added = until(lambda: third.name in server.sees(), 2 * EACH + SLACK, "the new node is known")
    removed = added + until(lambda: second.name not in server.sees(), SLACK, "the old node is gone")
    until(lambda: "retry_queue_size" in server.counts(), SOON, "the queue is counted")
    retries = server.counts()["retry_queue_size"]
    server.rename(listing(first.entry | dead(kind, 2)))
    return Reload(added, removed, retries, until(lambda: third.name not in server.sees(), 2 * EACH + SLACK, "it is dropped"))


@dataclasses.dataclass
class Start:
    """Seconds from the start of a process until it listens on its gRPC port, and until its view is complete."""

    listened: float
    complete: float


Starts = dict[str, Future[Start]]
Seconds = dict[str, Future[float]]
Reloads = dict[str, Future[Reload]]


def start(server: Server, entries: dict[str, str], expected: set[str]) -> Start:
    server.rename(listing(entries))
    begun = time.monotonic()
    server.start()
    until(lambda: server.listens(GRPC), 40, f"{server} listens")
    listened = time.monotonic() - begun
    until(lambda: expected <= server.sees(), 40, f"{server} knows its nodes")
    return Start(listened, time.monotonic() - begun)


def start_before(liaison: Server, data: Server) -> float:
    """Start a liaison, and its data node while the liaison still tries an earlier entry. Return the seconds from then until it serves."""
    data.rename(listing(data.entry))
    liaison.rename(listing(dead("silent", 1) | data.entry))
    liaison.start()
    holds(lambda: liaison.running and not liaison.listens(GRPC), 2, f"{liaison} does not listen yet")
    data.start()
    return until(lambda: liaison.tables()["tire2"].active == (data.name,), 30, f"{liaison} serves with {data}")


def start_long_before(liaison: Server, data: Server) -> float:
    """Start a liaison, and its data node after a failed try. Return the seconds from the liaison's second entry until it serves."""
    for server in (liaison, data):
        server.rename(listing(data.entry))
    deaf = f"{liaison} runs, and does not listen"
    liaison.start()
    holds(lambda: liaison.running and not liaison.listens(GRPC), EACH + SLACK, deaf)
    data.start()
    # The liaison looks for a META node every 5 s, but only the retries try a failed entry, and they run only after it listens.
    holds(lambda: liaison.running and not liaison.listens(GRPC), EACH + 1.5, deaf)
    liaison.rename(listing({}))
    holds(lambda: liaison.running and not liaison.listens(GRPC), EACH + 1.5, deaf)
    liaison.rename(listing(data.entry))
    return until(lambda: liaison.tables()["tire2"].active == (data.name,), 30, f"{liaison} serves with {data}")


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(9) as threads:
        yield threads


@pytest.fixture(scope="module")
def reloads(add: Callable[..., Server], standing: Cluster, pool: ThreadPoolExecutor) -> Reloads:
    return {kind: pool.submit(reload, add("data", number), standing, kind) for kind, number in (("refusing", 6), ("silent", 7))}


@pytest.fixture(scope="module")
def starts(add: Callable[..., Server], standing: Cluster, pool: ThreadPoolExecutor) -> Starts:
    data, expected = standing.data_entries, standing.names(standing.data)
    absent = {f"refusing{i}": f"refusing{i}:{INTERNAL}" for i in (1, 2)}
    liaison, alone = add("liaison", 8), add("liaison", 9)
    meta, simple = add("data", 18), add("data", 19, **{"has-meta-role": "false"})
    return {
        "liaison with its own entry": pool.submit(start, liaison, data | liaison.entry, expected | {liaison.name}),
        "liaison with the data list": pool.submit(start, alone, data, expected),
        "data, dead first": pool.submit(start, add("data", 10), dead("silent", 2) | data, expected),
        "data, dead last": pool.submit(start, add("data", 11), data | dead("silent", 2), expected),
        "data, liaisons not yet there": pool.submit(start, add("data", 12), absent | data, expected),
        "META data with its own entry": pool.submit(start, meta, meta.entry | data, expected | {meta.name}),
        "simple data with its own entry": pool.submit(start, simple, simple.entry | data, expected | {simple.name}),
        "liaison, dead last": pool.submit(start, add("liaison", 13), data | dead("silent", 2), expected),
    }


@pytest.fixture(scope="module")
def early(add: Callable[..., Server], pool: ThreadPoolExecutor) -> Seconds:
    return {
        "before": pool.submit(start_before, add("liaison", 14), add("data", 15)),
        "long before": pool.submit(start_long_before, add("liaison", 16), add("data", 17)),
    }


@pytest.fixture(autouse=True)
def all_at_once(starts: object, early: object, reloads: object) -> None:
    """Start everything in the first test, so that all waits run at the same time."""


@pytest.mark.parametrize("kind", ["refusing", "silent"])
def test_each_new_dead_entry_costs_five_seconds_before_what_comes_after_it(reloads: Reloads, kind: str) -> None:
    record = reloads[kind].result()
    assert costs(record.added, 2)
    assert record.removed >= record.added
    assert record.retries == 2


@pytest.mark.parametrize("kind", ["refusing", "silent"])
def test_entries_that_are_tried_again_do_not_delay_the_next_reload(reloads: Reloads, kind: str) -> None:
    assert reloads[kind].result().next < EACH - MARGIN


def test_a_restarted_data_node_listens_at_once_and_sees_no_node_until_it_has_tried_dead_entries_before_them(
    starts: Starts,
) -> None:
    record = starts["data, dead first"].result()
    assert costs(record.complete - record.listened, 2)


def test_a_restarted_data_node_whose_dead_entries_stand_last_sees_the_others_at_once(starts: Starts) -> None:
    record = starts["data, dead last"].result()
    assert record.complete - record.listened < EACH - MARGIN


def test_entries_of_liaisons_that_do_not_run_yet_make_a_data_node_blind(starts: Starts) -> None:
    record = starts["data, liaisons not yet there"].result()
    assert costs(record.complete - record.listened, 2)


def test_its_own_entry_costs_a_data_node_nothing_if_it_has_the_role_meta(starts: Starts) -> None:
    record = starts["META data with its own entry"].result()
    assert record.complete - record.listened < EACH - MARGIN


def test_without_the_role_meta_it_listens_only_when_its_file_is_loaded_its_own_entry_included(starts: Starts) -> None:
    at_once = starts["META data with its own entry"].result().listened
    assert waited(starts["simple data with its own entry"].result().listened, at_once, 1)


def test_a_liaison_listens_only_when_its_whole_file_is_loaded(starts: Starts) -> None:
    at_once = starts["liaison with the data list"].result().listened
    assert waited(starts["liaison, dead last"].result().listened, at_once, 2)


def test_its_own_entry_costs_a_liaison_five_seconds_and_the_data_list_nothing(starts: Starts) -> None:
    at_once = starts["liaison with the data list"].result().listened
    assert waited(starts["liaison with its own entry"].result().listened, at_once, 1)


def test_a_liaison_serves_with_data_nodes_that_start_before_it_has_loaded_its_file(early: Seconds) -> None:
    early["before"].result()  # raises NotInTime


def test_a_liaison_stays_deaf_to_data_nodes_that_come_later_until_they_are_dropped_and_added(early: Seconds) -> None:
    early["long before"].result()  # raises NotInTime
