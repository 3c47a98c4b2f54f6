# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE, role_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import Verdict, judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import (
    PROPERTY,
    TIRE1,
    TIRE2,
    Identity,
    RouteTable,
    View,
    ViewError,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import TABLES, VERDICTS, cell, differences

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


def recorded(kind: str) -> Any:
    return json.loads((RECORDED / f"cluster-state-{kind}.json").read_text())


DATA_VIEW = View.from_mapping(recorded("data-17913"))
LIAISON_VIEW = View.from_mapping(recorded("liaison-17913"))

# The recorded cluster: 2 liaisons, 3 data nodes.
LIAISONS = [ExpectedNode(f"l{n}", f"node{n}:18912", LIAISON) for n in (1, 2)]
DATAS = [ExpectedNode(f"d{n}", f"node{n}:17912", DATA) for n in (3, 4, 5)]
CLUSTER = [*LIAISONS, *DATAS]
L1, L2, D3, D4, D5 = CLUSTER
FINE: dict[str, View | Failure] = {**{n.name: LIAISON_VIEW for n in LIAISONS}, **{n.name: DATA_VIEW for n in DATAS}}


def changed(view: View, table: str, **fields: Any) -> View:
    return View({**view.tables, table: replace(view.tables[table], **fields)})


def without(view: View, table: str, name: str) -> View:
    kept = tuple(node for node in view.tables[table].registered if node.node_name != name)
    return changed(view, table, registered=kept)


def evicted(name: str) -> View:
    """Return the view of a liaison that cannot use ``name``."""
    active = tuple(other for other in LIAISON_VIEW.tables[TIRE2].active if other != name)
    return changed(LIAISON_VIEW, TIRE2, active=active, evictable=(name,))


def found(verdict: Verdict) -> list[tuple[str, str, str, str, str]]:
    return [(pair.observer, pair.subject, pair.table, pair.seen, pair.verdict) for pair in verdict.pairs]


# Reading an answer


def test_the_answer_of_a_data_node_is_one_table_without_connections() -> None:
    assert set(DATA_VIEW.tables) == {PROPERTY}
    table = DATA_VIEW.tables[PROPERTY]
    assert table.by_name["node3:17912"] == Identity(
        "node3:17912", "node3:17912", ("ROLE_META", "ROLE_DATA"), (("type", "hot"),), "2026-11-21T07:59:46.141947179Z"
    )
    assert (table.active, table.evictable) == ((), ())
    assert DATA_VIEW.registered_names() == {"node3:17912", "node4:17912", "node5:17912"}


def test_the_answer_of_a_liaison_has_two_tables_with_connections() -> None:
    assert set(LIAISON_VIEW.tables) == {TIRE1, TIRE2}
    for table in LIAISON_VIEW.tables.values():
        assert set(table.active) == set(table.by_name)
    assert LIAISON_VIEW.registered_names() == {"node1:18912", "node2:18912", "node3:17912", "node4:17912", "node5:17912"}


def test_a_liaisons_internal_port_answers_with_no_tables() -> None:
    assert View.from_mapping(recorded("liaison-18913")) == View.from_mapping({}) == View()


