# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a rollout, and its limits."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.gate_judgement import Seen, judged, revisions, watchers
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason, read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits, RolloutRefused, limits_of, wrong_limits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import Change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_groups import lacking
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.waves import lines, waves


def environment(*variables):
    return RestartReason(Reason.ENVIRONMENT_CHANGED, variables)


WANTED = Change((environment("BYDB_LOGGING_LEVEL"),))
STOPPED = Change((RestartReason(Reason.STOPPED), RestartReason(Reason.REQUESTED)))


def node(name, role="data", meta=True, **labels):
    roles = {"data": ["ROLE_META", "ROLE_DATA"] if meta else ["ROLE_DATA"], "liaison": ["ROLE_LIAISON"]}.get(role)
    return {"name": name, "role": role, "roles": roles, "labels": labels}


FIVE = [node("l1", "liaison"), node("l2", "liaison"), node("d1"), node("d2"), node("d3")]


def of(nodes, changing, limits=None, **options):
    return waves({"default": nodes}, dict.fromkeys(changing, WANTED), limits=limits and {"default": limits}, **options)


def hosts(planned):
    return [list(wave.hosts) for wave in planned]


def names(nodes):
    return [each["name"] for each in nodes]


def test_meta_data_nodes_come_first_then_data_nodes_then_liaisons_then_lifecycle_nodes():
    nodes = [node("a", "lifecycle"), node("b", "liaison"), node("c", "data", meta=False), node("d", "data")]
    assert hosts(of(nodes, names(nodes))) == [["d"], ["c"], ["b"], ["a"]]


def test_data_nodes_are_changed_one_at_a_time_by_default():
    assert hosts(of(FIVE, names(FIVE))) == [["d1"], ["d2"], ["d3"], ["l1"], ["l2"]]


def test_what_is_not_to_be_changed_is_in_no_wave():
    assert hosts(of(FIVE, ["d2", "l1"])) == [["d2"], ["l1"]]
    assert of(FIVE, []) == []


def test_one_comes_first_then_the_stages_grow():
    nodes = [node("m"), *(node(f"d{number:03}", meta=False) for number in range(100))]
    sizes = [len(wave.hosts) for wave in of(nodes, names(nodes[1:]), limits=Limits(data_at_once=100))]
    assert sizes == [1, 4, 20, 75]  # the first, 5 %, 25 %, all


def test_a_user_sets_other_stages():
    nodes = [node(f"d{number}") for number in range(6)]
    assert [len(wave.hosts) for wave in of(nodes, names(nodes), limits=Limits(stages=(2, 4), data_at_once=3))] == [2, 2, 2]


def test_half_of_the_liaisons_stay():
    nodes = [node("d1"), *(node(f"l{number}", "liaison") for number in range(10))]
    sizes = [len(wave.hosts) for wave in of(nodes, names(nodes[1:]))]
    assert sizes == [1, 2, 5, 2]


def test_two_nodes_that_are_the_last_of_a_label_are_not_away_together():
    nodes = [node("hot1", type="hot"), node("hot2", type="hot"), node("warm1", type="warm"), node("warm2", type="warm"), node("m")]
    planned = of(nodes, ["hot1", "hot2", "warm1", "warm2"], limits=Limits(stages=("100%",), data_at_once=2))
    assert hosts(planned) == [["hot1", "warm1"], ["hot2", "warm2"]]


def test_a_node_that_is_unreachable_counts():
    with pytest.raises(RolloutRefused, match="d2: without it 0 of the 2 servers of data would be left, at least 1 must stay .d1 cannot be reached"):
        of([node("d1"), node("d2")], ["d2"], away=["d1"])


def test_one_that_is_unreachable_and_to_be_changed_is_no_hindrance_to_itself():
    assert hosts(of([node("d1"), node("d2")], ["d1"], away=["d1"])) == [["d1"]]


def test_the_only_one_of_its_kind_is_changed_too():
    assert hosts(of([node("d1"), node("l1", "liaison")], ["d1", "l1"])) == [["d1"], ["l1"]]


def test_a_minimum_that_cannot_be_kept_is_refused_with_what_to_do():
    with pytest.raises(RolloutRefused, match=r"d1: .*2 of the 3 servers of data .* at least 3 must stay.*banyandb_minimum: \{data: 2\}"):
        of(FIVE, ["d1"], limits=Limits(minimum={"data": 3}))


