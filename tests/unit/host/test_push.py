# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A push against real files, real addresses, and a server that follows the file like the real server."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk import whole_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import (
    NotDurable,
    TopologyFileError,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import push_decision, push_writes
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push import proved_already, push
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Outcome, Proof, PushFailed, Request
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_report import result_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.schema_keys import LONGEST_REASON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT_ALL, ADMIT_START, STAGE, Move, PlanRefused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, TopologyError, ordered
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View
from ansible_collections.skywalking.banyandb.tests.unit.following import Network, Server

SELF = ExpectedNode("self", "", DATA)


@dataclass
class Host:
    """One host: its topology file, its server, and the nodes around it."""

    path: Path
    network: Network
    server: Server

    def nodes(self, names: str) -> list[Node]:
        return [self.network.node(name) for name in names]

    def runs_with(self, *nodes: Node, held_back: Sequence[Node] = ()) -> None:
        """Write the file and make the server read it."""
        self.path.write_text(Topology(ordered(nodes), ordered(held_back)).render())
        self.server.ask()
        self.server.load()
        self.server._due = None
        self.server.texts.clear()

    def request(self, nodes: Sequence[Node], *, timeout: float | None = 5.0, **options: Any) -> Request:
        """Return a request. ``timeout`` None: without a proof. The expected identity of a node is its reported identity, if it reports one."""
        said = self.network.identities
        expected = {}
        for node in nodes:
            identity = said.get(node.grpc_address)
            labels = identity.labels if identity else None
            expected[node.name] = ExpectedNode(node.name, identity.node_name if identity else node.grpc_address, DATA, labels=labels)
        proof = None if timeout is None else Proof(SELF, self.server.ask, timeout)
        ownership = options.pop("ownership", Ownership(None, None, 0o644))
        options = {"reach_timeout": 1.0, "lock_timeout": 2.0, "proof": proof, **options}
        return Request(str(self.path), nodes, expected, ownership, **options)

    def push(self, *nodes: Node, **options: Any) -> Outcome:
        return push(self.request(nodes, **options))

    def shows(self) -> set[str]:
        view = self.server.ask()
        assert isinstance(view, View)
        return set(view.registered_names())

    def file(self) -> tuple[bytes, os.stat_result]:
        return self.path.read_bytes(), self.path.stat()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(push_writes, "BETWEEN_WRITES_SECONDS", 0.1)
    monkeypatch.setattr(push_writes, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(push_writes, "SETTLE_SECONDS", 0.0)
    with Network() as network:
        path = tmp_path / "topology.yml"
        yield Host(path, network, Server(path, network))


def unchanged(host: Host, before: tuple[bytes, os.stat_result]) -> bool:
    content, status = host.file()
    same = (status.st_ino, status.st_ctime_ns) == (before[1].st_ino, before[1].st_ctime_ns)
    return same and content == before[0] and os.listdir(host.path.parent) == [host.path.name]


# What is proved


def test_a_first_file_is_written_and_proved(host: Host) -> None:
    a, b = host.nodes("ab")
    outcome = host.push(b, a)
    assert (outcome.changed, outcome.writes, outcome.proved, outcome.verdict) == (True, 1, True, "converged")
    assert outcome.plan.added == ("a", "b")
    assert host.path.read_text() == outcome.after == Topology((a, b)).render()
    assert host.shows() == {a.grpc_address, b.grpc_address}
    assert outcome.reload_seconds is not None and outcome.reload_seconds >= 0.05


def test_a_push_that_changes_nothing_writes_nothing_and_proves_the_view(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    before = host.file()
    outcome = host.push(a, b)
    assert (outcome.changed, outcome.writes, outcome.proved, outcome.reload_seconds) == (False, 0, True, None)
    assert outcome.verdict == "converged"
    assert unchanged(host, before)


def test_an_unchanged_file_is_no_proof_when_the_view_differs(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.server._table.pop(b.grpc_address)
    says = r"is right, but for .* s b is missing in property, expected registered\. "
    with pytest.raises(PushFailed, match=says) as failed:
        host.push(a, b, timeout=0.2)
    assert (failed.value.outcome.writes, failed.value.outcome.changed, failed.value.outcome.proved) == (0, False, False)


def already(host: Host, *nodes: Node, **options: Any) -> Outcome | None:
    return proved_already(host.request(nodes, check=True, **options))


def test_an_unchanged_file_and_a_right_view_are_proved_without_a_push_and_with_the_same_result(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    before = host.file()
    found = already(host, a, b)
    assert found is not None and (found.proved, found.changed, found.verdict) == (True, False, "converged")
    assert result_of(found, changed=False) == result_of(host.push(a, b), changed=False)
    assert unchanged(host, before)


def test_a_listed_node_that_does_not_respond_is_proved_as_a_push_proves_it(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.network.silence(b)
    host.server.ask()
    found = already(host, a, b)
    assert found is not None and found.verdict == "unknown" and result_of(found, changed=False) == result_of(host.push(a, b), changed=False)


def test_whatever_a_push_would_change_repair_or_refuse_is_not_proved_already(host: Host) -> None:
    a, b = host.nodes("ab")
    assert already(host, a, b) is None, "there is no file"
    host.runs_with(a, b)
    before = host.file()
    assert already(host, a, b, ownership=Ownership(None, None, 0o600)) is None, "the permissions change"
    assert already(host, a, b, host.network.node("c")) is None, "a node joins"
    assert already(host, a) is None, "a push refuses to drop b"
    assert already(host, a, remove=["b"]) is None, "b leaves"
    assert already(host, a, b, refresh=["b"]) is None
    assert already(host, a, b, timeout=None) is None, "nothing asks the server"
    assert already(host, a, b, proof=Proof(SELF, lambda: Failure("refused", "no"), 5.0)) is None
    left = host.path.parent / f".{host.path.name}.{'0' * 16}.tmp"
    left.write_text("")
    assert already(host, a, b) is None, "a killed push left a file"
    left.unlink()
    host.server._table.pop(b.grpc_address)
    assert already(host, a, b) is None, "the view is wrong"
    assert unchanged(host, before)


def test_without_proof_the_file_is_written_and_nothing_is_claimed(host: Host) -> None:
    a, b = host.nodes("ab")
    outcome = host.push(a, b, timeout=None)
    assert (outcome.changed, outcome.writes, outcome.proved, outcome.verdict, outcome.view) == (True, 1, False, "unknown", None)
    assert host.server.asked == 0


def test_a_reload_that_does_not_come_fails_and_says_what_differs(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    host.server.delay = None
    with pytest.raises(PushFailed, match=r"was written, but for .* s b is missing in property") as failed:
        host.push(a, b, timeout=0.3)
    outcome = failed.value.outcome
    assert (outcome.writes, outcome.proved, outcome.verdict) == (1, False, "converging")
    assert [(pair.subject, pair.seen) for pair in outcome.pairs] == [("b", "missing")]
    assert host.path.read_text() == outcome.after == Topology((a, b)).render()


def test_a_server_that_does_not_show_its_view_gets_no_file(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    before = host.file()
    host.server.failure = Failure("refused", "127.0.0.1:17913: connection refused")
    with pytest.raises(PushFailed, match="nothing was written .refused: ") as failed:
        host.push(a, b)
    assert failed.value.outcome.writes == 0
    assert unchanged(host, before)


def test_a_server_that_falls_silent_after_the_write_is_not_taken_for_fine(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    request = host.request([a, b], timeout=0.3)
    answers = itertools.chain([host.server.ask()], itertools.repeat(Failure("timeout", "no answer")))
    assert request.proof is not None
    request = request._replace(proof=request.proof._replace(ask=lambda: next(answers)))
    with pytest.raises(PushFailed, match=r"was written, but for .* s the server shows no view \(timeout: no answer\)") as failed:
        push(request)
    assert failed.value.outcome.writes == 1


def test_a_slow_reload_is_proved_and_said_to_come_from_the_poll(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    monkeypatch.setattr(push_writes, "WATCH_SECONDS", 0.1)
    host.server.delay = 0.3
    outcome = host.push(a, b)
    assert outcome.proved and outcome.reload_seconds is not None and outcome.reload_seconds >= 0.3
    assert len(outcome.warnings) == 1 and "no longer watches" in outcome.warnings[0]


def test_a_lost_watch_is_said_once_a_push(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    monkeypatch.setattr(push_writes, "WATCH_SECONDS", 0.1)
    host.server.delay = 0.3
    outcome = host.push(a, b, refresh=["b"])
    assert (outcome.writes, len(outcome.warnings)) == (2, 1)


def test_silent_entries_account_for_a_slow_reload(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a, c)
    host.network.silence(c)
    monkeypatch.setattr(push_writes, "WATCH_SECONDS", 0.1)
    host.server.delay = 0.3
    outcome = host.push(a, b, c)
    assert outcome.proved and outcome.warnings == []


# Nodes that are not responding


def test_a_new_node_that_is_not_responding_is_held_back_and_admitted_later(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a, b)
    host.network.silence(c)
    outcome = host.push(a, b, c)
    assert (outcome.plan.held_back, outcome.plan.added, outcome.proved, outcome.verdict) == (("c",), (), True, "unknown")
    assert topology_file.read(str(host.path)) == (Topology((a, b), (c,)), outcome.after)
    back = host.network.node("c")
    outcome = host.push(a, b, back)
    assert (outcome.plan.added, outcome.writes, outcome.proved, outcome.verdict) == (("c",), 1, True, "converged")
    assert host.server.lists[-1] == ["a", "b", "c"]


def test_a_known_node_that_is_unreachable_stays_listed_last_and_the_verdict_is_unknown(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.network.silence(a)
    outcome = host.push(a, b)
    assert (outcome.plan.away, outcome.proved, outcome.verdict) == (("a",), True, "unknown")
    assert topology_file.read(str(host.path)) == (Topology((b, a)), outcome.after)


def test_a_start_needs_no_server_and_lists_only_what_answers(host: Host) -> None:
    a, b = host.nodes("ab")
    host.network.silence(b)
    outcome = host.push(a, b, timeout=None, admit=ADMIT_START)
    assert outcome.plan.held_back == ("b",)
    assert topology_file.read(str(host.path)) == (Topology((a,), (b,)), outcome.after)


def test_a_start_may_hold_back_one_that_still_answers(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    outcome = host.push(a, b, timeout=None, admit=ADMIT_START, silent=["b"])
    assert outcome.plan.held_back == ("b",)
    assert topology_file.read(str(host.path)) == (Topology((a,), (b,)), outcome.after)


def test_a_start_with_a_file_that_was_not_read_replaces_any_list(host: Host) -> None:
    a, b, gone = host.nodes("abc")
    host.path.write_text(Topology((a, host.network.node("b"), gone)).render())
    with pytest.raises(PlanRefused, match=r"refusing to drop c, which is not"):
        host.push(a, b, timeout=None, admit=ADMIT_START)
    outcome = host.push(a, b, timeout=None, admit=ADMIT_START, unread=True)
    assert (outcome.changed, outcome.writes) == (True, 1)
    assert topology_file.read(str(host.path)) == (Topology((a, b)), outcome.after)


def test_check_mode_foresees_the_push_after_a_start_with_a_file_that_was_not_read(host: Host) -> None:
    a, b, gone = host.nodes("abc")
    for listed in ((a, b), (a, gone)):
        host.runs_with(*listed)
        before = host.file()
        outcome = host.push(a, b, check=True, unread=True)
        assert (outcome.changed, outcome.writes, outcome.plan.added, outcome.plan.removed) == (True, 1, ("a", "b"), ())
        assert unchanged(host, before)


# Staged changes


def test_a_new_address_takes_two_writes_and_the_node_never_gets_lost(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    moved = host.network.node("b")
    outcome = host.push(a, moved, readdress=STAGE)
    assert host.server.lists == [["a"], ["a", "b"]]
    assert outcome.plan.readdressed == (Move("b", b.grpc_address, moved.grpc_address),)
    assert (outcome.writes, outcome.proved) == (2, True)
    assert host.shows() == {a.grpc_address, moved.grpc_address}


def test_the_same_in_one_write_would_lose_the_node(host: Host) -> None:
    """The trap that staged changes avoid. The test also shows that the server of these tests has the trap."""
    a = host.network.node("a")
    b = host.network.node("b", node_name="b:17912")
    host.runs_with(a, b)
    moved = host.network.node("b", node_name="b:17912")
    host.path.write_text(Topology((a, moved)).render())
    host.server.load()
    assert host.shows() == {a.grpc_address}


@pytest.mark.parametrize("batch", [1, 2])
def test_nodes_that_keep_their_names_move_to_new_addresses(host: Host, batch: int) -> None:
    """While the first node is out, the others are still listed under old addresses, which are not their names."""
    old = [host.network.node(name, node_name=f"{name}:17912") for name in "abc"]
    host.runs_with(*old)
    new = [host.network.node(name, node_name=f"{name}:17912") for name in "abc"]
    outcome = host.push(*new, readdress=STAGE, batch=batch)
    assert (outcome.proved, outcome.writes) == (True, 2 * -(-3 // batch))
    assert min(len(names) for names in host.server.lists) == 3 - batch
    assert host.shows() == {"a:17912", "b:17912", "c:17912"}


def test_nodes_move_whose_old_names_are_unknown(host: Host) -> None:
    old = [host.network.node(name, node_name=f"old-{name}:17912") for name in "abc"]
    host.runs_with(*old)
    new = [host.network.node(name, node_name=f"new-{name}:17912") for name in "abc"]
    outcome = host.push(*new, readdress=STAGE)
    assert outcome.proved
    assert host.shows() == {"new-a:17912", "new-b:17912", "new-c:17912"}


def test_a_node_whose_new_address_is_not_responding_stays_under_its_old_one(host: Host) -> None:
    a, b = host.network.node("a"), host.network.node("b", node_name="b:17912")
    host.runs_with(a, b)
    moved = host.network.node("b", node_name="b:17912")
    host.network.silence(moved)
    outcome = host.push(a, moved, readdress=STAGE)
    assert (outcome.plan.held_back, outcome.writes, outcome.proved) == (("b",), 0, True)
    assert host.shows() == {a.grpc_address, "b:17912"}


def test_labels_that_changed_are_noticed_and_refreshed(host: Host) -> None:
    a, b = host.network.node("a"), host.network.node("b", zone="x")
    host.runs_with(a, b)
    host.network.relabel(b, zone="y")
    with pytest.raises(PushFailed, match="b is stale in property.*Refresh b on self"):
        host.push(a, b, timeout=0.2)
    outcome = host.push(a, b, refresh_stale=True)
    assert (outcome.plan.refreshed, outcome.writes, outcome.proved) == (("b",), 2, True)
    assert host.server.lists == [["a"], ["a", "b"]]
    assert host.push(a, b, refresh_stale=True).writes == 0


def test_what_is_changed_only_later_keeps_its_entry_and_its_view(host: Host) -> None:
    a, b, c = host.network.node("a"), host.network.node("b", zone="x"), host.network.node("c")
    host.runs_with(a, b, c)
    host.network.relabel(b, zone="y")
    moved = Node("c", host.network.node("c2").grpc_address)
    outcome = host.push(a, b, moved, refresh_stale=True, readdress=STAGE, as_listed=["b", "c"])
    assert (outcome.writes, outcome.proved, host.shows()) == (0, True, {node.grpc_address for node in (a, b, c)})
    outcome = host.push(a, b, moved, refresh_stale=True, readdress=STAGE, as_listed=["c"])
    assert (outcome.plan.refreshed, outcome.plan.readdressed, outcome.proved) == (("b",), (), True)
    outcome = host.push(a, b, moved, refresh_stale=True, readdress=STAGE)
    assert outcome.proved and len(outcome.plan.readdressed) == 1


def test_a_node_under_another_node_name_is_noticed_and_refreshed(host: Host) -> None:
    a, b = host.network.node("a"), host.network.node("b", node_name="old:17912")
    host.runs_with(a, b)
    host.network.relabel(b, node_name="new:17912")
    outcome = host.push(a, b, refresh_stale=True)
    assert (outcome.plan.refreshed, outcome.proved) == (("b",), True)
    assert host.shows() == {a.grpc_address, "new:17912"}


@pytest.mark.parametrize("batch", [1, 2])
def test_of_many_stale_nodes_each_may_stay_stale_until_its_wave(host: Host, batch: int) -> None:
    a, b, c = host.network.node("a"), host.network.node("b", zone="x"), host.network.node("c", node_name="old:17912")
    host.runs_with(a, b, c)
    host.network.relabel(b, zone="y")
    host.network.relabel(c, node_name="new:17912")
    outcome = host.push(a, b, c, refresh_stale=True, batch=batch)
    assert (outcome.plan.refreshed, outcome.writes, outcome.proved) == (("b", "c"), 4 // batch, True)
    assert host.shows() == {a.grpc_address, b.grpc_address, "new:17912"}


def test_a_node_is_added_beside_one_that_is_stale(host: Host) -> None:
    a, b, c = host.network.node("a"), host.network.node("b", zone="x"), host.network.node("c")
    host.runs_with(a, b)
    host.network.relabel(b, zone="y")
    outcome = host.push(a, b, c, refresh_stale=True)
    assert (outcome.plan.added, outcome.plan.refreshed, outcome.proved) == (("c",), ("b",), True)
    assert host.server.lists == [["a"], ["a", "b", "c"]]


def test_what_was_refreshed_may_not_be_stale_once_more(host: Host) -> None:
    """The push admits the first node while the second is stale. By then the first node has changed again."""
    a, b, c = host.network.node("a"), host.network.node("b", zone="x"), host.network.node("c", zone="x")
    host.runs_with(a, b, c)
    host.network.relabel(b, zone="y")
    host.network.relabel(c, zone="y")
    request = host.request([a, b, c], refresh_stale=True, timeout=0.5)
    host.network.relabel(b, zone="z")
    with pytest.raises(PushFailed, match="b is stale in property"):
        push(request)


def test_a_named_refresh_drops_and_admits_again(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    outcome = host.push(a, b, refresh=["a"])
    assert (host.server.lists, outcome.plan.refreshed) == ([["b"], ["a", "b"]], ("a",))


def test_a_stale_node_that_is_not_refreshed_leaves_no_node_out(host: Host) -> None:
    """The push fails after all of its writes."""
    a, b = host.network.node("a"), host.network.node("b", zone="x")
    host.runs_with(a, b)
    host.network.relabel(b, zone="y")
    with pytest.raises(PushFailed, match="b is stale in property") as failed:
        host.push(a, b, refresh=["a"], timeout=0.5)
    assert (failed.value.outcome.writes, host.server.lists) == (2, [["b"], ["a", "b"]])
    assert topology_file.read(str(host.path)) == (Topology((a, b)), host.path.read_text())


def test_a_removal_beside_an_addition_is_two_writes(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a, b)
    outcome = host.push(a, c, remove=["b"])
    assert host.server.lists == [["a"], ["a", "c"]]
    assert (outcome.plan.removed, outcome.plan.added, outcome.proved) == (("b",), ("c",), True)
    assert host.shows() == {a.grpc_address, c.grpc_address}


def test_writes_are_apart_even_when_the_view_is_right_at_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a time-out below the pause between writes: the time-out is for wrong views."""
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.server.delay = 0.0
    monkeypatch.setattr(push_writes, "BETWEEN_WRITES_SECONDS", 0.5)
    written: list[float] = []
    real = topology_file.write
    monkeypatch.setattr(topology_file, "write", lambda *given: (real(*given), written.append(push_writes.time.monotonic())))
    assert host.push(a, b, refresh=["b"], timeout=0.2).proved
    assert written[1] - written[0] >= 0.5


def test_a_staged_change_without_proof_is_refused(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    before = host.file()
    with pytest.raises(PlanRefused, match="two writes.* Set prove"):
        host.push(a, b, timeout=None, refresh=["b"])
    assert unchanged(host, before)


def test_a_drop_that_is_not_seen_stops_the_push_with_the_entry_held_back(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.server.delay = None
    says = "was written, but .* the server still shows .* in property. .*Entries are left out"
    with pytest.raises(PushFailed, match=says) as failed:
        host.push(a, b, refresh=["b"], timeout=0.3)
    assert failed.value.outcome.writes == 1
    assert topology_file.read(str(host.path)) == (Topology((a,), (b,)), host.path.read_text())


def test_after_such_a_stop_nothing_is_added_before_the_server_has_read_the_drop(host: Host) -> None:
    """With a later write, the server's next poll would see only a changed address, and lose the node after the proof."""
    a, b = host.network.node("a"), host.network.node("b", node_name="b:17912")
    moved = host.network.node("b", node_name="b:17912")
    host.runs_with(a, b)
    host.server.delay = None
    with pytest.raises(PushFailed):
        host.push(a, moved, readdress=STAGE, timeout=0.3)
    before = host.file()
    with pytest.raises(PushFailed, match="not read by the server for .* s, it still shows b:17912") as failed:
        host.push(a, moved, readdress=STAGE, timeout=0.3)
    assert failed.value.outcome.writes == 0
    assert unchanged(host, before)
    host.server.load()
    host.server.delay = 0.05
    assert host.push(a, moved, readdress=STAGE).proved
    assert host.shows() == {a.grpc_address, "b:17912"}


def test_a_drop_that_is_read_late_is_waited_for(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    host.server.delay = 0.4
    host.path.write_text(Topology((a,), (b,)).render())
    assert host.push(a, b).proved
    assert host.server.lists == [["a"], ["a", "b"]]


class Forgetful:
    """A liaison with an old, broken connection to node b: it uses b only after b was listed, dropped and listed again."""

    def __init__(self, host: Host, *nodes: Node) -> None:
        self.host, self.nodes = host, nodes
        self.listings: list[list[str]] = []

    def ask(self) -> View:
        listed = [node.name for node in topology_file.read(str(self.host.path))[0].listed]  # type: ignore[index]
        if not self.listings or self.listings[-1] != listed:
            self.listings.append(listed)
        seen = tuple(Identity(node.grpc_address) for node in self.nodes if node.name in listed)
        fresh = sum("b" in names for names in self.listings) > 1
        used = tuple(node.grpc_address for node in self.nodes if node.name in listed and (node.name != "b" or fresh))
        return View({"tire2": RouteTable(seen, used, tuple(each.node_name for each in seen if each.node_name not in used))})


def test_a_new_entry_that_is_not_used_is_dropped_and_added_once_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_writes, "LEFT_OVER_SECONDS", 0.1)
    a, b = host.nodes("ab")
    host.runs_with(a)
    liaison = Forgetful(host, a, b)
    outcome = host.push(a, b, proof=Proof(ExpectedNode("self", "", "liaison"), liaison.ask, 5.0))
    assert liaison.listings == [["a"], ["a", "b"], ["a"], ["a", "b"]]
    assert (outcome.proved, outcome.pairs, outcome.plan.added, outcome.plan.refreshed) == (True, [], ("b",), ("b",))
    assert "dropped and added the entry again" in outcome.warnings[0]


# Check mode


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ("none", {}),
        ("add", {}),
        ("add held back", {}),
        ("remove", {"remove": ["c"]}),
        ("readdress", {"readdress": STAGE}),
        ("rename", {}),
        ("relabel", {"refresh_stale": True}),
        ("refresh", {"refresh": ["a"], "batch": 2}),
        ("foreign", {}),
        ("no file", {}),
        ("mode", {}),
        ("admit all", {"admit": ADMIT_ALL}),
    ],
)
def test_check_mode_writes_nothing_and_predicts_what_the_push_then_does(host: Host, change: str, options: dict[str, Any]) -> None:
    a, b, c, d = host.nodes("abcd")
    host.runs_with(a, b, c)
    desired = {
        "add": [a, b, c, d],
        "add held back": [a, b, c, d],
        "admit all": [a, b, c, d],
        "remove": [a, b],
        "rename": [a, b, Node("x", c.grpc_address)],
    }.get(change, [a, b, c])
    if change in ("add held back", "admit all"):
        host.network.silence(d)
    if change == "readdress":
        desired = [a, b, host.network.node("c")]
    if change == "relabel":
        host.network.relabel(b, zone="new")
    if change == "foreign":
        host.path.write_text("nodes:\n" + "".join(f"  - {{name: {n.name}, grpc_address: '{n.grpc_address}'}}\n" for n in (a, b, c)))
    if change == "no file":
        host.path.unlink()
    if change == "mode":
        host.path.chmod(0o600)
    before = host.file() if host.path.exists() else None
    foreseen = host.push(*desired, check=True, **options)
    assert unchanged(host, before) if before else not host.path.exists()
    assert not foreseen.proved
    done = host.push(*desired, **options)
    assert done.proved
    for fact in ("plan", "before", "after", "changed", "writes", "warnings"):
        assert getattr(foreseen, fact) == getattr(done, fact), fact
    assert done.changed == (change != "none")
    assert done.after == host.path.read_text()


def test_check_mode_does_not_call_a_view_converged_that_lacks_a_node(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    outcome = host.push(a, b, check=True)
    assert (outcome.verdict, [pair.subject for pair in outcome.pairs]) == ("converging", ["b"])


def test_check_mode_on_a_new_host_predicts_the_first_file(host: Host) -> None:
    a, b = host.nodes("ab")
    host.path = host.path.parent / "missing" / "topology.yml"
    host.server.failure = Failure("refused", "nothing listens")
    outcome = host.push(a, b, check=True)
    assert (outcome.changed, outcome.writes, outcome.plan.added, outcome.verdict) == (True, 1, ("a", "b"), "unknown")
    assert len(outcome.warnings) == 1
    with pytest.raises(TopologyFileError, match="needs an existing directory"):
        host.push(a, b)


# The file: owner, mode, backup, errors in the middle


def test_owner_and_group_stay_unless_others_are_asked_for(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a)
    os.chown(host.path, 4321, 4322)
    host.push(a, b)
    assert (host.path.stat().st_uid, host.path.stat().st_gid) == (4321, 4322)
    host.push(a, b, c, ownership=Ownership(None, 4323, 0o640))
    status = host.path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (4321, 4323, 0o640)


def test_a_changed_mode_alone_rewrites_nothing(host: Host) -> None:
    a = host.network.node("a")
    host.runs_with(a)
    inode = host.path.stat().st_ino
    outcome = host.push(a, ownership=Ownership(1234, None, 0o600))
    status = host.path.stat()
    assert (outcome.changed, outcome.writes) == (True, 0)
    assert (status.st_ino, status.st_uid, status.st_mode & 0o777) == (inode, 1234, 0o600)


def test_a_backup_is_made_once_a_push_and_only_of_what_changes(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    before = host.path.read_text()
    assert host.push(a, b, backup=True).backup_file == ""
    outcome = host.push(a, b, refresh=["b"], backup=True)
    assert Path(outcome.backup_file).read_text() == before
    assert sorted(os.listdir(host.path.parent)) == sorted([host.path.name, Path(outcome.backup_file).name])


def test_a_second_write_that_fails_says_that_the_first_was_done(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    real = topology_file.write
    given: list[str] = []

    def full_at_the_second(path: str, text: str, wanted: Ownership) -> None:
        given.append(text)
        if len(given) == 2:
            raise TopologyFileError(f"{path}: not written: No space left on device", "Repair the disk.")
        real(path, text, wanted)

    monkeypatch.setattr(topology_file, "write", full_at_the_second)
    with pytest.raises(PushFailed, match="No space left on device after write 1 of this push.*Run topology again") as failed:
        host.push(a, b, refresh=["b"])
    assert (failed.value.outcome.writes, failed.value.outcome.proved) == (1, False)
    assert host.path.read_text() == given[0]


def test_a_first_write_that_fails_changed_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    before = host.file()

    def full(path: str, text: str, wanted: Ownership) -> None:
        raise TopologyFileError("full", "Free some space.")

    monkeypatch.setattr(topology_file, "write", full)
    with pytest.raises(TopologyFileError, match="full"):
        host.push(a, b)
    assert unchanged(host, before)


def test_a_write_that_may_not_last_counts_as_a_write(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    a = host.network.node("a")

    def lost(directory: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(whole_files, "sync", lost)
    with pytest.raises(PushFailed, match="may not outlast a power cut: Input/output error") as failed:
        host.push(a)
    assert failed.value.outcome.writes == 1
    assert issubclass(NotDurable, TopologyFileError)


def test_what_a_killed_push_left_is_cleared_away(host: Host) -> None:
    a = host.network.node("a")
    host.runs_with(a)
    leftover = host.path.with_name(".topology.yml.0123456789abcdef.tmp")
    leftover.write_text("half")
    host.push(a, check=True)
    assert leftover.exists()
    host.push(a)
    assert not leftover.exists()


def test_pushes_to_one_file_wait_for_each_other(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a)
    failures: list[BaseException] = []

    def add(*nodes: Node) -> None:
        try:
            push(host.request(nodes, timeout=None, lock_timeout=20.0))
        except PlanRefused as error:
            failures.append(error)

    with topology_file.locked(str(host.path), 1.0):
        threads = [threading.Thread(target=add, args=nodes) for nodes in ((a, b), (a, b, c))]
        for thread in threads:
            thread.start()
        with pytest.raises(TopologyFileError, match=rf"another push \(process {os.getpid()}\) has held it for 0.3 s"):
            host.push(a, b, timeout=None, lock_timeout=0.3)
    for thread in threads:
        thread.join()
    # In any order: a shorter list that comes second is refused, so no node is lost.
    found = topology_file.read(str(host.path))
    assert found is not None and found[0] == Topology(ordered([a, b, c]))
    assert all("refusing to drop c," in str(error) for error in failures)


# Refusals: nothing changed


def tls(node: Node, path: Path) -> Node:
    return Node(node.name, node.grpc_address, True, str(path))


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("empty", "list of nodes is empty"),
        ("shrunken", "refusing to drop b, which is not"),
        ("two names", "name 'a' is listed twice"),
        ("two addresses", "address '127.* is listed twice"),
        ("readdress", "refusing to change the address of b. .*readdress: stage"),
        ("wanted and removed", "a: in nodes and in remove"),
        ("nobody answers", "no node responds"),
        ("CA is a directory", "ca_cert_path .* Copy the CA there"),
        ("CA is no certificate", "holds no certificate in PEM form"),
        ("a directory", "not a regular file"),
        ("a link", "symbolic link"),
        ("not a topology", "is not a topology"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_what_would_harm_is_refused_and_nothing_changes(host: Host, case: str, says: str, check: bool) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a, b)
    elsewhere = host.path.parent.parent / f"elsewhere-{host.path.parent.name}"
    elsewhere.mkdir()
    (elsewhere / "text").write_text("text")
    desired: list[Node] = {
        "empty": [],
        "shrunken": [a],
        "two names": [a, b, Node("a", c.grpc_address)],
        "two addresses": [a, b, Node("c", a.grpc_address)],
        "readdress": [a, Node("b", c.grpc_address)],
        "CA is a directory": [a, tls(b, elsewhere)],
        "CA is no certificate": [a, tls(b, elsewhere / "text")],
    }.get(case, [a, b])
    if case == "nobody answers":
        host.path.write_text(Topology((), (a, b)).render())
        host.network.silence(a)
        host.network.silence(b)
    if case == "a directory":
        host.path.unlink()
        host.path.mkdir()
    if case == "a link":
        host.path.rename(elsewhere / "real.yml")
        host.path.symlink_to(elsewhere / "real.yml")
    if case == "not a topology":
        host.path.write_text("- a\n- b\n")
    before = host.path.lstat()
    with pytest.raises((TopologyError, TopologyFileError), match=says):
        host.push(*desired, remove=["a"] if case == "wanted and removed" else [], check=check)
    after = host.path.lstat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert os.listdir(host.path.parent) == [host.path.name]
    assert host.server.lists == []

@pytest.mark.parametrize("serves_tls", [True, False, None])
def test_a_server_with_another_value_of_tls_than_its_entry_refuses_the_push(host: Host, serves_tls: bool | None) -> None:
    """The other servers would ask it in the wrong way at their next start."""
    own, other = host.nodes("ab")
    host.runs_with(own, other)
    before = host.file()
    proof = Proof(ExpectedNode(own.name, "", DATA), host.server.ask, 5.0, serves_tls=serves_tls)
    request = host.request([own, other], proof=proof)
    if not serves_tls:
        assert push(request).proved and proved_already(request._replace(check=True))
        return
    with pytest.raises(PlanRefused, match="node 'a': expected tls_enabled false, but its server runs with TLS. Run skywalking.banyandb.deploy"):
        push(request)
    assert proved_already(request._replace(check=True)) is None
    assert push(request._replace(check=True)).verdict == "converged", "a deployment may only have predicted the restart"
    assert unchanged(host, before)



def test_a_missing_ca_is_refused_but_not_in_check_mode_where_an_earlier_task_has_only_predicted_it(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    wanted = [a, tls(b, host.path.parent.parent / "missing.pem")]
    with pytest.raises(TopologyError, match="ca_cert_path .*missing.pem does not exist on this host. Copy the CA there"):
        host.push(*wanted)
    assert host.push(*wanted, check=True).plan.held_back == ("b",)


# A data node that lacks the schema


def lacking(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "not added")


def never_asked(_nodes: Sequence[Node]) -> dict[str, str]:
    raise AssertionError("asked")


def with_schema(host: Host, nodes: Sequence[Node], without: Any, **options: Any) -> Request:
    request = host.request(nodes, **options)
    assert request.proof
    return request._replace(proof=request.proof._replace(without_schema=without))


def test_only_data_nodes_that_arrive_and_respond_are_asked_for_the_schema(host: Host) -> None:
    a, b, c = host.nodes("abc")
    request = host.request([a, b, c, Node("silent", "127.0.0.1:1")])
    request = request._replace(expected={**request.expected, "c": request.expected["c"]._replace(role=LIAISON)})
    assert push_decision._arriving(request, Topology((a,)), {node.grpc_address for node in (a, b, c)}) == [b]


def test_a_push_without_an_arriving_node_does_not_wait(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a, b)
    push(with_schema(host, [a, b], never_asked))


def test_a_refused_push_does_not_wait(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a, b)
    with pytest.raises(PlanRefused, match="refusing to drop b"):
        push(with_schema(host, [a, c], never_asked))


def test_a_node_that_stops_during_the_wait_is_not_listed_as_responding(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)

    def stop(_nodes: Sequence[Node]) -> dict[str, str]:
        host.network.silence(b)
        return {}

    assert push(with_schema(host, [a, b], stop)).plan.held_back == ("b",)


def test_a_node_that_lacks_the_schema_is_held_back_the_rest_is_done_and_the_push_fails(host: Host) -> None:
    a, b, c, d = host.nodes("abcd")
    host.runs_with(a, b)
    with pytest.raises(PushFailed, match=r"^c: not added$") as failed:
        push(with_schema(host, [a, c, d], lambda _nodes: lacking("c"), remove=["b"]))
    outcome = failed.value.outcome
    assert (outcome.plan.added, outcome.plan.removed, outcome.plan.held_back, outcome.proved) == (("d",), ("b",), ("c",), True)
    assert host.shows() == {a.grpc_address, d.grpc_address}
    outcome = push(with_schema(host, [a, c, d], lambda _nodes: {}))
    assert outcome.plan.added == ("c",)


def test_two_nodes_that_lack_the_schema_are_one_message(host: Host) -> None:
    a, b, c = host.nodes("abc")
    host.runs_with(a)
    with pytest.raises(PushFailed, match=r"^b and 1 more: not added$"):
        push(with_schema(host, [a, b, c], lambda _nodes: lacking("b", "c")))


def test_with_hold_back_the_push_succeeds_and_warns(host: Host) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    outcome = push(with_schema(host, [a, b], lambda _nodes: lacking("b"))._replace(hold_back_unready=True))
    assert (outcome.plan.held_back, outcome.proved, outcome.warnings) == (("b",), True, ["b: not added"])


def test_the_message_has_200_characters_at_most(host: Host) -> None:
    a, b = host.nodes("ab")
    long = Node("n" * 200, b.grpc_address)
    host.runs_with(a)
    with pytest.raises(PushFailed) as failed:
        push(with_schema(host, [a, long], lambda _nodes: {long.name: "r" * LONGEST_REASON}))
    assert len(str(failed.value)) == 200


@pytest.mark.parametrize("options", [{"check": True}, {"admit": ADMIT_ALL}])
def test_check_mode_and_admit_all_do_not_wait_for_the_schema(host: Host, options: dict[str, Any]) -> None:
    a, b = host.nodes("ab")
    host.runs_with(a)
    assert push(with_schema(host, [a, b], never_asked, **options)).plan.added == ("b",)


@pytest.mark.parametrize("role", [DATA, LIAISON])
def test_a_liaison_starts_without_new_data_nodes(host: Host, role: str) -> None:
    a, b, self = host.nodes("abs")
    host.runs_with(a)
    request = host.request([a, b, self], timeout=None, admit=ADMIT_START, silent=["s"])
    request = request._replace(expected={**request.expected, "s": request.expected["s"]._replace(role=role)})
    assert push(request).plan.held_back == (("b", "s") if role == LIAISON else ("s",))


def test_a_liaison_whose_known_data_nodes_are_down_starts_with_new_ones(host: Host) -> None:
    b, self = host.nodes("bs")
    host.path.write_text(Topology((Node("a", "127.0.0.1:1"),)).render())
    request = host.request([Node("a", "127.0.0.1:1"), b, self], timeout=None, admit=ADMIT_START, silent=["s"])
    request = request._replace(expected={**request.expected, "s": request.expected["s"]._replace(role=LIAISON)})
    assert push(request).plan.added == ("b",)