def test_a_view_becomes_plain_data() -> None:
    plain = LIAISON_VIEW.to_mapping()
    assert json.loads(json.dumps(plain)) == plain
    assert sorted(plain) == [TIRE1, TIRE2]
    assert plain[TIRE1]["registered"][0]["node_name"] == "node2:18912"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ((), [], "the answer: expected an object, got list"),
        ((), None, "the answer: expected an object, got NoneType"),
        ((), "SERVING", "the answer: expected an object, got str"),
        ((), {"code": 5, "message": "Not Found"}, "routeTables is missing"),
        ((), {1: 2}, "the answer: expected text keys, got 1"),
        (("routeTables",), None, "routeTables: expected an object, got NoneType"),
        (("routeTables",), [], "routeTables: expected an object, got list"),
        (("routeTables", "property"), "x", "routeTables.property: expected an object, got str"),
        (("routeTables", "property", "registered"), {}, "property.registered: expected a list of nodes, got dict"),
        (("routeTables", "property", "registered"), None, "property.registered: expected a list of nodes, got NoneType"),
        (("routeTables", "property", "registered", 1), "node", r"registered\[1\]: expected an object, got str"),
        (("routeTables", "property", "registered", 1, "metadata"), "x", r"registered\[1\].metadata: expected an object, got str"),
        (("routeTables", "property", "registered", 1, "metadata", "name"), 7, r"metadata.name: expected a text, got int"),
        (("routeTables", "property", "registered", 1, "metadata", "name"), None, r"metadata.name: expected a text, got NoneType"),
        (("routeTables", "property", "registered", 0, "roles"), "ROLE_DATA", r"roles: expected a list of texts, got str"),
        (("routeTables", "property", "registered", 0, "roles", 1), 2, r"roles\[1\]: expected a text, got int"),
        (("routeTables", "property", "registered", 0, "grpcAddress"), 1, "grpcAddress: expected a text, got int"),
        (("routeTables", "property", "registered", 0, "labels"), [1], "labels: expected an object, got list"),
        (("routeTables", "property", "registered", 0, "labels", "type"), 1, "labels.type: expected a text, got int"),
        (("routeTables", "property", "registered", 0, "createdAt"), 1.5, "createdAt: expected a text, got float"),
        (("routeTables", "property", "active"), "x", "property.active: expected a list of texts, got str"),
        (("routeTables", "property", "evictable"), [None], r"property.evictable\[0\]: expected a text, got NoneType"),
    ],
)
def test_an_answer_of_another_shape_is_refused_with_its_place(path: tuple[Any, ...], value: object, says: str) -> None:
    answer = copy.deepcopy(recorded("data-17913"))
    inner = {"": answer}
    where: Any = ""
    for key in path:
        inner, where = inner[where], key
    inner[where] = value
    with pytest.raises(ViewError, match=says):
        View.from_mapping(answer if path else value)


# Cells


@pytest.mark.parametrize(
    ("table", "connects", "expected"),
    [
        (RouteTable(), True, "missing"),
        (RouteTable(active=("node3:17912",)), True, "missing"),
        (RouteTable((Identity("node3:17912"),)), False, "registered"),
        (RouteTable((Identity("node3:17912"),)), True, "connecting"),
        (RouteTable((Identity("node3:17912"),), active=("node3:17912",)), True, "active"),
        (RouteTable((Identity("node3:17912"),), evictable=("node3:17912",)), True, "evictable"),
        (RouteTable((Identity("node3:17912"),), active=("node3:17912",), evictable=("node3:17912",)), True, "evictable"),
        (RouteTable((Identity("node3:17912", labels=(("zone", "a"),)),), active=("node3:17912",)), True, "active"),
    ],
)
def test_what_a_table_shows_of_a_node(table: RouteTable, connects: bool, expected: str) -> None:
    assert cell(D3, table, connects) == expected


def test_an_identity_is_stale_when_labels_or_roles_differ_that_are_compared() -> None:
    table = RouteTable((Identity("node3:17912", roles=("ROLE_META", "ROLE_DATA"), labels=(("a", "1"), ("b", "2"))),), ("node3:17912",))
    for right in (D3, D3._replace(roles=("ROLE_DATA", "ROLE_META")), D3._replace(labels=(("b", "2"), ("a", "1")))):
        assert cell(right, table, True) == "active"
    for wrong in (D3._replace(roles=("ROLE_DATA",)), D3._replace(labels=()), D3._replace(labels=(("a", "1"), ("b", "3")))):
        assert cell(wrong, table, True) == "stale"


def test_each_kind_of_node_is_held_against_its_own_tables() -> None:
    alone = ExpectedNode("s1", "node9:17912", STANDALONE)
    matrix = judge([*CLUSTER, alone], {**FINE, "s1": View()}).matrix
    assert matrix["d3"] == {"l1": "-", "l2": "-", "d3": "registered", "d4": "registered", "d5": "registered", "s1": "-"}
    assert matrix["l1"] == {**dict.fromkeys(["l1", "l2", "d3", "d4", "d5"], "active"), "s1": "-"}
    assert set(matrix["s1"].values()) == {"-"}


def test_the_role_behind_an_entry_follows_from_its_port() -> None:
    assert role_of("h:18912") == LIAISON
    assert role_of("h:17912") == role_of("h:7000") == DATA


# The verdicts


def test_the_recorded_cluster_is_converged() -> None:
    verdict = judge(CLUSTER, FINE)
    assert (verdict.verdict, verdict.pairs) == ("converged", ())
    assert verdict.matrix["l2"] == dict.fromkeys(["l1", "l2", "d3", "d4", "d5"], "active")
    assert verdict.matrix["d4"] == {"l1": "-", "l2": "-", "d3": "registered", "d4": "registered", "d5": "registered"}