@pytest.mark.parametrize(
    ("stages", "at_once", "minimum", "message"),
    [
        (["5%", "many"], 1, {}, "banyandb_waves"),
        ([], 1, {}, "banyandb_waves"),
        ([0], 1, {}, "banyandb_waves"),
        ([True], 1, {}, "banyandb_waves"),
        ([1], 0, {}, "banyandb_data_at_once"),
        ([1], "two", {}, "banyandb_data_at_once"),
        ([1], 1, [], "banyandb_minimum"),
        ([1], 1, {"data": -1}, "banyandb_minimum"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(stages, at_once, minimum, message):
    with pytest.raises(RolloutRefused, match=f"{message} is .*expected"):
        Limits.from_variables({"banyandb_waves": stages, "banyandb_data_at_once": at_once, "banyandb_minimum": minimum})


def test_a_minimum_for_an_unknown_group_is_named():
    with pytest.raises(RolloutRefused, match="names type=cold: expected groups that servers are in, such as data, liaison, meta"):
        of(FIVE, ["d1"], limits=Limits(minimum={"type=cold": 1}))


def test_settings_may_be_text_as_the_command_line_gives_them():
    given = {"banyandb_waves": "50%", "banyandb_data_at_once": "2", "banyandb_minimum": {"data": "1"}, "banyandb_soak": "2", "banyandb_stall": None}
    assert Limits.from_variables(given) == Limits(("50%",), 2, {"data": 1}, soak=2.0)


@pytest.mark.parametrize("value", ["long", -1, True, float("nan"), float("inf"), []])
def test_times_that_cannot_be_meant_are_named(value):
    with pytest.raises(RolloutRefused, match="banyandb_soak is .*: expected seconds, 0 or more"):
        Limits.from_variables({"banyandb_soak": value})


TWO = {"a": FIVE, "b": [node("x"), node("s", "standalone")]}
ALL = [each["name"] for nodes in TWO.values() for each in nodes]


def test_limits_belong_to_a_cluster():
    hostvars = {host: {"banyandb_minimum": {"data": 2}, "banyandb_soak": 3} if host not in ("x", "s") else {} for host in ALL}
    limits = limits_of(TWO, hostvars)
    assert limits == {"a": Limits(minimum={"data": 2}, soak=3.0), "b": Limits()}
    assert hosts(waves(TWO, {"x": WANTED, "d1": WANTED}, limits=limits)) == [["d1"], ["x"]]


def test_hosts_of_a_cluster_that_do_not_agree_are_named_with_their_values():
    hostvars = {host: {"banyandb_data_at_once": 2} if host == "d2" else {} for host in ALL}
    with pytest.raises(RolloutRefused) as refused:
        limits_of(TWO, hostvars)
    assert str(refused.value) == (
        "banyandb_data_at_once is not set for l1 and 2 for d2, both of cluster a. Set one value for all hosts of the cluster."
    )


def test_a_standalone_server_has_no_say_beside_others():
    hostvars = {host: {"banyandb_stall": 9} if host == "s" else {} for host in ALL}
    assert limits_of(TWO, hostvars)["b"] == Limits()
    assert limits_of({"b": [node("s", "standalone")]}, hostvars)["b"] == Limits(stall=9.0)


def test_each_cluster_with_wrong_limits_is_named_once_and_the_others_are_not():
    hostvars = {host: {"banyandb_soak": "ten"} if host == "x" else {} for host in ALL}
    assert wrong_limits(TWO, hostvars) == {"b": "cluster b: banyandb_soak is 'ten': expected seconds, 0 or more."}


def test_clusters_come_one_after_the_other_and_waves_are_numbered_through():
    planned = waves({"b": [node("x")], "a": [node("y"), node("z")]}, dict.fromkeys("xyz", WANTED))
    assert [(wave.number, wave.cluster, wave.hosts) for wave in planned] == [(1, "a", ("y",)), (2, "a", ("z",)), (3, "b", ("x",))]


def test_what_has_to_serve_before_and_after_each_wave():
    first, second = of(FIVE, ["d1", "l1"], away=["d3"], new=["l2"])
    assert first.before == ("l1", "d1", "d2") and second.before == ()
    assert first.expected == second.expected == ("l1", "d1", "d2")
    assert (first.identities, second.identities) == (("d1",), ("l1", "d1"))
    assert not first.pushes


def test_a_node_with_a_new_name_is_expected_by_it_only_when_its_wave_is_done():
    renamed = Change.of([environment("BYDB_NODE_HOST")])
    first, second = waves({"default": FIVE}, {"d1": renamed, "d2": WANTED})
    assert "d1" not in first.before and "d1" in first.expected and "d1" not in first.stands
    assert "d1" in second.expected and "d1" in second.stands
    assert first.pushes and not second.pushes


def test_what_changes_a_node_is_read_from_the_reasons():
    assert Change.of([environment("BYDB_NODE_LABELS")]).described
    assert Change.of([environment("BYDB_GRPC_PORT", "BYDB_X")]).renamed
    assert Change.of([environment("BYDB_NODE_HOST_PROVIDER")]) == Change((environment("BYDB_NODE_HOST_PROVIDER"),))


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_read_back_unchanged_and_has_a_text(reason):
    value = RestartReason(reason, ("BYDB_A",), "/opt/1", "/opt/2")
    assert read([value.to_mapping()]) == (value,)
    assert value.text()


def test_a_reason_is_about_the_variables_that_it_names_and_no_others():
    assert environment("BYDB_A").within(["BYDB_A", "BYDB_B"])
    assert not environment("BYDB_A", "BYDB_C").within(["BYDB_A", "BYDB_B"])
    assert not RestartReason(Reason.PROGRAM_REPLACED).within(["BYDB_A"])


def test_servers_that_do_not_serve_come_first_and_are_no_hindrance_to_each_other():
    planned = waves({"default": FIVE}, {"d1": WANTED, "d2": STOPPED, "d3": STOPPED, "l1": STOPPED})
    assert hosts(planned) == [["d2"], ["d3"], ["l1"], ["d1"]]
    assert planned[0].before == ("l2", "d1") and planned[0].expected == ("l2", "d1", "d2") and planned[0].stands == ("l2", "d1")
    assert planned[3].expected == ("l1", "l2", "d1", "d2", "d3")


def test_the_only_servers_of_a_group_are_started_for_any_minimum():
    planned = waves({"default": FIVE}, {"d1": STOPPED, "d2": STOPPED}, away=["d3"], limits={"default": Limits(minimum={"data": 3})})
    assert hosts(planned) == [["d1"], ["d2"]]


def test_what_is_down_and_stays_down_counts_as_away():
    with pytest.raises(RolloutRefused, match="at least 1 must stay"):
        waves({"default": FIVE[:3]}, {"l1": WANTED}, away=["l2"])


def test_the_plan_says_who_when_why_and_what():
    plan = lines(of(FIVE, ["d1", "d2", "l1"]), dict.fromkeys(["d1", "d2", "l1"], WANTED))
    assert plan[0] == "cluster default: 3 waves, a gate before each and after the last"
    assert plan[1] == "  wave 1: d1 (the first of 2 data nodes with the META role: they keep the schema, which all others ask them for)"
    assert plan[2] == "    d1: started with other values of BYDB_LOGGING_LEVEL"
    assert plan[3].startswith("  wave 2: d2 (2 of 2 data nodes with the META role")


def test_a_departure_below_the_minimum_is_reported():
    assert lacking([FIVE[2]], FIVE, [], Limits()) == ""
    assert "0 of the 2 servers of liaison" in lacking(FIVE[:2], FIVE, [], Limits())


def test_liaisons_watch_and_without_any_the_data_nodes():
    assert watchers(FIVE, names(FIVE)) == ["l1", "l2"]
    assert watchers(FIVE, ["d1", "d3"]) == ["d1", "d3"]
    assert watchers([node("s", "standalone")], ["s"]) == ["s"]


OPEN = {"whole": True, "pairs": [], "revisions": {}}
PAIR = {"observer": "l1", "subject": "d1", "table": "tire2", "expected": "active", "seen": "evictable", "verdict": "stuck", "remedy": "Refresh d1."}


def test_a_gate_opens_when_all_who_watched_found_nothing_and_no_server_dropped_out():
    assert judged(Seen([], {}, {"l1": OPEN, "l2": OPEN})) == []


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(["d2"], {}, {"l1": OPEN}), "d2 failed or could not be reached."),
        (Seen([], {"d2": "exited with status 1"}, {"l1": OPEN}), "d2: exited with status 1"),
        (Seen(["d2"], {"d2": "exited"}, {"l1": OPEN}), "d2: exited"),
        (Seen([], {}, {"l1": OPEN, "l2": "it did not watch"}), "l2 could not watch: it did not watch"),
        (Seen([], {}, {"l1": {**OPEN, "whole": False, "pairs": [PAIR]}}), "l1 shows d1 as evictable in tire2 (expected active). Refresh d1."),
        (Seen([], {}, {}), "No server watched: this run includes no server of the cluster."),
    ],
)
def test_a_gate_stays_closed_and_says_why(seen, reason):
    assert judged(seen) == [reason]


def test_the_next_gate_learns_at_which_revisions_nodes_stand():
    watches = {"l1": {**OPEN, "revisions": {"d1": 7, "d2": 5}}, "l2": {**OPEN, "revisions": {"d1": 7}}, "l3": "it did not watch"}
    assert revisions(Seen([], {}, watches)) == [5, 7]
