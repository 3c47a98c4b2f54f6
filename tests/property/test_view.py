# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict over any views, and the parser of any cluster state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import view_report
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import Verdict, judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import ACTIVE, Identity, RouteTable, View, ViewError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import (
    CONVERGED,
    REGISTERED,
    SETTLE_SECONDS,
    TABLES,
    UNKNOWN,
    VERDICTS,
)

from .draw import Choices, Statements, made

LABELS = ((), (("type", "hot"),), (("type", "warm"), ("zone", "ü")))
SERVER_ROLES = (("ROLE_META", "ROLE_DATA"), ("ROLE_LIAISON",), ("ROLE_DATA",))


@dataclass(frozen=True)
class Seen:
    """The input of a verdict."""

    nodes: tuple[ExpectedNode, ...]
    views: Mapping[str, View | Failure]
    reach: Mapping[tuple[str, str], bool]
    stood: float | Mapping[str, float]

    def judged(self) -> Verdict:
        return judge(self.nodes, self.views, self.reach, self.stood)


def perfect(choices: Choices) -> Seen:
    """Return a cluster of 1 to 5 nodes in which each node sees the right nodes."""
    nodes = tuple(
        ExpectedNode(
            f"n{number}",
            f"node{number}:17912",
            choices.pick(ROLES[:2]) if choices.byte() < 240 else ROLES[2],
            choices.pick((None, *SERVER_ROLES)),
            choices.pick((None, *LABELS)),
        )
        for number in range(choices.below(5) + 1)
    )
    reach = {(choices.pick(nodes).name, choices.pick(nodes).name): True for _ in range(choices.below(3))}
    stood = choices.pick((0.0, SETTLE_SECONDS, {nodes[0].name: 60.0}))
    return Seen(nodes, {node.name: right_view(node, nodes) for node in nodes}, reach, stood)


def right_view(observer: ExpectedNode, nodes: tuple[ExpectedNode, ...]) -> View:
    tables = {}
    for name, (role, connects) in TABLES[observer.role].items():
        listed = [node for node in nodes if node.role == role]
        names = tuple(node.node_name for node in listed)
        tables[name] = RouteTable(tuple(identity(node) for node in listed), names if connects else ())
    return View(tables)


def identity(node: ExpectedNode) -> Identity:
    return Identity(node.node_name, node.node_name, node.roles or ("ROLE_DATA",), node.labels or ())


def hurt(choices: Choices, seen: Seen) -> tuple[Seen, bool]:
    """Return ``seen`` with one fault, and whether the faulty node has a view."""
    observer = choices.pick(seen.nodes)
    view = seen.views.get(observer.name)
    kind = choices.below(8)
    views = dict(seen.views)
    if kind == 0:
        views.pop(observer.name, None)
        return replace(seen, views=views), True
    if kind == 1:
        views[observer.name] = Failure(choices.pick((ErrorKind.TIMEOUT, ErrorKind.NOT_ASKED, ErrorKind.REFUSED)), choices.text())
        return replace(seen, views=views), True
    if not isinstance(view, View) or not view.tables:
        return seen, False
    name = choices.pick(sorted(view.tables))
    table = view.tables[name]
    connects = TABLES[observer.role].get(name, ("", False))[1]
    if kind == 2:
        table = replace(table, registered=(*table.registered, Identity("stranger:1")))
    elif not table.registered:
        return seen, False
    else:
        one = choices.pick(table.registered)
        rest = tuple(each for each in table.registered if each != one)
        node = next((node for node in seen.nodes if node.node_name == one.node_name), None)
        if kind == 3:
            table = replace(table, registered=rest)
        elif kind == 4 and node and node.labels is not None:
            table = replace(table, registered=(*rest, one._replace(labels=(("other", "1"),))))
        elif kind == 5 and node and node.roles is not None:
            table = replace(table, registered=(*rest, one._replace(roles=("ROLE_UNSPECIFIED",))))
        elif kind == 6 and connects:
            table = replace(table, active=tuple(each for each in table.active if each != one.node_name))
        elif kind == 7 and connects:
            table = replace(table, evictable=(*table.evictable, one.node_name))
        else:
            table = replace(table, registered=(*rest, one._replace(node_name=one.node_name + "0")))
    views[observer.name] = View({**view.tables, name: table})
    return replace(seen, views=views), True


