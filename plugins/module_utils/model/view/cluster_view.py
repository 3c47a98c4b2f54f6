# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one running node says it sees, what it should see, and the verdict over many such views.

Pure: values in, values out; no I/O, no clock. Facts: the contract's section 3 (tables of each kind of
node), section 8 (an entry that stays evictable for over 30 s is stuck).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    LIAISON_PORT,
    Node,
    split_address,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure

DATA = "data"
LIAISON = "liaison"
STANDALONE = "standalone"
ROLES = (DATA, LIAISON, STANDALONE)

# The server's own spelling of its tables.
PROPERTY = "property"
TIRE1 = "tire1"
TIRE2 = "tire2"

# For each kind of observer: table -> (kind of node it lists, whether it also keeps connections to them).
TABLES: Mapping[str, Mapping[str, tuple[str, bool]]] = {
    DATA: {PROPERTY: (DATA, False)},
    LIAISON: {TIRE1: (LIAISON, True), TIRE2: (DATA, True)},
    STANDALONE: {},
}

# Seconds after which a difference no longer heals by itself: the roles set the servers' poll of the
# topology file to 30 s, and an evictable node that answers for longer than 30 s is stuck (section 8).
SETTLE_SECONDS = 30.0

# What to do about a difference that does not heal by itself, by how the observer finds its nodes.
FILE = "file"
DNS = "dns"
_BACK_INTO_DNS = (
    "Take the record of {subject} out of DNS until {observer} no longer shows that node, and put it back; or restart the server of {observer}"
)
REMEDIES: Mapping[str, Mapping[str, str]] = {
    FILE: {
        "stale": "Refresh {subject} on {observer}: a cached identity is never read again (labels or roles changed).",
        "missing": "Push the topology to {observer}; if it lists {subject} already, refresh that entry.",
        "unused": "Refresh {subject} on {observer}: it answers, yet that liaison does not use it.",
        "extra": "{subject} is in the view of {observer} but not in the inventory: add it there, or name it for removal.",
    },
    DNS: {
        "stale": _BACK_INTO_DNS + ": a cached identity is never read again (labels or roles changed).",
        "missing": "See whether the host of {observer} gets the record of {subject} from its nameserver. If it does: " + _BACK_INTO_DNS + ".",
        "unused": _BACK_INTO_DNS + ": the node answers, yet that liaison does not use it.",
        "extra": "{subject} is in the view of {observer} but should not be: take its record out of DNS, or add its host to the inventory.",
    },
}

CONVERGED = "converged"
CONVERGING = "converging"
UNKNOWN = "unknown"
DRIFT = "drift"
STUCK = "stuck"
PARTITIONED = "partitioned"
# From harmless to severe; the verdict of a cluster is the most severe of its findings.
VERDICTS = (CONVERGED, CONVERGING, UNKNOWN, DRIFT, STUCK, PARTITIONED)

# Cells of the who-sees-whom matrix.
ACTIVE = "active"
REGISTERED = "registered"
CONNECTING = "connecting"
EVICTABLE = "evictable"
STALE = "stale"
MISSING = "missing"
EXTRA = "extra"
UNREACHED = "unreached"  # shown as it should be, yet its address does not answer from the observer's host
NOT_ASKED = "?"
NOT_LISTED = "-"


class ViewError(ValueError):
    """An answer that is not a cluster state; the message says where it differs from one."""


@dataclass(frozen=True)
class Identity:
    """What a node says of itself, as another node has cached it."""

    node_name: str
    grpc_address: str = ""
    roles: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    created_at: str = ""

    @classmethod
    def from_mapping(cls, node: Mapping[str, Any]) -> Identity:
        """Read back what to_mapping() gave."""
        labels = tuple(sorted(node["labels"].items()))
        return cls(node["node_name"], node["grpc_address"], tuple(node["roles"]), labels, node["created_at"])

    def to_mapping(self) -> dict[str, Any]:
        return {
            "node_name": self.node_name,
            "grpc_address": self.grpc_address,
            "roles": list(self.roles),
            "labels": dict(self.labels),
            "created_at": self.created_at,
        }


@dataclass(frozen=True)
class RouteTable:
    registered: tuple[Identity, ...] = ()
    active: tuple[str, ...] = ()
    evictable: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Identity]:
        return {node.node_name: node for node in self.registered}

    @cached_property
    def connections(self) -> Mapping[str, str]:
        """Node name -> ``active`` or ``evictable``; a node in both counts as evictable."""
        return {**dict.fromkeys(self.active, ACTIVE), **dict.fromkeys(self.evictable, EVICTABLE)}