def test_a_difference_is_converging_at_first_and_drift_later() -> None:
    views = {**FINE, "d4": without(DATA_VIEW, PROPERTY, "node5:17912")}
    verdict = judge(CLUSTER, views)
    assert found(verdict) == [("d4", "d5", "property", "missing", "converging")]
    assert verdict.verdict == "converging"
    assert verdict.matrix["d4"]["d5"] == "missing"
    later = judge(CLUSTER, views, stood=30.0)
    assert later.verdict == "drift"
    assert "Push the topology to d4" in later.pairs[0].remedy


def test_a_node_of_nobodys_is_extra() -> None:
    cluster = [L1, L2, D3, D4]
    views = {name: view for name, view in FINE.items() if name != "d5"}
    verdict = judge(cluster, views, stood=31)
    assert found(verdict) == [
        (observer, "node5:17912", "tire2" if observer[0] == "l" else "property", "extra", "drift") for observer in ("l1", "l2", "d3", "d4")
    ]
    assert "Run skywalking.banyandb.remove, or add its host" in verdict.pairs[0].remedy
    assert judge(cluster, views).verdict == "converging"


def test_a_stale_identity_is_drift_at_once() -> None:
    cluster = [L1, L2, D3, D4, D5._replace(labels=(("type", "cold"),))]
    verdict = judge(cluster, FINE)
    assert verdict.verdict == "drift"
    assert {seen for *_, seen, _ in found(verdict)} == {"stale"}
    assert "Refresh d5 on l1" in verdict.pairs[0].remedy


def test_a_node_that_answers_and_stays_evictable_is_stuck_after_30_seconds() -> None:
    views = {**FINE, "l1": evicted("node4:17912")}
    assert found(judge(CLUSTER, views, stood=29.9)) == [("l1", "d4", "tire2", "evictable", "converging")]
    verdict = judge(CLUSTER, views, stood=30.0)
    assert found(verdict) == [("l1", "d4", "tire2", "evictable", "stuck")]
    assert (verdict.verdict, verdict.matrix["l1"]["d4"], verdict.matrix["l2"]["d4"]) == ("stuck", "evictable", "active")
    assert "Refresh d4 on l1" in verdict.pairs[0].remedy


def test_servers_that_ask_dns_have_as_long_as_they_need_and_remedies_of_their_own() -> None:
    without = {**FINE, "l1": View({**FINE["l1"].tables, "tire2": RouteTable(FINE["l1"].tables["tire2"].registered[1:])})}
    early = judge(CLUSTER, without, stood=39.9, settle=40.0, discovery="dns")
    assert {pair.verdict for pair in early.pairs} == {"converging"}
    late = judge(CLUSTER, without, stood=40.0, settle=40.0, discovery="dns")
    missing = next(pair for pair in late.pairs if pair.seen == "missing")
    assert missing.verdict == "drift"
    assert missing.remedy.startswith(f"See whether the host of l1 gets the record of {missing.subject} from its nameserver.")
    assert f"Take the record of {missing.subject} out of DNS until l1 no longer shows that node" in missing.remedy


def test_both_answer_but_not_each_other_is_a_partition() -> None:
    views = {**FINE, "l1": evicted("node4:17912")}
    verdict = judge(CLUSTER, views, reach={("l1", "d4"): False, ("l2", "d4"): True})
    assert found(verdict) == [("l1", "d4", "tire2", "evictable", "partitioned")]
    assert verdict.verdict == "partitioned"


def test_a_liaison_that_still_uses_what_its_host_does_not_reach_is_no_longer_converged() -> None:
    reach = {("l1", "l1"): True, ("l1", "d4"): False}
    verdict = judge(CLUSTER, FINE, reach)
    assert (verdict.verdict, found(verdict)) == ("converging", [("l1", "d4", "tire2", "unreached", "converging")])
    assert (verdict.matrix["l1"]["d4"], verdict.matrix["l2"]["d4"]) == ("unreached", "active")
    later = judge(CLUSTER, FINE, reach, stood=30.0)
    assert found(later) == [("l1", "d4", "tire2", "unreached", "partitioned")]
    assert "Repair the network from the host of l1 to d4" in later.pairs[0].remedy


