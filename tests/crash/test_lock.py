# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pushes to one file at once: one waits, or fails with a reason. The result equals the two pushes in sequence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, ordered
from ansible_collections.skywalking.banyandb.tests.unit.following import Network

from .pusher import Pusher
from .tracer import AFTER, BEFORE, HALF, Moment

ROUNDS = 30


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    with Network() as network:
        yield [network.node(name) for name in "abcd"]


@pytest.fixture
def other(directory: Path) -> Iterator[Pusher]:
    """Yield a second pusher for the same file."""
    with Pusher(directory) as pushing:
        yield pushing


def text(*nodes: Node) -> str:
    return Topology(ordered(nodes)).render()


def listing(*nodes: Node, **options: Any) -> dict[str, Any]:
    return {"nodes": [node.to_mapping() for node in nodes], **options}


def whole(pusher: Pusher) -> str:
    """Return the file, and check that there is no other file."""
    assert list(pusher.directory.iterdir()) == [pusher.path]
    return pusher.path.read_text()


def calls(pusher: Pusher, **arguments: Any) -> list[str]:
    """Return the calls of this push, and undo the push."""
    before = pusher.path.read_text()
    seen = pusher.traced(**arguments).calls
    pusher.path.write_text(before)
    return seen


def test_a_push_that_cannot_wait_any_longer_names_the_file_and_who_holds_it(pusher: Pusher, other: Pusher, nodes: list[Node]) -> None:
    """At each moment at which the first push holds the lock."""
    a, b, c, d = nodes
    pusher.path.write_text(text(a, b))
    first, second = listing(a, b, c), listing(a, b, d)
    seen = calls(pusher, **first)
    locked = [Moment(number, AFTER) for number in range(seen.index("flock ."), len(seen) - 1)]
    for moment in [*locked, Moment(seen.index("write .topology.yml.*.tmp"), HALF)]:
        pusher.path.write_text(text(a, b))
        with pusher.held(moment, **first) as held:
            there = pusher.path.read_text()
            result = other.push(**second, lock_timeout=0.05)
            assert result.get("failed") and result["changed"] is False, moment
            says = f"{pusher.path}: another push (process {held.process}) has held it for 0.05 s. Wait until it ends, then push again."
            assert result["msg"] == says
            assert pusher.path.read_text() == there, moment
            assert held.go()["changed"] is True
        assert whole(pusher) == text(a, b, c)


def test_a_push_that_waits_plans_from_what_the_first_one_wrote(pusher: Pusher, other: Pusher, nodes: list[Node]) -> None:
    a, b, c, d = nodes
    pusher.path.write_text(text(a, b))
    first = listing(a, b, c)
    rename = calls(pusher, **first).index("rename .topology.yml.*.tmp topology.yml")
    for second, says, after in (
        (listing(a, b, d), "topology.yml: refusing to drop c, which is not in the inventory", text(a, b, c)),
        (listing(a, b, remove=["c"]), "", text(a, b)),
        (listing(a, b, c, d), "", text(a, b, c, d)),
    ):
        pusher.path.write_text(text(a, b))
        # The lock was refused to the second push once, and the first push has not written yet.
        with pusher.held(Moment(rename, BEFORE), **first) as held, other.held(Moment(1, AFTER), **second) as waiting:
            assert held.go()["changed"] is True
            assert whole(pusher) == text(a, b, c)
            result = waiting.go()
        assert says in result.get("msg", "") and bool(says) == ("failed" in result), result
        assert whole(pusher) == after


def test_a_push_killed_with_the_lock_does_not_block_the_next(pusher: Pusher, other: Pusher, nodes: list[Node]) -> None:
    """Also when the killed push had waited for the lock."""
    a, b, c, d = nodes
    pusher.path.write_text(text(a, b))
    first, second = listing(a, b, c), listing(a, b, d)
    seen = calls(pusher, **first)
    for where, then in (
        ("flock .", text(a, b, d)),
        ("write .topology.yml.*.tmp", text(a, b, d)),
        ("rename .topology.yml.*.tmp topology.yml", text(a, b, c)),
    ):
        pusher.path.write_text(text(a, b))
        with pusher.held(Moment(seen.index(where), AFTER), **first) as held, other.held(Moment(1, AFTER), **second) as waiting:
            assert held.kill().killed
            result = waiting.go()
        # A completed write stays: the entry of the killed push must not be dropped without a request.
        assert ("failed" in result) == (then == text(a, b, c)), result
        assert whole(pusher) == then


def test_pushes_that_begin_together_end_as_if_one_had_come_after_the_other(pusher: Pusher, other: Pusher, nodes: list[Node]) -> None:
    a, b, c, d = nodes
    one, two = listing(a, b, c), listing(a, b, d)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            pusher.path.write_text(text(a, b))
            pushes = [pool.submit(pusher.push, **one), pool.submit(other.push, **two)]
            results = [push.result() for push in pushes]
            # The second push would drop the node of the first push, which its `remove` does not list.
            [refused] = [result for result in results if "failed" in result]
            assert "refusing to drop " in refused["msg"], refused
            assert whole(pusher) == (text(a, b, d) if refused is results[0] else text(a, b, c))
