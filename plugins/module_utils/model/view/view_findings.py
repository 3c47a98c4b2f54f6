# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings about one view: what the view shows, what it should show, and what to do. Pure: no clock.

Facts: the contract's section 3 (tables of each kind of node) and section 8 (an entry that stays evictable for over 30 s is stuck).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import (
    ACTIVE,
    PROPERTY,
    TIRE1,
    TIRE2,
    RouteTable,
    View,
)

# Kind of the observer -> table -> (kind of node in the table, whether the observer also keeps connections to these nodes).
TABLES: Mapping[str, Mapping[str, tuple[str, bool]]] = {
    DATA: {PROPERTY: (DATA, False)},
    LIAISON: {TIRE1: (LIAISON, True), TIRE2: (DATA, True)},
    STANDALONE: {},
}

# Seconds after which a server no longer removes a difference without help. The roles set the servers' poll of the topology file to 30 s. A node
# that responds and stays evictable for more than 30 s is stuck (section 8).
SETTLE_SECONDS = 30.0

# Discovery mode of the observer -> difference -> what to do when the difference stays.
_BACK_INTO_DNS = (
    "Take the record of {subject} out of DNS until {observer} no longer shows that node, then add the record again; or restart the server of "
    "{observer}"
)
REMEDIES: Mapping[str, Mapping[str, str]] = {
    FILE: {
        "stale": "Refresh {subject} on {observer}: a cached identity is never read again (labels or roles changed).",
        "missing": "Push the topology to {observer}; if it lists {subject} already, refresh that entry.",
        "unused": "Refresh {subject} on {observer}: it answers, yet that liaison does not use it.",
        "extra": "The inventory does not list {subject}. Run skywalking.banyandb.remove, or add its host.",
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
# From harmless to severe. The verdict of a cluster is the verdict of its most severe finding.
VERDICTS = (CONVERGED, CONVERGING, UNKNOWN, DRIFT, STUCK, PARTITIONED)

# What an observer shows of a node, beside node_view.ACTIVE and node_view.EVICTABLE.
REGISTERED = "registered"
CONNECTING = "connecting"
STALE = "stale"
MISSING = "missing"
EXTRA = "extra"
UNREACHED = "unreached"  # the view is right, but the observer's host does not reach the address of the node
DRAINED = "drained"  # a drain of this collection blocks the node
NOT_LISTED = "-"


class Pair(NamedTuple):
    """One finding: what ``observer`` shows of ``subject`` in ``table``, what was expected, what to do.

    The finding that a node gave no view has an empty ``table``, and the node as both ``observer`` and ``subject``.
    """

    observer: str
    subject: str
    table: str
    expected: str
    seen: str
    verdict: str
    remedy: str

    def to_mapping(self) -> dict[str, str]:
        """Return plain data for a module's result."""
        return {
            "observer": self.observer,
            "subject": self.subject,
            "table": self.table,
            "expected": self.expected,
            "seen": self.seen,
            "verdict": self.verdict,
            "remedy": self.remedy,
        }


def differences(
    observer: ExpectedNode,
    view: View,
    nodes: Sequence[ExpectedNode],
    answering: Collection[str],
    stood: float = 0.0,
    settle: float = SETTLE_SECONDS,
    discovery: str = FILE,
) -> list[Pair]:
    """Return the findings about one view.

    ``answering``: entry names of the nodes that answer. Of every other node, the only finding is that a liaison still uses the node.
    ``stood``: seconds for which the view has not changed. ``settle``: seconds after which a difference needs help.
    """
    reached = dict.fromkeys(answering, True)
    return compare(observer, view, row_of(observer.role, nodes), answering, reached, answering, stood >= settle, discovery)[1]


class Row(NamedTuple):
    """What every observer of one kind should show.

    ``cells``: entry name -> expected cell, for all nodes. ``tables``: name of the table, whether it keeps connections, the nodes in it and
    their node names.
    """

    cells: Mapping[str, str]
    tables: tuple[tuple[str, bool, tuple[ExpectedNode, ...], frozenset[str]], ...]


def row_of(role: str, nodes: Sequence[ExpectedNode]) -> Row:
    """Return what every observer of the kind ``role`` should show of ``nodes``."""
    cells = dict.fromkeys((node.name for node in nodes), NOT_LISTED)
    tables = []
    for name, (listed_role, connects) in TABLES[role].items():
        listed = tuple(node for node in nodes if node.role == listed_role)
        cells.update(dict.fromkeys((node.name for node in listed), ACTIVE if connects else REGISTERED))
        tables.append((name, connects, listed, frozenset(node.node_name for node in listed)))
    return Row(cells, tuple(tables))


def compare(
    observer: ExpectedNode,
    view: View,
    row: Row,
    answering: Collection[str],
    here: Mapping[str, bool],
    reached_by_any: Collection[str],
    settled: bool,
    discovery: str,
) -> tuple[dict[str, str], list[Pair]]:
    """Return the row of the matrix, and the findings, of one observer.

    ``here``: entry name -> whether the observer's host reached that node. ``reached_by_any``: entry names that some host reached.
    When the observer's host did not reach its own node, its trials count for nothing: they do not suit these ports (TLS, say).
    A view without connections lists dead nodes too. So an unreached node in it is a finding only if another host reached that node.
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
    """Return the nodes that ``table`` may show in an unexpected way, in order.

    One comprehension, because 1,000 nodes make a million pairs.
    """
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
    """Return what ``table`` shows of ``subject``, as a cell of the matrix."""
    seen = table.by_name.get(subject.node_name)
    if seen is None:
        return MISSING
    if not subject.describes(seen):
        return STALE
    if not connects:
        return REGISTERED
    return table.connections.get(subject.node_name, CONNECTING)


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
        remedy = f"Repair the network from the host of {observer.name} to {subject.name}: its address is not reachable there."
    elif reached is False:
        verdict = PARTITIONED
        remedy = f"Repair the network from the host of {observer.name} to {subject.name}: both answer, but not each other."
    elif settled and seen == MISSING:
        verdict, remedy = DRIFT, remedy_of("missing")
    elif settled:
        verdict, remedy = STUCK, remedy_of("unused")
    return Pair(observer.name, subject.name, table, expected, seen, verdict, remedy)


def explained(pairs: Iterable[Pair], blocked: Mapping[str, int]) -> list[Pair]:
    """Return the findings, with the drain of this collection as the reason why a node is blocked. A blocked node without a finding gets a finding.

    ``blocked``: entry name of a node -> seconds until its drain ends. The drain ends without help, so no finding about the node is a partition.
    """

    def remedy_of(name: str) -> str:
        return f"A drain blocks {name} for at most {blocked[name]} s. Wait, or run the interrupted playbook again."

    # A node without a view of its own is no consequence of its drain: the collection asks each server on its own host.
    reported = [
        pair._replace(verdict=CONVERGING, remedy=remedy_of(pair.subject), seen=pair.seen if pair.table else DRAINED)
        if pair.subject in blocked and pair.observer != pair.subject and pair.verdict != DRIFT
        else pair
        for pair in pairs
    ]
    silent = sorted({*blocked} - {pair.subject for pair in reported})
    return reported + [Pair(name, name, "", "open ports", DRAINED, CONVERGING, remedy_of(name)) for name in silent]


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
