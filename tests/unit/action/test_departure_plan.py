# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of a departure's plan, from the reports of a run's hosts."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.action.departure_plan import (
    accepted_groups,
    content_of,
    leaving_of,
    look,
    risks_of_liaisons,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import Cause, Departure, Leaving, Reason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure_table import leaving_lines
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import Group
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused

GROUP = Group("m1", "CATALOG_MEASURE", 1, 604800, 86400)
ENTRIES = {"l1": "l1:18912", "d1": "d1:17912", "d2": "d2:17912", "old": "old:17912", "old-liaison": "x:18912"}
PARTS = "/var/lib/banyandb/measure/data/m1/shard-1/failed-parts"
OLD = Departure("default", "d0", "d0:17912", 1000, Cause.REMOVED, None)


def node(name, role="data", **labels):
    address = f"{name}:{18912 if role == 'liaison' else 17912}"
    return {"name": name, "role": role, "node_name": address, "grpc_address": address, "labels": labels}


NODES = [node("l1", "liaison"), node("l2", "liaison"), node("d1", type="hot"), node("d2"), node("d3")]


def report(entries=ENTRIES, groups=None, counts=None, **more):
    return {"departures": [], "entries": entries, "since": None, "groups": groups, "counts": counts or {}, "properties": None, "failure": "", **more}


def counted(*nodes):
    return report(groups=[GROUP.to_mapping()], counts={"m1": {f"{name}:17912": [[0, 86400, 5, 1]] for name in nodes}})


def seen(gone=(), parts=None, **reports):
    hostvars = {each["name"]: {"found": reports.get(each["name"], {"unreachable": True})} for each in NODES}
    for host, paths in (parts or {}).items():
        hostvars[host]["parts"] = {"failed_parts": paths}
    return look({"hostvars": hostvars}, "default", NODES, gone, "found", "parts")


def test_a_data_node_leaves_when_a_server_that_stays_lists_it():
    found = seen(d2=report())
    assert leaving_of(found, ["d1", "old", "l1", "old-liaison", "d3", "unknown"], Cause.REMOVED) == [
        Leaving("d1", "d1:17912", {"type": "hot"}),
        Leaving("old", "old:17912"),
    ], "liaisons have no points of their own, and what no topology lists has left before"


def test_the_topology_of_a_host_that_leaves_says_nothing():
    gone = seen(gone=["d1"], d1=report(), d2=report(entries={"d2": "d2:17912"}))
    assert leaving_of(gone, ["d1"], Cause.REMOVED) == []


def test_the_liaison_that_counts_most_nodes_is_believed():
    found = seen(l1=counted("d1"), l2=counted("d1", "d2"), parts={"l1": [], "l2": []})
    found.entries["l2"] = "l2:18912"
    content, reason = content_of(found, [], [])
    assert (sorted(content.counts["m1"]), reason) == (["d1:17912", "d2:17912"], "")
    assert content.members == ["d1:17912", "d2:17912", "old:17912"]
    assert content.unseen == []


def test_a_liaison_whose_failed_parts_are_unknown_is_reported_and_those_of_others_are_found():
    found = seen(l1=counted("d1"), parts={"l1": [{"path": PARTS, "parts": 2}]})
    found.entries["l2"] = "l2:18912"
    content, _ = content_of(found, [], [])
    assert content.failed_parts == {"m1": [f"l1:{PARTS}"]}
    assert content.unseen == ["l2"]
    assert content_of(found, [], ["l2"])[0].unseen == [], "one that leaves is drained, or dead"


@pytest.mark.parametrize(
    ("reports", "expected"),
    [({}, ""), ({"d2": report()}, "l1 is unreachable"), ({"l1": report(failure="l1: refused")}, "l1: refused")],
)
def test_without_an_answer_of_a_liaison_the_groups_are_unknown(reports, expected):
    assert content_of(seen(**reports), [], []) == (None, expected)


def test_parts_on_the_disk_of_a_leaving_liaison_are_a_risk_of_their_group():
    found = seen(l1=counted("d1"), parts={"l1": [{"path": PARTS, "parts": 1}, {"path": PARTS.replace("m1", "deleted"), "parts": 1}]})
    content, _ = content_of(found, [], ["l1"])
    (risk,) = risks_of_liaisons(found, ["l1"], content)
    assert (risk.group, risk.host, risk.reason, risk.names) == ("m1", "l1", Reason.FAILED_PARTS, (PARTS,))


def test_records_of_all_hosts_count_but_for_those_of_other_clusters_and_of_data_that_came_back():
    other = Departure("other", "x", "x:17912", 1000, Cause.REMOVED, None)
    back = Departure("default", "d1", "d1:17912", 1000, Cause.REMOVED, None)
    found = seen(d1=report(since=900), d2=report(departures=[each.to_mapping() for each in (OLD, other, back)]), l1=report())
    assert found.departures == [OLD, back]
    assert found.still_gone == [OLD]


def test_a_loss_is_accepted_for_a_cluster_by_all_its_hosts():
    hostvars = {each["name"]: {} for each in NODES}
    assert accepted_groups("default", NODES, hostvars, []) == []
    assert accepted_groups("default", NODES, hostvars, ["m1"]) == ["m1"], "the variables of a play are in no host"
    everywhere = {name: {"banyandb_accept_data_loss": ["m1", "m2"]} for name in hostvars}
    assert accepted_groups("default", NODES, everywhere, ["other"]) == ["m1", "m2"]
    with pytest.raises(RolloutRefused, match=r"banyandb_accept_data_loss is \['m1', 'm2'\] for l1 and not set for d2, both of cluster default"):
        accepted_groups("default", NODES, {**everywhere, "d2": {}}, [])
    with pytest.raises(RolloutRefused, match="expected a list of groups"):
        accepted_groups("default", NODES, {name: {"banyandb_accept_data_loss": {"m1": True}} for name in hostvars}, [])


def test_the_line_about_leaving_nodes_names_those_whose_server_the_run_cannot_stop():
    assert leaving_lines("default", [], ["d1"]) == []
    assert leaving_lines("default", ["d1"], ["d1"]) == ["cluster default: every server drops d1"]
    assert leaving_lines("default", ["d1", "old"], ["d1"])[1] == "  not in the inventory: old. If its server still runs, stop and disable it"
