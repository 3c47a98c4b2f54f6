# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.skywalking.banyandb.plugins.action import cluster_report
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View

ENTRIES = [
    {"name": name, "node_name": f"{name}:17912", "grpc_address": f"{name}:17912", "role": "data", "roles": None, "labels": {}}
    for name in ("d1", "d2")
]


def view(*names: str) -> View:
    return View({"property": RouteTable(tuple(Identity(f"{name}:17912") for name in names))})


def state(seen: View, **more: Any) -> dict[str, Any]:
    return {"endpoints": {"d1": {"tables": seen.to_mapping(), "error": None}}, "reach": {}, "blocked": {}, "stood": 0.0, **more}


def test_what_cluster_state_info_returned_is_read_back() -> None:
    answer = cluster_report.answer_of("d1", {"d1": {"state": state(view("d1", "d2"), stood=31.0, reach={"d2:17912": True})}}, ["state"])
    assert answer == cluster_report.Answer(view("d1", "d2"), {"d2:17912": True}, 31.0)


def test_what_topology_returned_is_read_back() -> None:
    """d4 responds, and is held back since it lacks the schema."""
    pushed = {"view": view("d1").to_mapping(), "away": ["d2"], "held_back": ["d3", "d4"], "unready": {"d4": "d4: not added"}}
    assert cluster_report.answer_of("d1", {"d1": {"pushed": pushed}}, ["pushed"]) == cluster_report.Answer(view("d1"), silent=["d2", "d3"])


def test_a_push_that_did_not_reach_a_node_which_answers_shows_a_partition() -> None:
    answers = {
        "d1": cluster_report.Answer(view("d1"), silent=["d2"]),
        "d2": cluster_report.Answer(view("d1", "d2"), silent=[]),
    }
    found = cluster_report.cluster_report("default", ENTRIES, answers)
    assert [(pair["observer"], pair["subject"], pair["seen"], pair["verdict"]) for pair in found["pairs"]] == [("d1", "d2", "missing", "partitioned")]
    answers["d1"] = cluster_report.Answer(view("d1", "d2"), silent=["d2"])
    assert cluster_report.cluster_report("default", ENTRIES, answers)["pairs"][0]["seen"] == "unreached"


def test_the_first_variable_that_was_not_skipped_counts() -> None:
    registered = {"pushed": {"skipped": True, "changed": False}, "asked": state(view("d1"))}
    assert cluster_report.answer_of("d1", {"d1": registered}, ["pushed", "asked"]).view == view("d1")


def test_a_host_that_was_unreachable_from_the_start_is_distinguished_from_one_that_was_left_out() -> None:
    away = {"looked": {"unreachable": True, "changed": False, "msg": "connection timed out"}}
    seen = cluster_report.answer_of("d1", {"d1": away}, ["pushed", "looked"]).view
    assert isinstance(seen, Failure) and (seen.kind, seen.message) == ("unreachable", "connection timed out")
    dropped_out_later = {"looked": {"failed": False, "changed": False, "services": {}}}
    seen = cluster_report.answer_of("d1", {"d1": dropped_out_later}, ["pushed", "looked"]).view
    assert isinstance(seen, Failure) and seen.kind == "not_asked"


@pytest.mark.parametrize(
    ("registered", "kind", "says"),
    [
        ({}, "not_asked", "not part of this run"),
        ({"state": {"skipped": True}}, "not_asked", "not part of this run"),
        ({"state": {"changed": True, "writes": 1, "verdict": "unknown"}}, "no_view", "its server does not run yet"),
        ({"state": {"unreachable": True, "msg": "no route\nto host"}}, "unreachable", "no route to host"),
        ({"state": {"failed": True, "msg": "module broke"}}, "failed", "module broke"),
        (
            {"state": {"endpoints": {"d1": {"tables": None, "error": {"kind": "refused", "message": "nobody"}}}, "reach": {}, "blocked": {}}},
            "refused",
            "nobody",
        ),
    ],
)
def test_a_host_without_a_view_is_never_taken_for_fine(registered: dict[str, Any], kind: str, says: str) -> None:
    seen = cluster_report.answer_of("d1", {"d1": registered}, ["state"]).view
    assert isinstance(seen, Failure) and seen.kind == kind and says in seen.message
    answers = {"d1": cluster_report.Answer(seen), "d2": cluster_report.Answer(view("d1", "d2"))}
    assert cluster_report.cluster_report("default", ENTRIES, answers)["verdict"] == "unknown"


def test_a_result_of_something_else_is_an_error() -> None:
    with pytest.raises(AnsibleActionFail, match="d1: state has no result"):
        cluster_report.answer_of("d1", {"d1": {"state": {"endpoints": {"d1": {}}}}}, ["state"])


def test_a_drain_that_one_host_knows_is_the_reason_in_the_report() -> None:
    answers = {"d1": cluster_report.Answer(view("d1", "d2"), {"d2:17912": False}, 31.0), "d2": cluster_report.Answer(view("d1", "d2"))}
    assert cluster_report.cluster_report("default", ENTRIES, answers)["verdict"] == "converged"
    read = cluster_report.answer_of("d2", {"d2": {"state": {**state(view("d1", "d2")), "endpoints": {}, "failed": True}}}, ["state"])
    assert read.blocked == {}
    registered = {"d1": {"state": state(view("d1", "d2"), reach={"d2:17912": False}, stood=31.0, blocked={"d2": 9})}}
    answers["d1"] = cluster_report.answer_of("d1", registered, ["state"])
    answers["d2"] = cluster_report.Answer(view("d1", "d2"), blocked={"d2": 95})
    found = cluster_report.cluster_report("default", ENTRIES, answers)
    assert found["verdict"] == "converging"
    assert found["lines"][-1] == (
        "  converging: d2: drained. A drain blocks d2 for at most 95 s. Wait, or run the interrupted playbook again."
    )


