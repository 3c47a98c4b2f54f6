# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data at risk when a data node leaves, with figures that were measured on the real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import (
    BadRecord,
    Cause,
    Content,
    Departure,
    Held,
    Leaving,
    Reason,
    Risk,
    departure,
    merged,
    moment,
    record_from,
    record_text,
    risks,
    stamp,
    still_counting,
    without_returned,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure_table import (
    no_groups,
    refusal,
    table,
    unknown_groups,
    warnings,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import (
    BadContent,
    Group,
    Segment,
    Stage,
    counts_from,
    groups_from,
    properties_from,
)

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
DAY = 86400
MIDNIGHT = moment("2026-11-28T00:00:00Z")
NOW = MIDNIGHT + 72_000
TODAY = (MIDNIGHT, MIDNIGHT + DAY)
MEASURE, LISTED_PROPERTY = "CATALOG_MEASURE", "CATALOG_PROPERTY"
# Measured: 4 data nodes, 1,000 points in 4 shards of a group without replicas; the points of each node.
SHARDS = {"node3": 204, "node4": 298, "node5": 294, "node6": 204}
NODES = sorted(SHARDS)


def group(replicas, name="", days=7, **more):
    return Group(name or f"m{replicas}", MEASURE, replicas, days * DAY, DAY, **more)


def held(replicas):
    """Return node -> its points: copy j of the shard of node i is on node i + j."""
    return {node: sum(SHARDS[NODES[(place - copy) % 4]] for copy in range(replicas + 1)) for place, node in enumerate(NODES)}


def content(*groups, nodes=NODES, **more):
    counts = {each.name: {node: (Segment(*TODAY, held(each.replicas)[node], 30),) for node in nodes} for each in groups}
    return Content(groups, counts, NODES, **more)


def leaving(*names, **more):
    return [Leaving(name, name, **more) for name in names]


def at_risk(found):
    return {(risk.group, risk.host): risk.points for risk in found}


ALL = [group(0), group(1), group(2)]


def test_the_points_at_risk_are_those_that_were_measured_to_be_lost_or_more():
    first = risks(content(*ALL), leaving("node3"), [], "default", NOW)
    assert at_risk(first) == {("m0", "node3"): 204}
    one = departure(content(*ALL), leaving("node3")[0], "default", NOW)
    left = content(*ALL, nodes=["node4", "node5", "node6"])
    left = Content(left.groups, left.counts, NODES[1:])
    second = risks(left, leaving("node4"), [one], "default", NOW)
    assert at_risk(second) == {("m0", "node4"): 298, ("m1", "node4"): 298 + 204}, "lost were 298 of m0, and 204 of m1"
    two = departure(left, leaving("node4")[0], "default", NOW)
    left = Content(left.groups, {name: {node: nodes[node] for node in NODES[2:]} for name, nodes in left.counts.items()}, NODES[2:])
    third = risks(left, leaving("node5"), [one, two], "default", NOW)
    assert at_risk(third).keys() == {("m0", "node5"), ("m1", "node5"), ("m2", "node5")}, "lost were 294, 294 and 204"


def test_two_nodes_that_leave_together_are_looked_at_one_after_the_other():
    found = risks(content(*ALL), leaving("node3", "node4"), [], "default", NOW)
    assert at_risk(found) == {("m0", "node3"): 204, ("m0", "node4"): 298, ("m1", "node4"): 502}
    assert {risk.reason for risk in found} == {Reason.LAST_COPY}


def test_a_departure_counts_until_the_ttl_of_the_group_has_passed():
    one = departure(content(group(1)), leaving("node3")[0], "default", NOW)
    until = NOW + DAY + 7 * DAY
    assert one.until(group(1)) == until, "its last segment may have begun when it left"
    assert still_counting([one], group(1), until - 1) == {"node3": until}
    assert still_counting([one], group(1), until) == {}
    (risk,) = risks(content(group(1)), leaving("node4"), [one], "default", NOW)
    assert (risk.safe_from, risk.names) == (until, ("node3",))
    later = Content([group(1)], {"m1": {node: (Segment(until - DAY, until, 500, 9),) for node in NODES}}, NODES)
    assert risks(later, leaving("node4"), [one], "default", until) == []


def test_a_longer_ttl_that_was_set_since_makes_a_departure_count_longer_and_a_shorter_one_changes_nothing():
    one = departure(content(group(1)), leaving("node3")[0], "default", NOW)
    assert one.until(group(1, days=30)) == NOW + 31 * DAY
    assert one.until(group(1, days=1)) == NOW + 8 * DAY


def test_a_segment_that_ends_in_the_future_counts_until_it_has_expired():
    future = Segment(NOW + 5 * DAY, NOW + 6 * DAY, 5, 1)
    counted = Content([group(1)], {"m1": {"node3": (future,), "node4": (future,)}}, ["node3", "node4"])
    assert departure(counted, leaving("node3")[0], "default", NOW).until(group(1)) == NOW + 13 * DAY


def test_of_several_departures_so_many_must_expire_that_a_copy_is_left():
    gone = [Departure("default", name, name, NOW, Cause.REMOVED, {"m2": Held(NOW + days * DAY, 7 * DAY)}) for name, days in (("a", 3), ("b", 1))]
    (risk,) = risks(content(group(2)), leaving("node4"), gone, "default", NOW)
    assert risk.safe_from == NOW + 8 * DAY, "with one of them, of three copies one is left"
    gone = [Departure("default", "a", "a", NOW, Cause.REMOVED, {"m0": Held(NOW + DAY, 7 * DAY)})]
    (alone,) = risks(content(group(0)), leaving("node4"), gone, "default", NOW)
    assert (alone.safe_from, alone.names) == (None, ()), "a group without replicas has no date: the node gets points until it leaves"


def test_points_that_were_written_with_too_few_copies_are_found():
    """Measured: two data nodes, replicas 1, one of them stopped while 700 of 1,000 points were written. The other node left: 700 lost."""
    counts = {"m1": {"node3": (Segment(*TODAY, 1000, 9),), "node4": (Segment(*TODAY, 300, 9),)}}
    (risk,) = risks(Content([group(1)], counts, ["node3", "node4"]), leaving("node3"), [], "default", NOW)
    assert (risk.reason, risk.points, risk.safe_from) == (Reason.TOO_FEW_COPIES, 700, TODAY[1] + 7 * DAY)
    assert risks(Content([group(1)], counts, ["node3", "node4"]), leaving("node4"), [], "default", NOW) == []


@pytest.mark.parametrize(("others", "refused"), [(900, False), (899, True)])
def test_a_tenth_may_lack_since_points_that_were_written_twice_count_twice_until_they_are_merged(others, refused):
    counts = {"m1": {"node3": (Segment(*TODAY, 1000, 9),), "node4": (Segment(*TODAY, others, 9),)}}
    assert bool(risks(Content([group(1)], counts, ["node3", "node4"]), leaving("node3"), [], "default", NOW)) is refused


def test_an_expired_segment_holds_nothing_that_is_lost():
    old = Segment(NOW - 9 * DAY, NOW - 8 * DAY, 500, 9)
    counted = Content([group(0)], {"m0": {"node3": (old,), "node4": ()}}, ["node3", "node4"])
    assert risks(counted, leaving("node3"), [], "default", NOW) == []


def test_a_measure_in_index_mode_holds_its_points_in_the_series_index():
    counted = Content([group(0, "i0")], {"i0": {"node3": (Segment(*TODAY, 0, 230),), "node4": (Segment(*TODAY, 0, 238),)}}, ["node3", "node4"])
    assert at_risk(risks(counted, leaving("node3"), [], "default", NOW)) == {("i0", "node3"): 230}


def test_properties_never_expire_and_count_by_the_metrics_of_their_node():
    property_group = Group("p1", LISTED_PROPERTY, 1)
    counted = Content([property_group], {}, NODES, {"node3": {"p1": 61}, "node4": {"p1": 0}})
    assert risks(counted, leaving("node3"), [], "default", NOW) == []
    one = departure(counted, leaving("node3")[0], "default", NOW)
    assert one.until(property_group) == float("inf")
    assert risks(counted, leaving("node4"), [one], "default", NOW) == []
    (risk,) = risks(counted, leaving("node5"), [one], "default", NOW)
    assert (risk.points, risk.safe_from) == (None, None), "a node whose properties are unknown holds some"


def test_a_node_that_does_not_respond_is_compared_by_replicas_alone():
    dead = content(*ALL, nodes=["node4", "node5", "node6"])
    found = risks(dead, leaving("node3"), [], "default", NOW)
    assert at_risk(found) == {("m0", "node3"): None}
    assert warnings("default", dead, leaving("node3")) == [
        "node3: no liaison uses the node, so the points that it holds are unknown. Only replicas were compared."
    ]


def test_a_disk_that_is_lost_is_a_departure_for_any_content_of_the_new_one():
    counted = content(*ALL)
    emptied = leaving("node3", cause=Cause.EMPTY_DISK)
    assert at_risk(risks(counted, emptied, [], "default", NOW)) == {("m0", "node3"): None}
    one = departure(counted, emptied[0], "default", NOW)
    assert (one.cause, sorted(one.groups)) == (Cause.EMPTY_DISK, ["m0", "m1", "m2"])
    assert ("m1", "node4") in at_risk(risks(counted, leaving("node4"), [one], "default", NOW))
    assert ("m1", "node3") not in at_risk(risks(counted, leaving("node3"), [one], "default", NOW)), "its old self took nothing of what it holds"


def test_counts_without_a_node_prove_nothing_and_so_does_a_liaison_that_was_not_asked():
    (risk,) = risks(content(group(1), nodes=["node3", "node4", "node5"]), leaving("node3"), [], "default", NOW)
    assert (risk.reason, risk.names, risk.points) == (Reason.NOT_COUNTED, ("node6",), 408)
    (risk,) = risks(content(group(1), unseen=["node1"]), leaving("node3"), [], "default", NOW)
    assert (risk.reason, risk.names) == (Reason.NOT_COUNTED, ("node1",))


def test_parts_that_a_liaison_does_not_pass_on_put_their_group_at_risk():
    path = "/var/lib/banyandb/measure/data/m1/shard-1/failed-parts"
    (risk,) = risks(content(*ALL[1:], failed_parts={"m1": [path]}), leaving("node3"), [], "default", NOW)
    assert (risk.group, risk.reason, risk.names, risk.safe_from) == ("m1", Reason.FAILED_PARTS, (path,), None)


def test_a_node_without_points_of_a_group_takes_none_along_and_is_no_departure_for_the_group():
    counts = {"m0": {"node3": (), "node4": (Segment(*TODAY, 9, 1),)}, "new": {"node3": (), "node4": ()}}
    counted = Content([group(0), group(0, "new")], counts, ["node3", "node4"])
    assert risks(counted, leaving("node3"), [], "default", NOW) == []
    one = departure(counted, leaving("node3")[0], "default", NOW)
    assert list(one.groups) == ["new"], "the first points of a group without any may come in before the node is dropped"


def test_a_stage_gives_the_copies_of_its_nodes_and_makes_points_live_longer():
    warm = Stage("type=warm", 1, 30 * DAY, DAY)
    staged = group(0, "staged", stages=(warm, Stage("type=cold", 0, 60 * DAY, 3 * DAY)))
    assert (staged.copies({"type": "hot"}), staged.copies({"type": "warm"}), staged.copies({})) == (1, 2, 1)
    assert (staged.life, staged.longest_interval) == (97 * DAY, 3 * DAY)


def test_groups_that_were_unknown_at_a_departure_count_by_the_ttl_of_now():
    one = departure(None, leaving("node3")[0], "default", NOW)
    assert one.groups is None
    assert one.until(group(1)) == NOW + 8 * DAY


def test_a_record_is_read_back_unchanged():
    departures = [departure(content(*ALL), each, "default", NOW) for each in leaving("node3", "node4")]
    departures.append(departure(None, leaving("node5", cause=Cause.EMPTY_DISK)[0], "default", NOW + 1))
    departures.append(departure(Content([Group("p", LISTED_PROPERTY, 0)], {}, NODES), leaving("node6")[0], "other", NOW))
    assert record_from(record_text(departures)) == merged(departures)
    assert record_from(record_text(departures + departures)) == merged(departures)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "departures": []}', '{"format": 1, "departures": [{}]}', '{"format": 1, "departures": [7]}']
)
def test_what_is_no_record_is_refused(text):
    with pytest.raises(BadRecord):
        record_from(text)