def test_a_drain_explains_what_would_be_a_partition() -> None:
    views = {**FINE, "l1": changed(LIAISON_VIEW, TIRE1, active=("node1:18912",), evictable=("node2:18912",))}
    partition = judge(CLUSTER, views, reach={("l1", "l2"): False}, stood=31.0)
    assert found(partition) == [("l1", "l2", "tire1", "evictable", "partitioned")]
    drained = partition.with_drains({"l2": 95})
    assert (drained.verdict, found(drained)) == ("converging", [("l1", "l2", "tire1", "evictable", "converging")])
    assert drained.pairs[0].remedy == "A drain blocks l2 for at most 95 s. Wait, or run the interrupted playbook again."
    assert partition.with_drains({}) is partition
    both = partition.with_drains({"d4": 3})
    assert (both.verdict, found(both)[1]) == ("partitioned", ("d4", "d4", "", "drained", "converging"))


def test_a_drained_liaison_that_does_not_run_is_reported_as_stopped() -> None:
    views = {**FINE, "l2": Failure.at("node2:18913", ErrorKind.REFUSED, "nothing listens there")}
    (pair,) = judge(CLUSTER, views).with_drains({"l2": 95}).pairs
    assert pair.seen.startswith("refused: ") and "which starts the server" in pair.remedy


def test_other_labels_of_a_drained_node_stay_a_finding_of_their_own() -> None:
    wanted = [L1, L2._replace(labels=(("zone", "b"),)), *DATAS]
    assert {pair.verdict for pair in judge(wanted, FINE).with_drains({"l2": 95}).pairs} == {"drift"}


def test_a_disabled_server_may_have_been_removed_on_purpose() -> None:
    verdict = judge(CLUSTER, {**FINE, "d5": Failure.at("node5:17913", ErrorKind.DISABLED, "banyandb-data.service is stopped and disabled")})
    (pair,) = verdict.pairs
    assert pair.seen == "disabled: node5:17913: banyandb-data.service is stopped and disabled"
    assert pair.remedy == "Delete d5 from the inventory if it was removed. If not, run skywalking.banyandb.deploy, which starts its server."


def test_a_data_node_that_lists_one_which_others_reach_and_it_does_not_is_cut_off_from_it() -> None:
    verdict = judge(CLUSTER, FINE, {("d3", "d4"): False, ("d5", "d4"): True})
    assert (verdict.verdict, found(verdict)) == ("partitioned", [("d3", "d4", "property", "unreached", "partitioned")])
    assert verdict.matrix["d3"] == {"l1": "-", "l2": "-", "d3": "registered", "d4": "unreached", "d5": "registered"}


def test_a_data_node_rightly_lists_one_that_is_unreachable() -> None:
    views = {**FINE, "d4": Failure(ErrorKind.REFUSED, "refused")}
    reach = {(observer, "d4"): False for observer in ("d3", "d5")}
    assert found(judge(CLUSTER, views, reach)) == [("d4", "d4", "", "refused: refused", "unknown")]


def test_a_trial_that_fails_on_the_observers_own_node_says_nothing() -> None:
    assert judge(CLUSTER, FINE, {("l1", "l1"): False, ("l1", "d4"): False}, stood=31).verdict == "converged"


def test_a_node_that_could_not_be_asked_is_unknown_and_never_fine() -> None:
    views = {**FINE, "d5": Failure(ErrorKind.TIMEOUT, "no answer")}
    verdict = judge(CLUSTER, views)
    assert (verdict.verdict, found(verdict)) == ("unknown", [("d5", "d5", "", "timeout: no answer", "unknown")])
    assert verdict.matrix["d5"] == dict.fromkeys(["l1", "l2", "d3", "d4", "d5"], "?")
    missing = judge(CLUSTER, {name: view for name, view in FINE.items() if name != "d5"})
    assert (missing.verdict, missing.pairs[0].seen) == ("unknown", "not_asked: no view was asked for")


def test_nothing_is_asked_of_what_others_show_of_a_dead_node() -> None:
    views = {**FINE, "l1": evicted("node5:17912"), "d5": Failure(ErrorKind.REFUSED, "refused")}
    verdict = judge(CLUSTER, views, stood=100)
    assert found(verdict) == [("d5", "d5", "", "refused: refused", "unknown")]
    assert verdict.matrix["l1"]["d5"] == "evictable"


def test_the_worst_finding_is_the_verdict() -> None:
    assert VERDICTS == ("converged", "converging", "unknown", "drift", "stuck", "partitioned")
    views: dict[str, View | Failure] = {
        **FINE,
        "l1": evicted("node4:17912"),
        "d3": without(DATA_VIEW, PROPERTY, "node4:17912"),
        "d5": Failure(ErrorKind.TIMEOUT, "no answer"),
    }
    verdict = judge(CLUSTER, views, stood=40)
    assert {pair.verdict for pair in verdict.pairs} == {"stuck", "drift", "unknown"}
    assert verdict.verdict == "stuck"