@dataclass(frozen=True)
class View:
    """The route tables of one running node: table name -> RouteTable."""

    tables: Mapping[str, RouteTable] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, answer: object) -> View:
        """Read the decoded JSON of ``/api/v1/cluster/state`` (camelCase). Raises ViewError."""
        fields = _mapping(answer, "the answer")
        if fields and "routeTables" not in fields:  # {} alone is proto3's JSON of a view without tables
            raise ViewError("routeTables is missing: not a cluster state")
        tables = _mapping(fields.get("routeTables", {}), "routeTables")
        return cls({name: _route_table(table, f"routeTables.{cut(name)}") for name, table in tables.items()})

    @classmethod
    def from_result(cls, tables: Mapping[str, Any]) -> View:
        """Read back what to_mapping() gave. Raises ViewError, KeyError or TypeError for anything else."""
        return cls(
            {
                name: RouteTable(
                    tuple(Identity.from_mapping(node) for node in table["registered"]),
                    tuple(table["active"]),
                    tuple(table["evictable"]),
                )
                for name, table in tables.items()
            }
        )

    def registered_names(self) -> frozenset[str]:
        """Node names that stand in any table."""
        return frozenset(node.node_name for table in self.tables.values() for node in table.registered)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for a module's result."""
        return {
            name: {
                "registered": [node.to_mapping() for node in table.registered],
                "active": list(table.active),
                "evictable": list(table.evictable),
            }
            for name, table in sorted(self.tables.items())
        }


@dataclass(frozen=True)
class ExpectedNode:
    """A node that the views are held against.

    ``name`` is the entry name (inventory name), ``node_name`` what the node says of itself,
    ``role`` one of data, liaison, standalone. ``roles`` (``ROLE_*``) and ``labels`` are compared
    when they are not None.
    """

    name: str
    node_name: str
    role: str
    roles: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    def describes(self, seen: Identity) -> bool:
        """Whether ``seen`` is this node as it is expected to be."""
        return (
            seen.node_name == self.node_name
            and (self.roles is None or sorted(seen.roles) == sorted(self.roles))
            and (self.labels is None or sorted(seen.labels) == sorted(self.labels))
        )