# The server's answers


def answer(name):
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def test_the_recorded_groups_are_those_of_users():
    found = {each.name: each for each in groups_from(answer("group-lists-17913.json"))}
    assert sorted(found) == ["m0", "m1", "m2", "p1", "s1", "staged", "t1"]
    assert found["m1"] == group(1)
    assert (found["p1"].life, found["p1"].replicas) == (None, 1)
    assert next((stage.selector, stage.replicas, stage.ttl) for stage in found["staged"].stages) == ("type=warm", 1, 30 * DAY)


def test_the_recorded_content_of_a_group_has_two_copies_of_1000_points():
    found = counts_from(answer("group-content-m1-17913.json"))
    assert sorted(found) == ["node3:17912", "node4:17912", "node5:17912", "node6:17912"]
    assert sum(segment.points for segments in found.values() for segment in segments) == 2000
    assert {(stamp(segment.start), stamp(segment.end)) for segments in found.values() for segment in segments} == {
        ("2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z")
    }


def test_the_metrics_of_a_data_node_count_its_properties():
    page = 'x{group="p1",shard="shard0"} 9\n' + "".join(
        f'banyandb_property_inverted_index_total_doc_count{{group="{name}",shard="shard{shard}"}} {count}\n'
        for name, shard, count in (("p1", 0, "50"), ("p1", 1, "1.2e+01"), ("p0", 0, "0"))
    )
    assert properties_from(page) == {"p1": 62, "p0": 0}


