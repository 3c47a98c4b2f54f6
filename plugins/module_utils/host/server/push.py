# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes a topology to this host: plans, writes, waits for the server's reload, and proves the server's cluster view.

Standard library only, Python 3.9+. ``model`` decides; this file has the order of the side effects and the waits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, ownership_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, fitted, listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, role_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import (
    ADMIT_ANSWERING,
    ADMIT_START,
    REFUSE,
    Plan,
    PlanRefused,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, TopologyError, canonical_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import EVICTABLE, View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import (
    CONVERGED,
    EXTRA,
    MISSING,
    STALE,
    UNKNOWN,
    VERDICTS,
    Pair,
    differences,
)

# Pause between two queries for the server's view. A query takes some milliseconds on the host and in the server. In a long wait, the pause is 2 % of
# the time waited.
POLL_SECONDS = 0.02
POLL_SHARE = 0.02
# The server reads the file 1 s after a rename (section 1 of the contract), so an earlier query cannot show a change.
SETTLE_SECONDS = 0.98
# Pause between a write without an entry and a write with this entry. The server reads the file 1 s after a rename (section 1 of the contract), so it
# would miss the first of two writes in this time.
BETWEEN_WRITES_SECONDS = 2.0
# A reload by the file watch takes 1.01 s (section 1). A reload that takes longer than this comes from the server's poll.
WATCH_SECONDS = 5.0
SILENT_ENTRY_SECONDS = 5.0
# Characters for the names of the nodes that a message refuses. A reason has 150 characters at most.
NAMES_LENGTH = 48
# A server uses a new entry that responds within 1 s. An entry that stays evictable longer than this is stuck (section 8): the server has kept an old
# connection to the node.
LEFT_OVER_SECONDS = 5.0

Ask = Callable[[], "View | Failure"]


class PushFailed(Exception):
    """The push ended without a proof. ``outcome``: what the push did before."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class Proof(NamedTuple):
    """How to prove a push. ``observer``: the local node. ``ask``: returns the local server's view. ``timeout``: seconds to wait for this view.

    ``without_schema``: on a liaison, waits until data nodes have the liaison's schema. Returns the nodes that do not: entry name -> why.
    """

    observer: ExpectedNode
    ask: Ask
    timeout: float
    without_schema: Callable[[Sequence[Node]], Mapping[str, str]] | None = None


class Request(NamedTuple):
    """The request for a push. Times are in seconds.

    ``unread``: the server has not loaded the file. ``needs``: entry names of which at least one must respond. ``before_writing``: called after the
    decision, even if there is nothing to write. Check mode ignores ``needs`` and ``before_writing``.
    """

    path: str
    nodes: Sequence[Node]
    expected: dict[str, ExpectedNode]
    ownership: Ownership
    remove: Sequence[str] = ()
    readdress: str = REFUSE
    refresh: Sequence[str] = ()
    refresh_stale: bool = False
    admit: str = ADMIT_ANSWERING
    silent: Sequence[str] = ()
    needs: Sequence[str] = ()
    before_writing: Callable[[], object] | None = None
    as_listed: Sequence[str] = ()
    unread: bool = False
    batch: int = 1
    backup: bool = False
    proof: Proof | None = None
    check: bool = False
    hold_back_unready: bool = False
    lock_timeout: float = 60.0
    reach_timeout: float = 2.0


@dataclass
class Outcome:
    """The result of a push, or in check mode its prediction. ``reload_seconds``: time of the reload after the last write, or None.

    ``unready``: wanted data nodes that respond and lack the schema: entry name -> why.
    """

    plan: Plan = field(default_factory=lambda: Plan((), Topology()))
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
    unready: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The most severe finding in this host's view. ``unknown`` if a wanted entry is unreachable."""
        if self.view is None:
            return UNKNOWN
        found = {pair.verdict for pair in self.pairs} | {UNKNOWN if self.plan.away or self.plan.held_back else CONVERGED}
        return max(found, key=VERDICTS.index)


class Found(NamedTuple):
    """The state before a push. ``topology``: content of the file, None without the file. ``alive``: addresses that respond (``Node.grpc_address``).

    ``shown``: node names in the local server's view.
    """

    topology: Topology | None
    alive: Collection[str]
    shown: frozenset[str]


def push(request: Request) -> Outcome:
    """Carry out a push.

    Raises TopologyFileError and TopologyError if nothing has changed. Raises PushFailed if the view is not right in time, or if a write failed; the
    outcome of PushFailed describes the file.
    """
    _require_ca_files(request.nodes)
    outcome = Outcome()
    if request.check and not os.path.lexists(os.path.dirname(request.path)):
        # A deployment makes the directory before it starts a server.
        if request.admit != ADMIT_START:
            outcome.warnings.append(f"{os.path.dirname(request.path)}: not there yet. The role skywalking.banyandb.node makes the directory.")
        return _foresee(request, outcome)
    with topology_file.locked(request.path, request.lock_timeout):
        if request.check:
            return _foresee(request, outcome)
        topology_file.remove_leftovers(request.path)
        steps, found = _decide(request, outcome)
        if request.before_writing:
            request.before_writing()
        ownership = request.ownership if found.topology is None else _kept(request)
        if request.backup and outcome.before and steps:
            outcome.backup_file = topology_file.back_up(request.path)
        left_over = _carry_out(request, steps, found.topology, found, ownership, outcome)
        if left_over:
            again = plan(outcome.plan.final, outcome.plan.final.nodes, answering=found.alive, refresh=left_over)
            outcome.plan = outcome.plan._replace(refreshed=tuple(sorted({*outcome.plan.refreshed, *left_over})))
            outcome.warnings.append(
                naming(
                    "",
                    sorted(left_over),
                    ": responded, but the server did not use the entry, because the node went down while it was not listed. "
                    "Nothing to do: this push dropped and added the entry again.",
                )
            )
            _carry_out(request, again.steps, outcome.plan.final, found, ownership, outcome, once_more=True)
        if not steps:
            if outcome.changed:
                topology_file.own(request.path, ownership)
            if request.proof and not _shows_it_already(request, request.proof, found, outcome):
                _await_view(request, request.proof, outcome.plan.final, found, outcome, last=True)
    if outcome.unready:
        message = f"{cut(listed([*outcome.unready], 1), NAMES_LENGTH)}: {next(iter(outcome.unready.values()))}"
        if not request.hold_back_unready:
            raise PushFailed(message, outcome)
        outcome.warnings.append(message)
    return outcome


def proved_already(request: Request) -> Outcome | None:
    """Return the outcome of a push when the file and the view are already right; None when the host needs a push. Changes nothing.

    ``request``: in check mode, with a proof. The result is None also when a push would refuse the request. That push reports the reason.
    """
    outcome = Outcome()
    try:
        _require_ca_files(request.nodes)
        if topology_file.leftovers(request.path):
            return None
        _steps, found = _decide(request, outcome)
    except (TopologyError, topology_file.TopologyFileError, OSError):
        return None
    if outcome.changed or request.proof is None or not _shows_it_already(request, request.proof, found, outcome):
        return None
    return outcome


def _carry_out(
    request: Request,
    steps: Sequence[Topology],
    standing: Topology | None,
    found: Found,
    ownership: Ownership,
    outcome: Outcome,
    once_more: bool = False,
) -> set[str]:
    """Write and prove each step. ``standing``: content of the file before. Raises PushFailed.

    Return the new entries that respond but that the server does not use (section 8 of the contract). With ``once_more``, such an entry is a failure.
    """
    pending: set[str] = set(outcome.plan.refreshed)
    arrived = set() if once_more else {*outcome.plan.added, *outcome.plan.refreshed, *(move.name for move in outcome.plan.readdressed)}
    left_over: set[str] = set()
    each = [{(node.name, node.grpc_address) for node in topology.listed} for topology in (standing or Topology(), *steps)]
    bystanders = {name for name, _address in set.intersection(*each)} - pending
    for step in steps:
        if request.proof and standing is not None:
            _await_read(request, request.proof, standing, step, outcome)
        _write(request, step, ownership, outcome)
        standing = step
        pending &= {node.name for node in step.listed}
        if request.proof:
            left_over = _await_view(request, request.proof, step, found, outcome, pending, arrived, bystanders, last=step is steps[-1])
    return left_over


def _shows_it_already(request: Request, proof: Proof, found: Found, outcome: Outcome) -> bool:
    """Return whether the first view already proves the unchanged file. If so, the push needs no second query."""
    if outcome.view is None:
        return False
    outcome.pairs = _differences(request, proof, outcome.plan.final, outcome.view, found)
    outcome.proved = not outcome.pairs
    return outcome.proved


def _foresee(request: Request, outcome: Outcome) -> Outcome:
    """Return the prediction of a push. Changes nothing."""
    steps, found = _decide(request, outcome)
    outcome.writes = len(steps)
    if request.proof and outcome.view:
        outcome.pairs = _differences(request, request.proof, outcome.plan.final, outcome.view, found)
    return outcome


def _decide(request: Request, outcome: Outcome) -> tuple[Sequence[Topology], Found]:
    """Read the file, the nodes and the view, and plan. Return the writes, and the state before the push."""
    file = topology_file.read(request.path)
    current, outcome.before = file or (Topology(), "")
    if request.unread:
        current = Topology()
    tried = [node for node in (*current.nodes, *request.nodes) if node.name not in request.silent]
    alive = reach.answering(tried, request.reach_timeout)
    arriving = _arriving(request, current, alive)
    if request.admit == ADMIT_START:
        alive -= {node.grpc_address for node in arriving} if _starts_without_new(request, current, alive) else set()
    elif arriving and request.admit == ADMIT_ANSWERING and request.proof and request.proof.without_schema and not request.check:
        # A request that the plan refuses does not wait.
        _plan(request, current, alive, request.refresh)
        outcome.unready = {**request.proof.without_schema(arriving)}
        alive = reach.answering(tried, request.reach_timeout) - {node.grpc_address for node in arriving if node.name in outcome.unready}
    refresh = set(request.refresh)
    if request.proof:
        outcome.view = _view_before(request, request.proof, outcome)
    shown = outcome.view.registered_names() if outcome.view else frozenset()
    found = Found(file and current, alive, shown)
    if request.proof and request.refresh_stale and outcome.view:
        refresh |= _stale(request, request.proof, current, outcome.view, found)
    made = outcome.plan = _plan(request, current, alive, refresh)
    outcome.after = made.final.render()
    steps = made.steps or (() if outcome.before == outcome.after else (made.final,))
    owned = file is not None and ownership_of(request.path) == _kept(request)
    outcome.changed = bool(steps) or not owned
    if len(steps) > 1 and request.proof is None:
        raise PlanRefused(f"{request.path}: this change takes two writes, and the server's view has to be seen between them. Set prove.")
    return steps, found


def _plan(request: Request, current: Topology, alive: Collection[str], refresh: Collection[str]) -> Plan:
    """Return the plan of the push. Raises TopologyError."""
    return plan(
        current,
        [current.by_name.get(node.name, node) if node.name in request.as_listed else node for node in request.nodes],
        answering=alive,
        remove=request.remove,
        refresh=refresh,
        readdress=request.readdress,
        admit=request.admit,
        batch=request.batch,
        # In check mode, servers that an earlier task starts do not run yet.
        needs=() if request.check else request.needs,
    )


def _arriving(request: Request, current: Topology, alive: Collection[str]) -> list[Node]:
    """Return the data nodes that respond at an address that the file does not list. Such a node may lack the schema."""
    known = {canonical_address(node.grpc_address) for node in current.listed}
    return [
        node
        for node in request.nodes
        if node.name in request.expected
        and request.expected[node.name].role == DATA
        and node.grpc_address in alive
        and canonical_address(node.grpc_address) not in known
    ]


def _starts_without_new(request: Request, current: Topology, alive: Collection[str]) -> bool:
    """Return whether to start the server without new data nodes. True for a liaison. The push after the start waits for their schema and adds them.

    A liaison without a known data node that responds starts with new data nodes: without any data node the liaison cannot serve.
    """
    starts = [request.expected[name] for name in request.silent if name in request.expected]
    known = [node for node in current.listed if node.grpc_address in alive and role_of(node.grpc_address) == DATA]
    return bool(known) and any(node.role == LIAISON for node in starts)


def _require_ca_files(nodes: Sequence[Node]) -> None:
    for path, name in sorted({node.ca_cert_path: node.name for node in nodes if node.tls_enabled}.items()):
        import ssl  # imported only here: the import costs time on every host

        try:
            ssl.create_default_context(cafile=path)
        except FileNotFoundError:
            raise PlanRefused(f"node {name!r}: ca_cert_path {path} does not exist on this host. Copy the CA there.") from None
        except OSError as error:
            what = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
            raise PlanRefused(f"node {name!r}: ca_cert_path {path} {what}. Copy the CA there.") from None


def _kept(request: Request) -> Ownership:
    """Return the ownership of the request. Owner or group without a value come from the file."""
    now = ownership_of(request.path)
    uid = now.uid if request.ownership.uid is None else request.ownership.uid
    gid = now.gid if request.ownership.gid is None else request.ownership.gid
    return Ownership(uid, gid, request.ownership.mode)


def _view_before(request: Request, proof: Proof, outcome: Outcome) -> View | None:
    answer = proof.ask()
    if not isinstance(answer, Failure):
        return answer
    what = f"the local server shows no view, so nothing was written ({answer.kind}: "
    message = fitted(what, answer.message, "). Run deploy, which starts the server.")
    if not request.check:
        raise PushFailed(message, outcome)
    return None


def _differences(
    request: Request, proof: Proof, topology: Topology, view: View, found: Found, stood: float = 0.0, pending: Collection[str] = ()
) -> list[Pair]:
    """Return the differences between ``view`` and the view that the server must show for ``topology``. ``stood``: age of the differences in seconds.

    Only the server knows the node name of three kinds of entries: entries with an old address, entries before their refresh (``pending``), and
    unchanged entries (``as_listed``). The name is the expected name, the address, or an unknown name. An entry with an unknown name is not
    compared. Then a name is no difference if the name was in the view before the push and belongs to no other entry.
    """
    wanted = {node.name: canonical_address(node.grpc_address) for node in request.nodes}
    theirs = {expected.node_name for expected in request.expected.values()}
    expected, nameless = [], False
    for node in topology.listed:
        known = request.expected.get(node.name)
        elsewhere = wanted.get(node.name) != canonical_address(node.grpc_address)
        if known is None or elsewhere or node.name in pending or node.name in request.as_listed:
            names = [known.node_name] if known else []
            name = next((name for name in [*names, node.grpc_address] if name in found.shown), None)
            if name is None:
                nameless = True
                continue
            known = ExpectedNode(node.name, name, known.role if known else role_of(node.grpc_address))
        expected.append(known)
    answering = {node.name for node in topology.listed if node.grpc_address in found.alive}
    pairs = differences(proof.observer, view, expected, answering, stood)
    tolerated = found.shown - theirs if nameless else frozenset()
    return [pair for pair in pairs if pair.seen != EXTRA or pair.subject not in tolerated]


def _stale(request: Request, proof: Proof, current: Topology, view: View, found: Found) -> set[str]:
    """Return the entries with stale data in the server's view.

    A node with a changed name is missing in a table that also shows a name of no entry.
    """
    pairs = _differences(request, proof, current, view, found)
    misnamed = {pair.table for pair in pairs if pair.seen == EXTRA}
    stale = {pair.subject for pair in pairs if pair.seen == STALE or (pair.seen == MISSING and pair.table in misnamed)}
    return (stale & {node.name for node in request.nodes}) - {*request.as_listed}


def _write(request: Request, step: Topology, ownership: Ownership, outcome: Outcome) -> None:
    try:
        topology_file.write(request.path, step.render(), ownership)
    except topology_file.NotDurable as error:
        outcome.writes += 1
        raise PushFailed(str(error), outcome) from None
    except topology_file.TopologyFileError as error:
        if not outcome.writes:
            raise
        raise PushFailed(
            fitted("", error.problem, f" after write {outcome.writes} of this push: entries are left out. Run topology again now."), outcome
        ) from None
    outcome.writes += 1


def _await_read(request: Request, proof: Proof, standing: Topology, step: Topology, outcome: Outcome) -> None:
    """Wait until the server no longer shows nodes that the file does not list and that ``step`` adds. Raises PushFailed.

    A server that still shows such a node has not read the current file (an earlier push was interrupted, or the watch is lost). The server would
    treat the next file as a change of address and lose the node, although its old view looks right at first.
    """
    before = {node.grpc_address for node in standing.listed}
    arriving = {node.name for node in step.listed if node.grpc_address not in before}
    added = {expected.node_name for name, expected in request.expected.items() if name in arriving}
    deadline = time.monotonic() + proof.timeout
    while outcome.view and added & outcome.view.registered_names():
        if time.monotonic() >= deadline:
            shown = sorted(added & outcome.view.registered_names())
            raise PushFailed(
                naming(
                    f"{request.path}: not read by the server for {proof.timeout:g} s, it still shows ",
                    shown,
                    ". Wait 30 s for its poll, then run topology again.",
                    2,
                ),
                outcome,
            )
        time.sleep(POLL_SECONDS)
        answer = proof.ask()
        outcome.view = outcome.view if isinstance(answer, Failure) else answer


def _await_view(
    request: Request,
    proof: Proof,
    step: Topology,
    found: Found,
    outcome: Outcome,
    pending: Collection[str] = (),
    arrived: Collection[str] = (),
    bystanders: Collection[str] = (),
    *,
    last: bool,
) -> set[str]:
    """Wait until the local server shows the nodes of ``step``, and until the next write may start. Raises PushFailed.

    ``pending``: entries that a later write refreshes. ``bystanders``: entries that no write changes. A difference of a bystander does not delay the
    next write, because the next write adds the entries that earlier writes left out. ``arrived``: new entries. ``last``: whether ``step`` is the
    last write. Return the entries of ``arrived`` that are evictable for LEFT_OVER_SECONDS, if no other difference is left.
    """
    started = time.monotonic()
    failure: Failure | None = None
    while True:
        answer = proof.ask()
        elapsed = time.monotonic() - started
        if isinstance(answer, Failure):
            failure = answer
        else:
            failure, outcome.view = None, answer
            outcome.pairs = _differences(request, proof, step, answer, found, elapsed, pending)
            holding = outcome.pairs if last else [pair for pair in outcome.pairs if pair.subject not in bystanders]
            if not holding and (last or elapsed >= BETWEEN_WRITES_SECONDS):
                break
        unused = {pair.subject for pair in outcome.pairs if pair.seen == EVICTABLE and pair.subject in arrived}
        if last and not failure and outcome.pairs and len(unused) == len(outcome.pairs) and elapsed >= LEFT_OVER_SECONDS:
            return unused
        if elapsed >= proof.timeout and (failure or outcome.pairs):
            raise PushFailed(_unproved(request, outcome, failure, elapsed, last), outcome)
        settling = SETTLE_SECONDS - elapsed if outcome.writes else 0.0
        time.sleep(max(settling, POLL_SECONDS, POLL_SHARE * elapsed))
    outcome.proved = last
    if outcome.writes:
        outcome.reload_seconds = round(elapsed, 3)
        silent = sum(1 for node in step.listed if node.grpc_address not in found.alive)
        if elapsed > WATCH_SECONDS + silent * SILENT_ENTRY_SECONDS and not outcome.warnings:
            outcome.warnings.append(
                f"{request.path}: the server took this change only after {elapsed:.1f} s: it no longer watches the file, it polls. "
                "Restart the server when convenient."
            )
    return set()


def _unproved(request: Request, outcome: Outcome, failure: Failure | None, elapsed: float, last: bool) -> str:
    file = os.path.basename(request.path)
    state = f"{file} {'was written' if outcome.writes else 'is right'}, but for {elapsed:.0f} s "
    # Between two writes the file lacks entries on purpose.
    then = "" if last else " Entries are left out: run topology again now."
    if failure:
        return fitted(f"{state}the server shows no view ({failure.kind}: ", failure.message, f").{then}")
    first = outcome.pairs[0]
    more = f" ({len(outcome.pairs) - 1} more in pairs)" if len(outcome.pairs) > 1 else ""
    if outcome.writes and first.seen == EXTRA:
        return fitted(f"{state}the server still shows {first.subject} in {first.table}{more}. ", "Restart the server, then run topology.", then)
    what = f"{first.subject} is {first.seen} in {first.table}, expected {first.expected}"
    return fitted(f"{state}{what}{more}. ", first.remedy, then)
