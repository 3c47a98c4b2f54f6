# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that a server's watch does not see, events that end the watch, and the effect of the poll (contract, section 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .conftest import Cluster
from .servers import GRPC, Server, listing
from .waiting import SOON, NotInTime, holds, until

POLL = {"node-discovery-file-fetch-interval": "4s"}
"""Servers with a poll in these tests poll every 4 s; other servers every 5 minutes, the default."""

ENOUGH = 6.0
"""Seconds to wait for a change: several times the watch's delay, and more than the poll interval."""

HELD_UP = 2 * 5.0
"""Extra seconds with an entry that is not responding: two retries of it may run before the change."""


@dataclasses.dataclass
class Seen:
    """Seconds from a change until the server saw it. None: not in time."""

    first_link: float | None = None
    second_link: float | None = None
    after_absence: float | None = None
    while_it_loads: float | None = None
    next_rename: float | None = None


def seconds_until_gone(server: Server, name: str, within: float = ENOUGH) -> float | None:
    try:
        return until(lambda: name not in server.sees(), within, f"{name} is gone")
    except NotInTime:
        return None


def link(server: Server, target: str, text: str) -> None:
    """Make the topology a symlink to a file ``target``, with a rename."""
    (server.folder / target).write_text(text)
    new = server.folder / "link"
    new.symlink_to(target)
    new.replace(server.topology)


def swap_links(server: Server, cluster: Cluster) -> Seen:
    first, second, third = cluster.data
    link(server, "one", listing(first.entry | second.entry))
    seen = Seen(first_link=seconds_until_gone(server, third.name))
    link(server, "two", listing(first.entry))
    seen.second_link = seconds_until_gone(server, second.name)
    return seen


def take_away(server: Server, cluster: Cluster) -> Seen:
    first, second, third = cluster.data
    before = server.sees()
    server.topology.unlink()
    holds(lambda: server.sees() == before, 6, "the view stays while the file is absent")
    server.rename(listing(first.entry | second.entry))
    seen = Seen(after_absence=seconds_until_gone(server, third.name))
    server.rename(listing(first.entry))
    seen.next_rename = seconds_until_gone(server, second.name)
    return seen


def change_while_it_loads(server: Server, cluster: Cluster) -> Seen:
    """Change the first file of a server while the server tries an entry that is not responding."""
    first, second, third = cluster.data
    dead = {"silent1": f"silent1:{GRPC}"}
    server.rename(listing(first.entry | dead | second.entry | third.entry))
    server.start()
    until(lambda: server.sees() == {first.name}, SOON, f"{server} knows the node before the dead entry, and no other yet")
    server.rename(listing(first.entry | dead | second.entry))
    assert not server.watches
    until(lambda: len(server.sees()) == 3, SOON, f"{server} has loaded its first file")
    until(lambda: server.watches, SOON, f"{server} watches its file")
    seen = Seen(while_it_loads=seconds_until_gone(server, third.name, ENOUGH + HELD_UP))
    server.rename(listing(first.entry | dead))
    seen.next_rename = seconds_until_gone(server, second.name, ENOUGH + HELD_UP)
    return seen


@pytest.fixture(scope="module")
def seen(add: Callable[..., Server], standing: Cluster) -> Iterator[dict[str, Future[Seen]]]:
    """Run all cases at once, because each takes long: swapped links and a removed file, with and without the poll."""
    servers = {
        "links, watch only": add("data", 6),
        "links, poll": add("data", 7, **POLL),
        "absence, watch only": add("data", 8),
        "absence, poll": add("data", 9, **POLL),
        "loading, watch only": add("data", 10),
        "loading, poll": add("data", 11, **POLL),
    }
    change = {"links": swap_links, "absence": take_away, "loading": change_while_it_loads}
    running = [server for name, server in servers.items() if not name.startswith("loading")]
    for server in running:
        server.rename(listing(standing.data_entries))
        server.start()
    for server in running:
        until(lambda: len(server.sees()) == 3, SOON, f"{server} knows the data nodes")
        until(lambda: server.watches, SOON, f"{server} watches its file")
    with ThreadPoolExecutor(len(servers)) as pool:
        yield {name: pool.submit(change[name.partition(",")[0]], server, standing) for name, server in servers.items()}


def test_a_regular_file_swapped_for_a_symlink_is_seen(seen: dict[str, Future[Seen]]) -> None:
    after = seen["links, watch only"].result().first_link
    assert after is not None and after > 0.9


def test_a_symlink_swapped_for_another_is_never_seen_by_the_watch(seen: dict[str, Future[Seen]]) -> None:
    assert seen["links, watch only"].result().second_link is None


def test_a_symlink_swapped_for_another_is_seen_by_the_poll(seen: dict[str, Future[Seen]]) -> None:
    assert seen["links, poll"].result().second_link is not None


def test_a_file_absent_for_6_seconds_loses_the_watch_for_good(seen: dict[str, Future[Seen]]) -> None:
    record = seen["absence, watch only"].result()
    assert (record.after_absence, record.next_rename) == (None, None)


def test_a_file_absent_for_6_seconds_is_seen_by_the_poll_when_it_is_back(seen: dict[str, Future[Seen]]) -> None:
    record = seen["absence, poll"].result()
    assert record.after_absence is not None and record.next_rename is not None


def test_a_file_changed_while_a_server_is_at_its_first_one_is_never_seen_by_the_watch_and_the_next_one_is(seen: dict[str, Future[Seen]]) -> None:
    record = seen["loading, watch only"].result()
    assert record.while_it_loads is None
    assert record.next_rename is not None


def test_a_file_changed_while_a_server_is_at_its_first_one_is_seen_by_the_poll(seen: dict[str, Future[Seen]]) -> None:
    assert seen["loading, poll"].result().while_it_loads is not None