def any_seen(choices: Choices) -> Seen:
    """Return a cluster with up to 7 faults."""
    seen = perfect(choices)
    for _ in range(choices.below(8)):
        seen, _ = hurt(choices, seen)
    if choices.once_in(2):
        names = [node.name for node in seen.nodes]
        seen = replace(seen, reach={(choices.pick(names), choices.pick(names)): choices.once_in(2) for _ in range(choices.below(6))})
    return seen


def wild(choices: Choices) -> Seen:
    """Return unrelated views: any tables, duplicate names, unknown nodes, views and reaches of nodes that are not in the cluster."""
    seen = any_seen(choices)
    names = [node.node_name for node in seen.nodes] + ["stranger:1", ""]
    tables = {
        choices.pick(("property", "tire1", "tire2", "lifecycle", "")): RouteTable(
            tuple(Identity(choices.pick(names), choices.text(), choices.pick(SERVER_ROLES), choices.pick(LABELS)) for _ in range(choices.below(4))),
            tuple(choices.some(names)),
            tuple(choices.some(names)),
        )
        for _ in range(choices.below(4))
    }
    observers = [*(node.name for node in seen.nodes), "unknown"]
    reach = {(choices.pick(observers), choices.pick(observers)): choices.once_in(2) for _ in range(choices.below(6))}
    stood = choices.pick((-1.0, float("nan"), float("inf"), {}, {"unknown": 1.0}, 31))
    nodes = () if choices.byte() == 255 else seen.nodes
    return Seen(nodes, {**seen.views, choices.pick(observers): View(tables)}, reach, stood)


@given(made(90, wild))
def test_there_is_a_verdict_over_any_views_and_it_is_that_of_its_worst_finding(seen: Seen) -> None:
    verdict = seen.judged()
    names = [node.name for node in seen.nodes]
    assert list(verdict.matrix) == names and all(list(row) == names for row in verdict.matrix.values())
    worst = max((VERDICTS.index(pair.verdict) for pair in verdict.pairs), default=VERDICTS.index(CONVERGED if names else UNKNOWN))
    assert verdict.verdict == VERDICTS[worst]
    assert all(pair.remedy and pair.expected and pair.seen and pair.verdict != CONVERGED for pair in verdict.pairs)
    assert json.dumps(verdict.to_mapping())
    assert view_report.lines("c", seen.nodes, verdict)


def perfect_and_hurt(choices: Choices) -> tuple[Seen, Seen, bool]:
    seen = perfect(choices)
    return (seen, *hurt(choices, seen))


@given(made(70, perfect_and_hurt))
def test_a_cluster_is_converged_in_which_each_sees_what_it_should_and_not_with_one_view_or_one_pair_missing(drawn: tuple[Seen, Seen, bool]) -> None:
    seen, hurt_seen, wrong = drawn
    verdict = seen.judged()
    assert (verdict.verdict, verdict.pairs) == (CONVERGED, ())
    assert {cell for row in verdict.matrix.values() for cell in row.values()} <= {ACTIVE, REGISTERED, "-"}
    assert (hurt_seen.judged().verdict == CONVERGED) != wrong


of_every_verdict = Statements()


@given(made(130, lambda choices: (any_seen(choices), choices.shuffled(range(5)))))
def test_what_holds_of_every_verdict(drawn: tuple[Seen, list[int]]) -> None:
    seen, order = drawn
    of_every_verdict.hold(seen, seen.judged(), order)


@of_every_verdict
def converged_means_every_view_and_every_pair(seen: Seen, verdict: Verdict, _order: list[int]) -> None:
    right = all(
        isinstance(view, View) and all(shows(view, observer, name, seen.nodes) for name in TABLES[observer.role])
        for observer in seen.nodes
        for view in [seen.views.get(observer.name)]
    )
    assert (verdict.verdict == CONVERGED) == (not verdict.pairs)
    assert right or verdict.verdict != CONVERGED
    # Connection tests from the nodes' own hosts may contradict right views.
    assert not right or verdict.verdict == CONVERGED or False in seen.reach.values()


def shows(view: View, observer: ExpectedNode, name: str, nodes: tuple[ExpectedNode, ...]) -> bool:
    """Return whether a table is right, by a second implementation."""
    role, connects = TABLES[observer.role][name]
    table = view.tables.get(name, RouteTable())
    expected = {node.node_name: node for node in nodes if node.role == role}
    seen = {node.node_name: node for node in table.registered}
    return (
        seen.keys() == expected.keys()
        and all(expected[key].labels in (None, node.labels) for key, node in seen.items())
        and all(expected[key].roles is None or set(expected[key].roles or ()) == set(node.roles) for key, node in seen.items())
        and (not connects or expected.keys() <= set(table.active) - set(table.evictable))
    )