def test_a_cluster_without_nodes_is_unknown() -> None:
    assert judge([], {}).verdict == "unknown"


def test_a_view_from_a_port_without_tables_is_not_converged() -> None:
    assert judge(CLUSTER, {**FINE, "l1": View()}).verdict == "converging"


def test_a_verdict_becomes_plain_data() -> None:
    plain = judge(CLUSTER, {**FINE, "l1": evicted("node4:17912")}, stood=40).to_mapping()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["verdict"] == "stuck"
    assert plain["pairs"][0]["observer"] == "l1"
    assert plain["matrix"]["l1"]["d4"] == "evictable"


def test_differences_of_one_view_are_the_evidence_of_the_verdict() -> None:
    view = evicted("node4:17912")
    everybody = [node.name for node in CLUSTER]
    assert tuple(differences(L1, view, CLUSTER, everybody)) == judge(CLUSTER, {**FINE, "l1": view}).pairs
    assert differences(L1, view, CLUSTER, ["d3"]) == []


# What must hold of any cluster


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[ExpectedNode], dict[str, View | Failure], dict[tuple[str, str], bool], float]:
    """Draw nodes and any views of them: complete views without some names, connections or whole views."""
    roles = st.sampled_from([DATA, LIAISON, STANDALONE])
    labels = st.sampled_from([None, (), (("a", "1"),)])
    nodes = [ExpectedNode(f"n{index}", f"node{index}:1", draw(roles), labels=draw(labels)) for index in range(draw(st.integers(1, 4)))]
    rarely = st.integers(0, 9).map(lambda number: number == 0)
    views: dict[str, View | Failure] = {}
    for observer in nodes:
        if draw(rarely):
            if draw(st.booleans()):
                views[observer.name] = Failure(ErrorKind.TIMEOUT, "no answer")
            continue
        tables = {}
        for name, (role, connects) in TABLES[observer.role].items():
            shown = [node for node in nodes if node.role == role and not draw(rarely)]
            identities = [Identity(node.node_name, labels=(("a", "2"),) if draw(rarely) else node.labels or ()) for node in shown]
            identities += [Identity("stranger:1")] if draw(rarely) else []
            active = [node.node_name for node in shown if connects and not draw(rarely)]
            evictable = [node.node_name for node in shown if connects and draw(rarely)]
            if not draw(rarely):
                tables[name] = RouteTable(tuple(identities), tuple(active), tuple(evictable))
        views[observer.name] = View(tables)
    names = [node.name for node in nodes]
    reach = draw(st.dictionaries(st.tuples(st.sampled_from(names), st.sampled_from(names)), st.booleans(), max_size=3))
    return nodes, views, reach, draw(st.sampled_from([0.0, 31.0]))


@settings(max_examples=400, deadline=None)
@given(clusters())
def test_a_cluster_is_converged_exactly_when_every_view_is_there_and_shows_every_expected_node_and_no_other(
    given_cluster: tuple[list[ExpectedNode], dict[str, View | Failure], dict[tuple[str, str], bool], float],
) -> None:
    nodes, views, reach, stood = given_cluster
    right = True
    for observer in nodes:
        view = views.get(observer.name)
        if not isinstance(view, View):
            right = False
            continue
        for name, (role, connects) in TABLES[observer.role].items():
            table = view.tables.get(name, RouteTable())
            expected = {node.node_name: node for node in nodes if node.role == role}
            seen = {identity.node_name: identity for identity in table.registered}
            right &= set(seen) == set(expected)
            right &= all(expected[key].labels in (None, seen[key].labels) for key in set(seen) & set(expected))
            right &= not connects or set(expected) <= set(table.active) - set(table.evictable)
            if reach.get((observer.name, observer.name)) is not False:
                cut_off = {node.name for node in expected.values() if reach.get((observer.name, node.name)) is False}
                right &= not (cut_off if connects else cut_off & {subject for (_, subject), reached in reach.items() if reached})
    verdict = judge(nodes, views, reach, stood)
    assert (verdict.verdict == "converged") == right
    assert bool(verdict.pairs) != right
    assert set(verdict.matrix) == {node.name for node in nodes}
    assert all(set(row) == set(verdict.matrix) for row in verdict.matrix.values())
    assert all(pair.remedy and pair.verdict != "converged" for pair in verdict.pairs)