@pytest.mark.parametrize("document", [None, [], {}, {"group": [{}]}, {"group": 7}, {"dataInfo": [{}]}, {"dataInfo": None}])
def test_an_answer_of_something_else_is_refused(document):
    with pytest.raises(BadContent):
        groups_from(document)
    with pytest.raises(BadContent):
        counts_from(document)


# The texts for the user


def test_the_table_has_a_line_for_each_reason():
    found = [
        Risk("m0", 1, "data3", 204, Reason.LAST_COPY),
        Risk("m1", 2, "data3", 502, Reason.LAST_COPY, NOW, ("10.0.0.5:17912",)),
        Risk("s1", 2, "data3", None, Reason.NOT_COUNTED, None, ("10.0.0.6:17912",)),
    ]
    assert table("default", found, {"10.0.0.5:17912": "data2"}) == [
        "cluster default: points at risk when data3 is removed",
        "  group  copies  host   points   safe from             reason",
        "  m0     1       data3  204      no date               there is no other copy",
        "  m1     2       data3  502      2026-11-28T20:00:00Z  the other copies left with data2",
        "  s1     2       data3  unknown  no date               nothing is known of 10.0.0.6:17912",
    ]


def test_a_refusal_names_the_groups_that_are_not_accepted():
    found = [Risk(name, 1, "data3", 9, Reason.LAST_COPY, NOW) for name in ("m0", "m1")]
    assert refusal(found, ["m0", "m1"], Cause.REMOVED) == ""
    assert refusal(found, ["m0"], Cause.REMOVED) == (
        "data3: points of 1 group are at risk, see the table. Wait for its dates, or set banyandb_accept_data_loss: [m1]."
    )
    many = [Risk(f"a-group-with-a-long-name-{number}", 1, "data3", 9, Reason.LAST_COPY) for number in range(40)]
    assert len(refusal(many, [], Cause.REMOVED)) <= 200 and refusal(many, [], Cause.REMOVED).endswith("].")


