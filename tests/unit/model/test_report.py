# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import view_report
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View


def data(count: int) -> list[ExpectedNode]:
    return [ExpectedNode(f"d{number:02}", f"d{number:02}:17912", "data") for number in range(count)]


def view(nodes: list[ExpectedNode]) -> View:
    return View({"property": RouteTable(tuple(Identity(node.node_name) for node in nodes))})


def test_a_small_cluster_is_shown_whole() -> None:
    nodes = [*data(2), ExpectedNode("l1", "l1:18912", "liaison")]
    liaison = View(
        {
            "tire1": RouteTable((Identity("l1:18912"),), ("l1:18912",)),
            "tire2": RouteTable(tuple(Identity(n.node_name) for n in nodes[:2]), ("d00:17912",), ("d01:17912",)),
        }
    )
    verdict = judge(nodes, {"d00": view(nodes[:2]), "d01": view(nodes[:2]), "l1": liaison})
    lines = view_report.lines("edge", nodes, verdict)
    assert lines[0] == "cluster edge, 3 nodes: converging"
    assert lines[1:5] == [
        "                d00  d01        l1",
        "  d00 (data)    ok   ok         -",
        "  d01 (data)    ok   ok         -",
        "  l1 (liaison)  ok   evictable  ok",
    ]
    assert lines[5].startswith("  converging: l1 shows d01 as evictable in tire2 (expected active). Ask again")


def test_a_node_that_could_not_be_asked_is_reported_with_its_reason() -> None:
    nodes = data(1)
    lines = view_report.lines("default", nodes, judge(nodes, {"d00": Failure("refused", "nobody listens")}))
    assert lines[0] == "cluster default, 1 node: unknown"
    assert lines[-1].startswith("  unknown: d00: refused: nobody listens. Run skywalking.banyandb.deploy")


def test_of_a_large_cluster_only_rows_and_columns_with_findings_are_shown() -> None:
    nodes = data(40)
    views = {node.name: view(nodes) for node in nodes}
    assert view_report.table(nodes, judge(nodes, views)) == ["  all 40 nodes see all that concern them"]
    views["d07"] = view([node for node in nodes if node.name != "d33"])
    assert view_report.table(nodes, judge(nodes, views)) == ["              d33", "  d07 (data)  missing"]


def test_a_finding_is_one_line_of_at_most_200_characters() -> None:
    nodes = data(1)
    (line,) = view_report.lines("default", nodes, judge(nodes, {"d00": Failure("refused", "nobody listens " * 40)}))[-1:]
    assert len(line) <= 200 and line.startswith("  unknown: d00: refused: nobody listens ") and "Run skywalking.banyandb.deploy" in line


def test_a_finding_keeps_its_address_and_cause_when_the_remedy_is_short() -> None:
    nodes = data(1)
    failure = Failure("unreachable", "ssh: connect to host data1.banyandb.eu-west-1.example.org port 22: Connection timed out")
    (line,) = view_report.lines("default", nodes, judge(nodes, {"d00": failure}))[-1:]
    assert line == f"  unknown: d00: unreachable: {failure.message}. Make the host of d00 reachable."


def test_nodes_without_a_view_for_the_same_reason_share_one_line() -> None:
    nodes = [ExpectedNode(f"d{number}", f"d{number}:17912", "data") for number in range(9)]
    views = {node.name: Failure("not_asked", "its host was not part of this run") for node in nodes[1:8]}
    views["d0"] = Failure("unreachable", "no route")
    lines = [line for line in view_report.lines("default", nodes, judge(nodes, views)) if "unknown: " in line]
    assert lines == [
        "  unknown: d0: unreachable: no route. Make the host of d0 reachable.",
        "  unknown: d1, d2, d3 and 4 more: not_asked: its host was not part of this run. "
        "Run without --limit, or see above why the run lost the host.",
        "  unknown: d8: not_asked: no view was asked for. Run without --limit, or see above why the run lost the host.",
    ]