def test_views_of_all_hosts_make_one_verdict() -> None:
    answers = {name: cluster_report.Answer(view("d1", "d2")) for name in ("d1", "d2")}
    assert cluster_report.cluster_report("default", ENTRIES, answers)["verdict"] == "converged"
    answers["d2"] = cluster_report.Answer(view("d2"), {"d1:17912": False})
    found = cluster_report.cluster_report("default", ENTRIES, answers)
    assert (found["verdict"], [(pair["observer"], pair["subject"]) for pair in found["pairs"]]) == ("partitioned", [("d2", "d1")])


def test_the_file_has_the_verdict_and_replaces_an_older_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")
    answers = {name: cluster_report.Answer(view("d1", "d2")) for name in ("d1", "d2")}
    cluster_report._write(str(path), {"default": cluster_report.cluster_report("default", ENTRIES, answers)})
    assert json.loads(path.read_text())["default"]["verdict"] == "converged"
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]
    with pytest.raises(AnsibleActionFail, match="cannot be written on the controller: No such file"):
        cluster_report._write(str(tmp_path / "no" / "status.json"), {})


def test_failed_parts_of_a_liaison_are_reported() -> None:
    found = {"failed_parts": [{"path": "/var/lib/banyandb/measure/data/g/shard-0/failed-parts", "parts": 2}]}
    hostvars = {"l1": {"given": found}, "l2": {"given": {"failed_parts": []}}, "l3": {"given": {"failed_parts": None}}, "d1": {}}
    unseen, line = cluster_report.given_up(["l1", "l2", "l3", "d1", "not in the inventory"], hostvars, "given")
    assert unseen.strip() == "l3: cannot read the failed parts. Run with become: true."
    assert line.strip().startswith("l1: 2 parts in /var/lib/banyandb/measure/data/g/shard-0/failed-parts: acknowledged, but not sent to a data node.")
    assert cluster_report.given_up(["l1"], hostvars, None) == []


def test_a_liaison_that_cannot_read_its_failed_parts_is_one_line() -> None:
    hostvars = {"l1": {"given": {"error": "I/O error"}}, "l2": {"given": {"failed_parts": []}}}
    assert cluster_report.given_up(["l1", "l2"], hostvars, "given") == ["  l1: the failed parts are unknown. See the error above."]


def test_a_cluster_that_was_stopped_is_one_line_and_no_finding_for_each_server() -> None:
    refused = cluster_report.Answer(Failure("refused", "127.0.0.1:17913: connection refused"))
    found = cluster_report.cluster_report("default", ENTRIES, {"d1": refused, "d2": refused})
    assert [line.split(":")[0] for line in found["lines"]] == ["cluster default, 2 nodes", "  No server of this cluster runs"]
    assert len(found["pairs"]) == 2
    one_runs = cluster_report.cluster_report("default", ENTRIES, {"d1": refused, "d2": cluster_report.Answer(view("d1", "d2"))})
    assert not [line for line in one_runs["lines"] if "No server of this cluster runs" in line]


def test_the_certificates_of_hosts_with_tls_are_counted_and_hosts_without_an_answer_are_left_out() -> None:
    ends = {"127.0.0.1:17912": {"not_after": "2099-01-31T12:00:00Z", "serial": "1"}, "127.0.0.1:17916": {"not_after": "2001-01-31T12:00:00Z"}}
    hostvars = {
        "d1": {"state": state(view("d1"))},
        "d2": {"state": {"endpoints": {"d2": {"tables": None, "certificates": ends}}}, "banyandb_certificate_least_days": 5},
        "d3": {"state": {"endpoints": {"d3": {"tables": None, "certificates": {}}}}},
        "d4": {"state": {"unreachable": True}},
    }
    found = cluster_report.expiry_of(["d1", "d2", "d3", "d4", "of dns"], hostvars, ["state"])
    assert found.failing == ["d2", "d3"]
    assert "the first has expired, on 2001-01-31 12:00 UTC (d2)" in found.lines[0] and "d3: no TLS port serves a certificate" in found.lines[2]
    assert cluster_report.expiry_of(["d1"], hostvars, ["state"]) == ([], [])


@pytest.mark.parametrize(
    ("says", "wanted", "is_open"),
    [(False, True, True), (True, True, False), (True, False, False), (None, True, False), (None, False, True), ("unasked", True, False)],
)
def test_the_line_of_the_open_ports_says_what_is_loaded_on_the_host(says: Any, wanted: bool, is_open: bool) -> None:
    servers = {"d1": {"kind": "data", "open_ports": [17912], "firewall": wanted}}
    hostvars = {"d1": {} if says == "unasked" else {"state": state(view("d1"), firewall=says)}}
    line = "  Open to every host without a password: data 17912. Set banyandb_firewall: nftables, and run deploy."
    assert cluster_report.opened(["d1", "not in the inventory"], servers, hostvars, ["state"]) == ([line] if is_open else [])
