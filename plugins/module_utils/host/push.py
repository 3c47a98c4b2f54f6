# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One push of a topology to this host: plan, write, wait for the server's reload, prove its view.

Standard library only, Python 3.9+. What is decided is decided in ``model``; this file holds the order of the
side effects and the waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible_collections.skywalking.banyandb.plugins.module_utils.host import reach, topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.plan import (
    ADMIT_ANSWERING,
    REFUSE,
    Plan,
    PlanRefused,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology import Node, Topology
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import (
    CONVERGED,
    STALE,
    UNKNOWN,
    VERDICTS,
    ExpectedNode,
    Pair,
    View,
    differences,
    role_of,
)

POLL_SECONDS = 0.05
# Between a write without an entry and one with it (section 1 of the contract): the server settles 1 s after a
# rename before it reads, so a second write within that time would hide the first.
BETWEEN_WRITES_SECONDS = 2.0
# A reload by the file watch takes 1.01 s (section 1); one that took longer than this came from the poll.
WATCH_SECONDS = 5.0
SILENT_ENTRY_SECONDS = 5.0

Ask = Callable[[], "View | Failure"]


class PushFailed(Exception):
    """The push ended before it was proved. ``outcome`` is what had been done by then."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True)
class Proof:
    """What proves a push: the view that ``ask`` gets from the local server, as ``observer`` should see it."""

    observer: ExpectedNode
    ask: Ask
    timeout: float


@dataclass(frozen=True)
class Request:
    """All that a push is asked to do. Times in seconds."""

    path: str
    nodes: Sequence[Node]
    expected: dict[str, ExpectedNode]
    ownership: topology_file.Ownership
    remove: Sequence[str] = ()
    readdress: str = REFUSE
    refresh: Sequence[str] = ()
    refresh_stale: bool = False
    admit: str = ADMIT_ANSWERING
    batch: int = 1
    backup: bool = False
    proof: Proof | None = None
    check: bool = False
    lock_timeout: float = 60.0
    reach_timeout: float = 2.0


@dataclass
class Outcome:
    """What a push did, or in check mode would do. ``reload_seconds`` is that of the last write, or None."""

    plan: Plan = Plan((), Topology())
    before: str = ""
    after: str = ""
    changed: bool = False
    writes: int = 0
    proved: bool = False
    reload_seconds: float | None = None
    backup_file: str = ""
    view: View | None = None
    pairs: list[Pair] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Of this host's own view: the most severe of its findings; ``unknown`` where a listed entry is away."""
        if self.view is None:
            return UNKNOWN
        found = {pair.verdict for pair in self.pairs} | {UNKNOWN if self.plan.away else CONVERGED}
        return max(found, key=VERDICTS.index)


def push(request: Request) -> Outcome:
    """Carry out a push.

    Raises TopologyFileError, TopologyError (nothing changed), and PushFailed (the view did not come; the file
    is written as its outcome says).
    """
    _require_ca_files(request.nodes)
    outcome = Outcome()
    with topology_file.locked(request.path, request.lock_timeout):
        if not request.check:
            topology_file.remove_leftovers(request.path)
        found = topology_file.read(request.path)
        current, outcome.before = found or (Topology(), "")
        alive = reach.answering([*current.nodes, *request.nodes], request.reach_timeout)
        refresh = set(request.refresh)
        if request.proof:
            outcome.view = _view_before(request.proof, outcome)
            if request.refresh_stale:
                refresh |= _stale(request, current, outcome.view, alive)
        made = outcome.plan = plan(
            current,
            request.nodes,
            answering=alive,
            remove=request.remove,
            refresh=refresh,
            readdress=request.readdress,
            admit=request.admit,
            batch=request.batch,
        )
        outcome.after = made.final.render()
        steps = made.steps or (() if outcome.before == outcome.after else (made.final,))
        owned = found is not None and topology_file.ownership(request.path) == _kept(request)
        outcome.changed = bool(steps) or not owned
        if len(steps) > 1 and request.proof is None:
            raise PlanRefused(
                "this change takes two writes with the server's view between them (an entry is re-addressed, refreshed, or "
                "removed while another is added), so it needs prove"
            )
        if request.check:
            outcome.writes = len(steps)
            return outcome
        if request.backup and found is not None and steps:
            outcome.backup_file = topology_file.back_up(request.path)
        for step in steps:
            topology_file.write(request.path, step.render(), request.ownership)
            outcome.writes += 1
            if request.proof:
                _await_view(request, request.proof, step, alive, outcome, last=step is steps[-1])
        if not steps and not owned:
            topology_file.own(request.path, request.ownership)
        if not steps and request.proof:
            _await_view(request, request.proof, made.final, alive, outcome, last=True)
    return outcome


def _require_ca_files(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if node.tls_enabled and not os.path.isfile(node.ca_cert_path):
            raise PlanRefused(
                f"node {node.name!r}: ca_cert_path {node.ca_cert_path} does not exist on this host; put the CA there first"
            )


def _kept(request: Request) -> topology_file.Ownership:
    """The ownership asked for, with what is not asked for taken from the file."""
    now = topology_file.ownership(request.path)
    uid = now.uid if request.ownership.uid is None else request.ownership.uid
    gid = now.gid if request.ownership.gid is None else request.ownership.gid
    return topology_file.Ownership(uid, gid, request.ownership.mode)


def _view_before(proof: Proof, outcome: Outcome) -> View:
    answer = proof.ask()
    if isinstance(answer, Failure):
        raise PushFailed(
            f"the local server does not show its view ({answer.kind}: {answer.message}); nothing was written. "
            "Start it first, or push without prove for a server that is stopped",
            outcome,
        )
    return answer


def _expected(request: Request, topology: Topology) -> list[ExpectedNode]:
    """What the server should show of each listed entry. An entry that still stands under its old address is
    known by that address only."""
    wanted = {node.name: node for node in request.nodes}
    result = []
    for node in topology.listed:
        expected = request.expected.get(node.name)
        if expected is None or wanted[node.name].address_key != node.address_key:
            role = expected.role if expected else role_of(node)
            expected = ExpectedNode(node.name, node.grpc_address, role)
        result.append(expected)
    return result


def _stale(request: Request, current: Topology, view: View, alive: set[str]) -> set[str]:
    assert request.proof is not None
    names = {node.name for node in request.nodes}
    answering = {node.name for node in current.listed if node.address_key in alive}
    pairs = differences(request.proof.observer, view, _expected(request, current), answering)
    return {pair.subject for pair in pairs if pair.seen == STALE} & names


def _await_view(
    request: Request, proof: Proof, step: Topology, alive: set[str], outcome: Outcome, *, last: bool
) -> None:
    """Wait until the local server shows what ``step`` says, and at least as long as the next write must wait."""
    started = time.monotonic()
    expected = _expected(request, step)
    answering = {node.name for node in step.listed if node.address_key in alive}
    reached = {(proof.observer.name, name): True for name in answering}
    failure: Failure | None = None
    while True:
        answer = proof.ask()
        elapsed = time.monotonic() - started
        if isinstance(answer, Failure):
            failure = answer
        else:
            failure, outcome.view = None, answer
            outcome.pairs = differences(proof.observer, answer, expected, answering, reached, stood=elapsed)
            if not outcome.pairs and (last or elapsed >= BETWEEN_WRITES_SECONDS):
                break
        if elapsed >= proof.timeout:
            raise PushFailed(_unproved(request, outcome, failure, elapsed), outcome)
        time.sleep(POLL_SECONDS)
    outcome.proved = last
    if outcome.writes:
        outcome.reload_seconds = round(elapsed, 3)
        silent = sum(1 for node in step.listed if node.address_key not in alive)
        if elapsed > WATCH_SECONDS + silent * SILENT_ENTRY_SECONDS:
            outcome.warnings.append(
                f"{request.path}: the server took this change only after {elapsed:.1f} s: it has lost its watch on the file (somebody "
                "deleted or replaced it for a while) and now only polls it; a restart of the server brings the watch back"
            )


def _unproved(request: Request, outcome: Outcome, failure: Failure | None, elapsed: float) -> str:
    state = "was written, but" if outcome.writes else "is right, but"
    if failure:
        return f"{request.path} {state} for {elapsed:.0f} s the local server did not show its view ({failure.kind}: {failure.message})"
    seen = "; ".join(
        f"{pair.subject} is {pair.seen} in {pair.table}, expected {pair.expected}. {pair.remedy}" for pair in outcome.pairs
    )
    return f"{request.path} {state} after {elapsed:.0f} s the local server's own view differs: {seen}"
