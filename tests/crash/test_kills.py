# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a push before and after each of its system calls on the topology's directory, and in the middle of each write."""

from __future__ import annotations

import fcntl
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, ordered
from ansible_collections.skywalking.banyandb.tests.unit.following import Network

from .pusher import Pusher
from .tracer import AFTER, BEFORE, HALF, Moment

# Owner of the old file. The tests check that a push keeps it.
OWNER, GROUP = 4321, 5432
LEFT = (".topology.yml.0123456789abcdef.tmp", ".topology.yml.fedcba9876543210.tmp")

# The order in every push that replaces the file. Other calls may come between.
LOCK = ["openat .", "flock ."]
REPLACE = [
    "openat .topology.yml.*.tmp",
    "write .topology.yml.*.tmp",
    "fchown .topology.yml.*.tmp",
    "fchmod .topology.yml.*.tmp",
    "fsync .topology.yml.*.tmp",
    "rename .topology.yml.*.tmp topology.yml",
    "openat .",
    "fsync .",
]
BACK_UP = [f"{call.split()[0]} .topology.yml.*.bak.*.tmp" for call in REPLACE[:5]]
BACK_UP += ["rename .topology.yml.*.bak.*.tmp topology.yml.*.bak", "openat .", "fsync ."]


@dataclass(frozen=True)
class File:
    """The file at the path."""

    text: str
    mode: int = 0o644
    uid: int = OWNER
    gid: int = GROUP


@dataclass
class Change:
    """A push: the file after each number of renames (None: no file), its arguments, its calls in order."""

    files: list[File | None]
    arguments: dict[str, Any]
    calls: list[str]
    leftovers: tuple[str, ...] = ()
    kept: list[str] = field(default_factory=list)
    """Texts of the backups of this push."""


class Nodes:
    """Nodes a, b and c, which respond; d, which does not; and nodes with long names: the file is larger than any buffer."""

    def __init__(self, network: Network) -> None:
        self.a, self.b, self.c, self.d = (network.node(name) for name in "abcd")
        network.silence(self.d)
        self.many = [Node(letter * 20_000, self.d.grpc_address.replace("127.0.0.1", f"127.1.0.{number}")) for number, letter in enumerate("xyz", 1)]


def entries(*nodes: Node) -> list[dict[str, Any]]:
    return [node.to_mapping() for node in nodes]


def text(*listed: Node, held_back: tuple[Node, ...] = ()) -> str:
    return Topology(ordered(listed), ordered(held_back)).render()


def first_file(n: Nodes) -> Change:
    return Change([None, File(text(n.a, n.b), uid=0, gid=0)], {"nodes": entries(n.a, n.b)}, LOCK + REPLACE)


def added(n: Nodes) -> Change:
    return Change([File(text(n.a, n.b)), File(text(n.a, n.b, n.c))], {"nodes": entries(n.a, n.b, n.c)}, LOCK + REPLACE)


def removed(n: Nodes) -> Change:
    return Change([File(text(n.a, n.b)), File(text(n.a))], {"nodes": entries(n.a), "remove": ["b"]}, LOCK + REPLACE)


def held_back(n: Nodes) -> Change:
    files: list[File | None] = [File(text(n.a, n.b)), File(text(n.a, n.b, held_back=(n.d,)))]
    return Change(files, {"nodes": entries(n.a, n.b, n.d)}, LOCK + REPLACE)


def backed_up(n: Nodes) -> Change:
    before = text(n.a, n.b)
    files: list[File | None] = [File(before), File(text(n.a, n.b, n.c))]
    return Change(files, {"nodes": entries(n.a, n.b, n.c), "backup": True}, LOCK + BACK_UP + REPLACE, kept=[before])


def other_mode_too(n: Nodes) -> Change:
    files: list[File | None] = [File(text(n.a)), File(text(n.a, n.b), mode=0o600, uid=0, gid=GROUP)]
    return Change(files, {"nodes": entries(n.a, n.b), "mode": "0600", "owner": "root"}, LOCK + REPLACE)


def large(n: Nodes) -> Change:
    files: list[File | None] = [File(text(n.a)), File(Topology((n.a, *n.many)).render())]
    return Change(files, {"nodes": entries(n.a, *n.many), "admit": "all"}, LOCK + REPLACE)


def after_killed_ones(n: Nodes) -> Change:
    calls = LOCK + ["unlink .topology.yml.*.tmp"] * len(LEFT) + REPLACE
    return Change([File(text(n.a)), File(text(n.a, n.b))], {"nodes": entries(n.a, n.b)}, calls, leftovers=LEFT)


