# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what a push to this host does: reads its file, its nodes and its server's view, and plans. Changes nothing.

Standard library only, Python 3.9+. ``model`` plans; this file collects what the plan needs. Every push imports it, so it holds nothing that only a
write needs: a host compiles a module and its imports at each execution.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, ownership_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, role_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import (
    ADMIT_ANSWERING,
    ADMIT_START,
    REFUSE,
    Plan,
    PlanRefused,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, canonical_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
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

Ask = Callable[[], "View | Failure"]


class PushFailed(Exception):
    """The push ended without a proof. ``outcome``: what the push did before."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class Proof(NamedTuple):
    """How to prove a push. ``observer``: the local node. ``ask``: returns the local server's view. ``timeout``: seconds to wait for this view.

    ``without_schema``: on a liaison, waits until data nodes have the liaison's schema. Returns the nodes that do not: entry name -> why.
    ``serves_tls``: whether the running process serves the other nodes with TLS; None if unknown.
    """

    observer: ExpectedNode
    ask: Ask
    timeout: float
    without_schema: Callable[[Sequence[Node]], Mapping[str, str]] | None = None
    serves_tls: bool | None = None


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


def decide(request: Request, outcome: Outcome) -> tuple[Sequence[Topology], Found]:
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
    owned = file is not None and ownership_of(request.path) == kept_ownership(request)
    outcome.changed = bool(steps) or not owned
    if len(steps) > 1 and request.proof is None:
        raise PlanRefused(f"{request.path}: this change takes two writes, and the server's view has to be seen between them. Set prove.")
    return steps, found


def foresee(request: Request, outcome: Outcome) -> Outcome:
    """Return the prediction of a push. Changes nothing."""
    steps, found = decide(request, outcome)
    outcome.writes = len(steps)
    if request.proof and outcome.view:
        outcome.pairs = differences_of(request, request.proof, outcome.plan.final, outcome.view, found)
    return outcome


def shows_it_already(request: Request, proof: Proof, found: Found, outcome: Outcome) -> bool:
    """Return whether the first view already proves the unchanged file. If so, the push needs no second query."""
    if outcome.view is None:
        return False
    outcome.pairs = differences_of(request, proof, outcome.plan.final, outcome.view, found)
    outcome.proved = not outcome.pairs
    return outcome.proved


def differences_of(
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


def require_ca_files(nodes: Sequence[Node], check: bool) -> None:
    """Raise PlanRefused for a CA file that is missing or not usable. In check mode, an earlier task may only have predicted the file."""
    for path, name in sorted({node.ca_cert_path: node.name for node in nodes if node.tls_enabled}.items()):
        import ssl  # imported only here: the import costs time on every host

        try:
            ssl.create_default_context(cafile=path)
        except FileNotFoundError:
            if check:
                continue
            raise PlanRefused(f"node {name!r}: ca_cert_path {path} does not exist on this host. Copy the CA there.") from None
        except OSError as error:
            what = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
            raise PlanRefused(f"node {name!r}: ca_cert_path {path} {what}. Copy the CA there.") from None


def require_own_tls(request: Request) -> None:
    """Raise PlanRefused if the local server runs with another value of TLS than its entry has.

    The other servers would ask this server in the wrong way at their next start.
    """
    own = next((node for node in request.nodes if request.proof and node.name == request.proof.observer.name), None)
    if own and request.proof and request.proof.serves_tls not in (None, own.tls_enabled):
        wanted, runs = ("true", "without") if own.tls_enabled else ("false", "with")
        raise PlanRefused(
            f"node {own.name!r}: expected tls_enabled {wanted}, but its server runs {runs} TLS. "
            "Run skywalking.banyandb.deploy, or set banyandb_tls back."
        )


def kept_ownership(request: Request) -> Ownership:
    """Return the ownership of the request. Owner or group without a value come from the file."""
    now = ownership_of(request.path)
    uid = now.uid if request.ownership.uid is None else request.ownership.uid
    gid = now.gid if request.ownership.gid is None else request.ownership.gid
    return Ownership(uid, gid, request.ownership.mode)


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


def _view_before(request: Request, proof: Proof, outcome: Outcome) -> View | None:
    answer = proof.ask()
    if not isinstance(answer, Failure):
        return answer
    what = f"the local server shows no view, so nothing was written ({answer.kind}: "
    message = fitted(what, answer.message, "). Run deploy, which starts the server.")
    if not request.check:
        raise PushFailed(message, outcome)
    return None


def _stale(request: Request, proof: Proof, current: Topology, view: View, found: Found) -> set[str]:
    """Return the entries with stale data in the server's view.

    A node with a changed name is missing in a table that also shows a name of no entry.
    """
    pairs = differences_of(request, proof, current, view, found)
    misnamed = {pair.table for pair in pairs if pair.seen == EXTRA}
    stale = {pair.subject for pair in pairs if pair.seen == STALE or (pair.seen == MISSING and pair.table in misnamed)}
    return (stale & {node.name for node in request.nodes}) - {*request.as_listed}