@of_every_verdict
def a_view_that_is_lost_never_makes_the_verdict_converged_and_is_named(seen: Seen, _verdict: Verdict, _order: list[int]) -> None:
    for node in seen.nodes:
        less = replace(seen, views={name: view for name, view in seen.views.items() if name != node.name}).judged()
        assert VERDICTS.index(less.verdict) >= VERDICTS.index(UNKNOWN)
        assert any((pair.observer, pair.subject, pair.verdict) == (node.name, node.name, UNKNOWN) for pair in less.pairs)
        assert set(less.matrix[node.name].values()) == {"?"}


@of_every_verdict
def all_nodes_are_judged_alike(seen: Seen, first: Verdict, order: list[int]) -> None:
    """Names and order do not matter: after an exchange of all names the findings are the same, with exchanged names."""
    order = [number for number in order if number < len(seen.nodes)]
    entry = {f"n{number}": f"n{to}" for number, to in enumerate(order)}
    own = {f"node{number}:17912": f"node{to}:17912" for number, to in enumerate(order)}

    def named(name: str) -> str:
        return entry.get(name, own.get(name, name))

    def identities(nodes: tuple[Identity, ...]) -> tuple[Identity, ...]:
        return tuple(node._replace(node_name=named(node.node_name)) for node in nodes)

    def view(of: View | Failure) -> View | Failure:
        if isinstance(of, Failure):
            return of
        return View(
            {
                name: RouteTable(identities(table.registered), tuple(map(named, table.active)), tuple(map(named, table.evictable)))
                for name, table in of.tables.items()
            }
        )

    exchanged = Seen(
        tuple(node._replace(name=named(node.name), node_name=named(node.node_name)) for node in reversed(seen.nodes)),
        {named(name): view(of) for name, of in seen.views.items()},
        {(named(observer), named(subject)): reached for (observer, subject), reached in seen.reach.items()},
        {named(name): stood for name, stood in seen.stood.items()} if isinstance(seen.stood, Mapping) else seen.stood,
    )
    second = exchanged.judged()
    assert first.verdict == second.verdict
    key: Callable[[Any], Any] = lambda pair: (pair.observer, pair.subject, pair.table, pair.expected, pair.seen, pair.verdict)  # noqa: E731
    assert sorted((named(o), named(s), *rest) for o, s, *rest in map(key, first.pairs)) == sorted(map(key, second.pairs))
    assert {named(o): {named(s): cell for s, cell in row.items()} for o, row in first.matrix.items()} == second.matrix


def state(choices: Choices) -> Any:
    """Return mostly the JSON of a cluster state; any of its values may be something else."""

    def other(value: Any) -> Any:
        return choices.value() if choices.byte() > 245 else value

    def node() -> dict[str, Any]:
        fields = {
            "metadata": other({"name": other(choices.text()), "group": "", "id": 0}),
            "roles": other([other(role) for role in choices.pick(SERVER_ROLES)]),
            "grpcAddress": other(choices.text()),
            "createdAt": other(choices.pick(("2026-11-21T07:59:46.141947179Z", "", None))),
            "labels": other({choices.text(): other(choices.text()) for _ in range(choices.below(3))}),
            "zone": choices.value(1),
        }
        return {name: fields[name] for name in choices.some(tuple(fields))} if choices.once_in(2) else fields

    tables = {
        choices.pick(("property", "tire1", "tire2", choices.wild_text())): other(
            {
                "registered": other([other(node()) for _ in range(choices.below(3))]),
                "active": other([other(choices.text()) for _ in range(choices.below(3))]),
                "evictable": other([]),
            }
        )
        for _ in range(choices.below(3))
    }
    return other({"routeTables": other(tables)} if choices.byte() < 250 else {"tables": tables})


@given(made(250, state))
def test_a_cluster_state_is_a_view_or_is_refused_with_its_place(answer: Any) -> None:
    try:
        view = View.from_mapping(answer)
    except ViewError as error:
        assert str(error).startswith(("the answer: ", "routeTables")) and len(str(error)) < 1000
        return
    assert View.from_result(json.loads(json.dumps(view.to_mapping()))) == view
    for name, table in (answer.get("routeTables") or {}).items():
        assert len(view.tables[name].registered) == len(table.get("registered", ()))
        assert list(view.tables[name].active) == list(table.get("active", ()))