CHANGES: list[Callable[[Nodes], Change]] = [
    first_file, added, removed, held_back, backed_up, other_mode_too, large, after_killed_ones,
]  # fmt: skip
KILLS = 200
"""Minimum number of kills in these tests."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Network() as network:
        yield Nodes(network)


@pytest.fixture(scope="module")
def kills() -> Counter[str]:
    """Pushes that SIGKILL ended, by change."""
    return Counter()


def put(pusher: Pusher, file: File | None, leftovers: tuple[str, ...] = ()) -> None:
    """Make the directory contain exactly this file and these leftovers."""
    for path in pusher.directory.iterdir():
        path.unlink()
    for name in leftovers:
        (pusher.directory / name).write_text("nodes:\n- {")
    if file:
        pusher.path.write_text(file.text)
        os.chown(pusher.path, file.uid, file.gid)
        pusher.path.chmod(file.mode)


def stands(pusher: Pusher) -> File | None:
    """Return the present file."""
    if not pusher.path.exists():
        return None
    status = pusher.path.lstat()
    assert stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return File(pusher.path.read_text(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def beside(pusher: Pusher) -> list[Path]:
    return sorted(path for path in pusher.directory.iterdir() if path != pusher.path)


def is_free(pusher: Pusher) -> bool:
    """Return whether no process holds the lock."""
    handle = os.open(pusher.directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def in_order(wanted: list[str], calls: list[str]) -> bool:
    rest = iter(calls)
    return all(call in rest for call in wanted)


def moments(calls: list[str]) -> list[Moment]:
    """Return the moments before and after each call, and in the middle of each write."""
    found = [Moment(number, when) for number in range(len(calls)) for when in (BEFORE, AFTER)]
    return found + [Moment(number, HALF) for number, call in enumerate(calls) if call.startswith("write ")]


@pytest.mark.parametrize("make", CHANGES, ids=lambda make: make.__name__)
def test_a_killed_push_leaves_the_old_or_the_new_file_and_the_next_one_completes_it(
    make: Callable[[Nodes], Change], nodes: Nodes, pusher: Pusher, kills: Counter[str]
) -> None:
    change = make(nodes)
    put(pusher, change.files[0], change.leftovers)
    whole = pusher.traced(**change.arguments)
    assert in_order(change.calls, whole.calls), whole
    assert (whole.renames, stands(pusher)) == (1, change.files[-1])
    for moment in moments(whole.calls):
        put(pusher, change.files[0], change.leftovers)
        ended = pusher.killed(moment, **change.arguments)
        kills[make.__name__] += 1
        # The push died at the chosen moment: the result of the kill does not depend on luck.
        assert ended.calls == whole.calls[: moment.call + 1]
        assert stands(pusher) == change.files[ended.renames], moment
        assert is_free(pusher), moment
        result = pusher.push(**change.arguments)
        assert "failed" not in result, (moment, result)
        assert result["changed"] == (ended.renames == 0), (moment, result)
        assert stands(pusher) == change.files[-1], moment
        # No temporary file is left. A finished backup stays complete, and the next push may have made another backup.
        copies = beside(pusher)
        assert all(path.name.startswith("topology.yml.") and path.name.endswith(".bak") for path in copies), (moment, copies)
        assert {path.read_text() for path in copies} == set(change.kept), moment
        assert len(copies) <= 2 * len(change.kept), moment
    assert not pusher.push(**change.arguments)["changed"]


def test_a_push_killed_while_it_changes_the_mode_alone_never_touches_the_content(nodes: Nodes, pusher: Pusher, kills: Counter[str]) -> None:
    before, after = File(text(nodes.a)), File(text(nodes.a), mode=0o600, uid=0, gid=0)
    arguments: dict[str, Any] = {"nodes": entries(nodes.a), "mode": "0600", "owner": "root", "group": "root"}
    put(pusher, before)
    whole = pusher.traced(**arguments)
    assert in_order([*LOCK, "openat topology.yml", "fchown topology.yml", "fchmod topology.yml"], whole.calls), whole
    assert (whole.renames, stands(pusher)) == (0, after)
    for moment in moments(whole.calls):
        put(pusher, before)
        inode = pusher.path.stat().st_ino
        pusher.killed(moment, **arguments)
        kills["mode alone"] += 1
        assert pusher.path.read_text() == before.text
        assert is_free(pusher), moment
        assert "failed" not in pusher.push(**arguments)
        assert (stands(pusher), pusher.path.stat().st_ino, beside(pusher)) == (after, inode, []), moment


def test_the_pushes_above_were_killed_often_enough(kills: Counter[str]) -> None:
    assert set(kills) == {make.__name__ for make in CHANGES} | {"mode alone"}, "run this file as a whole"
    assert kills.total() >= KILLS, kills