@pytest.mark.parametrize(
    ("risks", "cause", "says"),
    [
        ([(Reason.LAST_COPY, None)], Cause.REMOVED, "No row has a date: keep the node, or set"),
        ([(Reason.LAST_COPY, None)], Cause.EMPTY_DISK, "No row has a date: restore the disk, or set"),
        ([(Reason.LAST_COPY, None), (Reason.LAST_COPY, NOW)], Cause.REMOVED, "Some rows have no date: keep the node, or set"),
        ([(Reason.LAST_COPY, None), (Reason.NOT_COUNTED, None)], Cause.REMOVED, "No row has a date: keep the node, or set"),
        ([(Reason.NOT_COUNTED, None), (Reason.FAILED_PARTS, None)], Cause.REMOVED, "Repair what its reasons name, or set"),
        ([(Reason.NOT_COUNTED, None), (Reason.TOO_FEW_COPIES, NOW)], Cause.REMOVED, "Repair what its reasons name, or set"),
    ],
)
def test_a_refusal_says_what_is_possible(risks, cause, says):
    found = refusal([Risk("m0", 1, "data3", 9, reason, date) for reason, date in risks], [], cause)
    assert found == f"data3: points of 1 group are at risk, see the table. {says} banyandb_accept_data_loss: [m0]."


def test_a_name_that_no_group_has_is_no_acceptance():
    assert unknown_groups(["m0"], ["m0", "m1"]) == ""
    assert unknown_groups(["*", "m0"], ["m0", "m1"]) == (
        "banyandb_accept_data_loss has *, which is no group. Expected groups of the clusters (m0, m1). Correct the name."
    )
    assert no_groups("default", "").startswith("cluster default: no liaison reports the groups: no liaison in this run.")


def test_too_few_nodes_for_all_copies_are_a_warning():
    assert warnings("default", content(*ALL), leaving("node3", "node4")) == [
        "cluster default: 2 data nodes remain, too few for all copies of new points in m2."
    ]


def test_a_removed_node_that_comes_back_with_its_data_has_not_left():
    one, two = (Departure("default", name, name, NOW, cause, {}) for name, cause in (("node3", Cause.REMOVED), ("node4", Cause.EMPTY_DISK)))
    assert without_returned([one, two], {"node3": NOW - 5, "node4": NOW - 5}) == [two], "an empty disk does not come back"
    assert without_returned([one], {"node3": NOW + 1}) == [one], "its directories are new"
    assert without_returned([one], {}) == [one]