@dataclass(frozen=True)
class Pair:
    """One finding: what ``observer`` shows of ``subject`` in ``table``, what was expected, what to do.

    ``table`` is empty and ``observer`` equals ``subject`` where the node itself could not be asked.
    """

    observer: str
    subject: str
    table: str
    expected: str
    seen: str
    verdict: str
    remedy: str

    def to_mapping(self) -> dict[str, str]:
        return {
            "observer": self.observer,
            "subject": self.subject,
            "table": self.table,
            "expected": self.expected,
            "seen": self.seen,
            "verdict": self.verdict,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Verdict:
    """The judgement over all views.

    ``matrix`` maps observer -> subject -> cell (one of the cell words of this module); a subject
    that stands in no table of that observer is ``-``.
    """

    verdict: str
    pairs: tuple[Pair, ...]
    matrix: Mapping[str, Mapping[str, str]]

    def to_mapping(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "pairs": [pair.to_mapping() for pair in self.pairs],
            "matrix": {observer: dict(row) for observer, row in self.matrix.items()},
        }


def judge(
    nodes: Sequence[ExpectedNode],
    views: Mapping[str, View | Failure],
    reach: Mapping[tuple[str, str], bool] | None = None,
    stood: float | Mapping[str, float] = 0.0,
    settle: float = SETTLE_SECONDS,
    discovery: str = FILE,
) -> Verdict:
    """Hold the views of all nodes against what they should show.

    ``views``: entry name -> its view, or why it could not be had; a node without one counts as not asked.
    ``reach``: (observer, subject) -> whether the subject answers when tried from the observer's own host.
    ``stood``: seconds for which the same picture has been seen, in all or for each observer. ``settle``: seconds after which
    a difference no longer heals by itself. ``discovery``: how the observers find their nodes, ``file`` or ``dns``; for the remedies.
    A node answers when it gave a view, or when it was reached from the host of another. That an observer did not reach
    one which it shows as it should counts too: a data node's view never says who answers, a liaison's only after 5-8 s.
    """
    views = {node.name: views.get(node.name, Failure(ErrorKind.NOT_ASKED, "no view was asked for")) for node in nodes}
    tried: dict[str, dict[str, bool]] = {}
    for (viewer, subject), reached in (reach or {}).items():
        tried.setdefault(viewer, {})[subject] = reached
    reached_by_any = {subject for subjects in tried.values() for subject, reached in subjects.items() if reached}
    answering = {name for name, view in views.items() if not isinstance(view, Failure)} | reached_by_any
    rows = {role: _row(role, nodes) for role in TABLES}
    matrix: dict[str, dict[str, str]] = {}
    pairs: list[Pair] = []
    for observer in nodes:
        view = views[observer.name]
        if isinstance(view, Failure):
            matrix[observer.name] = dict.fromkeys((subject.name for subject in nodes), NOT_ASKED)
            pairs.append(_not_asked(observer, view))
        else:
            seconds = stood if isinstance(stood, (int, float)) else stood.get(observer.name, 0.0)
            row, found_here = _compare(
                observer, view, rows[observer.role], answering, tried.get(observer.name, {}), reached_by_any, seconds >= settle, discovery
            )
            matrix[observer.name] = row
            pairs.extend(found_here)
    found = {pair.verdict for pair in pairs} | {CONVERGED if nodes else UNKNOWN}
    return Verdict(max(found, key=VERDICTS.index), tuple(pairs), matrix)


def differences(
    observer: ExpectedNode,
    view: View,
    nodes: Sequence[ExpectedNode],
    answering: Collection[str],
    stood: float = 0.0,
    settle: float = SETTLE_SECONDS,
    discovery: str = FILE,
) -> list[Pair]:
    """Return what one view shows otherwise than it should; ``answering``: the entry names that are alive.

    Nothing is asked of what a view shows of a node that does not answer, but that a liaison must not go on using it. ``stood``, ``settle``: seconds.
    """
    reached = dict.fromkeys(answering, True)
    return _compare(observer, view, _row(observer.role, nodes), answering, reached, answering, stood >= settle, discovery)[1]


@dataclass(frozen=True)
class _Row:
    """What every observer of one role should show: ``cells`` for all nodes, and for each of its tables the nodes that stand there."""

    cells: Mapping[str, str]
    tables: tuple[tuple[str, bool, tuple[ExpectedNode, ...], frozenset[str]], ...]


def _row(role: str, nodes: Sequence[ExpectedNode]) -> _Row:
    cells = dict.fromkeys((node.name for node in nodes), NOT_LISTED)
    tables = []
    for name, (listed_role, connects) in TABLES[role].items():
        listed = tuple(node for node in nodes if node.role == listed_role)
        cells.update(dict.fromkeys((node.name for node in listed), ACTIVE if connects else REGISTERED))
        tables.append((name, connects, listed, frozenset(node.node_name for node in listed)))
    return _Row(cells, tuple(tables))


def _compare(
    observer: ExpectedNode,
    view: View,
    row: _Row,
    answering: Collection[str],
    here: Mapping[str, bool],
    reached_by_any: Collection[str],
    settled: bool,
    discovery: str,
) -> tuple[dict[str, str], list[Pair]]:
    """Return the row of the matrix, and the findings, of one observer.

    ``here``: entry name -> whether the observer's host reached that node. ``reached_by_any``: the names that some host reached.
    A trial counts against a view that shows a node as it should only where the observer's host reached its own node: else the trial does
    not suit these ports (TLS, say). A node that the view merely lists must have been reached by another host, or it is gone and the list is right.
    """
    cells = dict(row.cells)
    pairs: list[Pair] = []
    trusted = here.get(observer.name) is not False
    silent = {name for name, reached in here.items() if not reached} if trusted else set()
    for name, connects, listed, known in row.tables:
        table = view.tables.get(name, RouteTable())
        expected = ACTIVE if connects else REGISTERED
        for subject in _to_look_at(listed, table, connects, silent):
            seen = cells[subject.name] = cell(subject, table, connects)
            if seen == expected and subject.name in silent and (connects or subject.name in reached_by_any):
                cells[subject.name] = UNREACHED
                pairs.append(_finding(observer, subject, name, expected, UNREACHED, False, settled, discovery))
            elif seen != expected and subject.name in answering:
                pairs.append(_finding(observer, subject, name, expected, seen, here.get(subject.name), settled, discovery))
        pairs.extend(_extras(observer, name, table, known, settled, discovery))
    return cells, pairs


def _to_look_at(listed: Iterable[ExpectedNode], table: RouteTable, connects: bool, silent: Collection[str]) -> list[ExpectedNode]:
    """Return the nodes that ``table`` may show otherwise than expected, in order. One comprehension: 1,000 nodes make a million pairs."""
    seen_by_name, connections = table.by_name, table.connections
    return [
        node
        for node in listed
        if (seen := seen_by_name.get(node.node_name)) is None
        or (node.roles is not None and seen.roles != node.roles)
        or (node.labels is not None and seen.labels != node.labels)
        or (connects and connections.get(node.node_name) != ACTIVE)
        or node.name in silent
    ]


def cell(subject: ExpectedNode, table: RouteTable, connects: bool) -> str:
    """What ``table`` shows of ``subject``, as a word of the matrix."""
    seen = table.by_name.get(subject.node_name)
    if seen is None:
        return MISSING
    if not subject.describes(seen):
        return STALE
    if not connects:
        return REGISTERED
    return table.connections.get(subject.node_name, CONNECTING)


def role_of(node: Node) -> str:
    """The kind of node behind an entry that does not say: liaisons are listed on 18912 (section 3)."""
    return LIAISON if split_address(node.grpc_address)[1] == LIAISON_PORT else DATA


def _not_asked(node: ExpectedNode, failure: Failure) -> Pair:
    remedy = f"Find out why {node.name} could not be asked ({failure.kind}): its service, its host, the way to it."
    if failure.kind == ErrorKind.NOT_ASKED:
        remedy = f"Ask {node.name} too: run without a limit, or see above why its host dropped out."
    return Pair(node.name, node.name, "", "a view", f"{failure.kind}: {failure.message}", UNKNOWN, remedy)


def _finding(
    observer: ExpectedNode, subject: ExpectedNode, table: str, expected: str, seen: str, reached: bool | None, settled: bool, discovery: str
) -> Pair:
    def remedy_of(what: str) -> str:
        return REMEDIES[discovery][what].format(observer=observer.name, subject=subject.name)

    verdict, remedy = CONVERGING, "Ask again: within 30 s this heals by itself or is something else."
    if seen == STALE:
        verdict, remedy = DRIFT, remedy_of("stale")
    elif seen == UNREACHED and table != PROPERTY and not settled:
        remedy = "Ask again: a liaison notices within 8 s that a node is gone."
    elif seen == UNREACHED:
        verdict = PARTITIONED
        remedy = f"Mend the network from the host of {observer.name} to {subject.name}: its address does not answer there."
    elif reached is False:
        verdict = PARTITIONED
        remedy = f"Mend the network from the host of {observer.name} to {subject.name}: both answer, but not each other."
    elif settled and seen == MISSING:
        verdict, remedy = DRIFT, remedy_of("missing")
    elif settled:
        verdict, remedy = STUCK, remedy_of("unused")
    return Pair(observer.name, subject.name, table, expected, seen, verdict, remedy)


def _extras(observer: ExpectedNode, table_name: str, table: RouteTable, known: Collection[str], settled: bool, discovery: str) -> list[Pair]:
    verdict = DRIFT if settled else CONVERGING
    return [
        Pair(
            observer.name,
            seen.node_name,
            table_name,
            "not listed",
            EXTRA,
            verdict,
            REMEDIES[discovery]["extra"].format(observer=observer.name, subject=seen.node_name),
        )
        for seen in table.registered
        if seen.node_name not in known
    ]


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ViewError(f"{where}: expected an object, got {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise ViewError(f"{where}: expected text keys, got {shown(key)}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ViewError(f"{where}: expected a list of texts, got {type(value).__name__}")
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(value))


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ViewError(f"{where}: expected a text, got {type(value).__name__}")
    return value


def _route_table(value: object, where: str) -> RouteTable:
    table = _mapping(value, where)
    registered = table.get("registered", [])
    if not isinstance(registered, (list, tuple)):
        raise ViewError(f"{where}.registered: expected a list of nodes, got {type(registered).__name__}")
    return RouteTable(
        registered=tuple(_identity(node, f"{where}.registered[{index}]") for index, node in enumerate(registered)),
        active=_texts(table.get("active", []), f"{where}.active"),
        evictable=_texts(table.get("evictable", []), f"{where}.evictable"),
    )


def _identity(value: object, where: str) -> Identity:
    node = _mapping(value, where)
    metadata = _mapping(node.get("metadata") or {}, f"{where}.metadata")
    labels = _mapping(node.get("labels") or {}, f"{where}.labels")
    return Identity(
        node_name=_text(metadata.get("name", ""), f"{where}.metadata.name"),
        grpc_address=_text(node.get("grpcAddress", ""), f"{where}.grpcAddress"),
        roles=_texts(node.get("roles", []), f"{where}.roles"),
        labels=tuple(sorted((key, _text(text, f"{where}.labels.{cut(key)}")) for key, text in labels.items())),
        created_at=_text(node.get("createdAt") or "", f"{where}.createdAt"),
    )
