# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of the plan and of the gate, from the variables of a play."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.action import rollout_gate, rollout_plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster_members import Staying
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.removal import lines, problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits, RolloutRefused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import (
    Change,
    check_scope,
    requested_restarts,
    wanted_changes,
)


def service(ready=True, pid=7, *reasons):
    return {"main_pid": pid, "ready": ready, "needs_restart": [reason.to_mapping() for reason in reasons], "switches_tls": False, "exists": True}


def probed(*reasons, ready=True, pid=7):
    return {"services": {"banyandb-data.service": service(ready, pid, *reasons)}}


ENVIRONMENT = RestartReason(Reason.ENVIRONMENT_CHANGED, ("BYDB_LOGGING_LEVEL",))
LABELS = RestartReason(Reason.ENVIRONMENT_CHANGED, ("BYDB_NODE_LABELS",))
REQUESTED = RestartReason(Reason.REQUESTED)
NOT_RESPONDING = RestartReason(Reason.NOT_RESPONDING)
NODES = [
    {"name": name, "role": role, "roles": roles, "labels": {}}
    for name, role, roles in (
        ("d1", "data", ["ROLE_META", "ROLE_DATA"]),
        ("d2", "data", ["ROLE_DATA"]),
        ("l1", "liaison", ["ROLE_LIAISON"]),
        ("l2", "liaison", ["ROLE_LIAISON"]),
    )
]


def test_hosts_that_were_refused_or_not_looked_at_are_left_out():
    hostvars = {"d1": {"__banyandb_host": probed()}, "d2": {"__banyandb_host": probed(), "__banyandb_refusal": "no"}, "l1": {}}
    hostvars["l2"] = {"__banyandb_host": {"failed": True}}
    assert rollout_plan.services({"ansible_play_hosts": ["d1", "d2", "l1", "l2"], "hostvars": hostvars}) == {"d1": service()}


def test_a_server_that_loads_its_certificate_only_at_a_start_is_restarted_in_the_run_that_renews_it():
    looked_at = {"renewed": service(), "same": service()}
    changes = wanted_changes(rollout_plan.after_certificates(looked_at, {"__banyandb_certificate_unloaded": ["renewed"]}))
    assert changes == {"renewed": Change((RestartReason(Reason.CERTIFICATE_NOT_LOADED),))}
    assert wanted_changes(rollout_plan.after_certificates(looked_at, {})) == {}


def test_a_server_with_a_wrong_configuration_is_changed():
    looked_at = {"same": service(), "other": service(True, 7, ENVIRONMENT), "silent": service(False, 7, ENVIRONMENT), "stopped": service(False, 0)}
    changes = wanted_changes(looked_at)
    assert changes == {"other": Change((ENVIRONMENT,)), "silent": Change((NOT_RESPONDING, ENVIRONMENT))}


def test_a_server_that_is_to_listen_elsewhere_serves_until_then_and_keeps_its_name():
    moved = RestartReason(Reason.ENVIRONMENT_CHANGED, ("BYDB_HTTP_PORT",))
    (change,) = wanted_changes({"l1": service(False, 7, moved)}).values()
    assert change == Change((moved,)) and not change.revives


def test_a_restart_is_of_the_hosts_that_are_named_or_of_all():
    looked_at = {"a": service(), "b": service(True, 7, LABELS)}
    assert requested_restarts(looked_at, ["a"], ["a", "b"], ["a", "b"]) == {"a": Change((REQUESTED,))}
    assert requested_restarts(looked_at, [], ["a", "b"], ["a", "b"]) == {
        "a": Change((REQUESTED,)),
        "b": Change((REQUESTED, LABELS), described=True),
    }


def test_a_restart_starts_what_does_not_run_and_restarts_what_does_not_respond():
    looked_at = {"stopped": service(False, 0), "silent": service(False, 7), "hung": service(True, 7)}
    changes = requested_restarts(looked_at, [], [], list(looked_at))
    assert {host: change.reasons[0].reason for host, change in changes.items()} == {
        "stopped": Reason.STOPPED,
        "silent": Reason.NOT_RESPONDING,
        "hung": Reason.NOT_RESPONDING,
    }
    assert all(change.revives for change in changes.values())


@pytest.mark.parametrize(
    ("requested", "said"),
    [
        (["x"], "banyandb_restart: x not in the inventory. Name hosts of banyandb_data, banyandb_liaison or banyandb_standalone."),
        (["b"], "banyandb_restart: b not reached by this run. Include each host in --limit and make it reachable."),
    ],
)
def test_a_restart_skips_no_host_that_is_named(requested, said):
    with pytest.raises(RolloutRefused) as refused:
        requested_restarts({"a": service()}, requested, ["a"], ["a", "b"])
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("registered", "expected"),
    [({"serving": ["a"]}, True), ({"serving": []}, False), ({"failed": True, "msg": "no"}, False), (None, False)],
)
def test_a_server_responds_when_its_host_says_so(registered, expected):
    assert rollout_plan.answers("a", registered) is expected


def test_a_playbook_for_one_kind_of_change_refuses_all_others():
    looked_at = {"a": service(True, 7, LABELS), "b": service(True, 7, ENVIRONMENT), "c": service(False, 0)}
    changes = wanted_changes(looked_at)
    looked_at = {host: {"services": {"banyandb-data.service": each}} for host, each in looked_at.items()}
    check_scope("labels", {"a": looked_at["a"]}, {"a": changes["a"]})
    with pytest.raises(RolloutRefused, match=f"changes only labels, .*c: does not run, b: {ENVIRONMENT.text()}"):
        check_scope("labels", looked_at, changes)


@pytest.mark.parametrize(
    ("only", "differing", "refused"),
    [
        ("labels", "users_file", "a: banyandb_users"),
        ("addresses", "users_file", "a: banyandb_users"),
        ("labels", "firewall", "a: banyandb_firewall"),
        ("addresses", "firewall", ""),  # the firewall has the addresses
        (None, "users_file", ""),
    ],
)
@pytest.mark.parametrize("differs", [True, False])
def test_a_playbook_for_one_kind_of_change_refuses_changes_without_a_restart(only, differing, refused, differs):
    probes = {"a": {**probed(), differing: {"differs": differs}}, "b": {**probed(), differing: None}}
    if not (refused and differs):
        return check_scope(only, probes, {})
    with pytest.raises(RolloutRefused, match=f"other changes .{refused}.. Run skywalking.banyandb.deploy"):
        check_scope(only, probes, {})


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        (None, "it did not watch"),
        ({"skipped": True}, "its watch gave no result"),
        ({"failed": True, "msg": "no\n Python"}, "no Python"),
        ({"whole": True, "pairs": []}, {"whole": True, "pairs": []}),
    ],
)
def test_a_watch_is_a_result_or_why_there_is_none(registered, expected):
    assert rollout_gate.watch(registered) == expected


def refused(leaving, in_run=tuple(node["name"] for node in NODES), **minimum):
    return problems({"default": NODES}, leaving, {"default": Limits(minimum=minimum)}, in_run)


@pytest.mark.parametrize(
    ("leaving", "said"),
    [
        ([], "banyandb_remove is empty"),
        (["x"], "banyandb_remove names x: in no group of the servers"),
        (["d1"], "d1: cluster default would have 0 of its 1 servers of meta left, at least 1 must stay. Add another first."),
        (["l1", "l2"], "l1, l2: cluster default would have 0 of its 2 servers of liaison left, at least 1 must stay. Add another first."),
    ],
)
def test_a_refused_departure_is_reported_with_the_next_step(leaving, said):
    assert any(problem.startswith(said) for problem in refused(leaving))


@pytest.mark.parametrize("in_run", [["d2"], ["l1"], ["l1", "l2", "d1"]])
def test_a_removal_that_leaves_out_a_server_of_the_cluster_is_refused(in_run):
    (problem,) = refused(["d2"], in_run)
    left_out = [node["name"] for node in NODES if node["name"] not in in_run]
    assert problem.startswith(f"cluster default: --limit leaves out {', '.join(left_out)}, and every server") and len(problem) <= 200
    other = [{**node, "name": f"other-{node['name']}"} for node in NODES]
    limits = {"default": Limits(), "other": Limits()}
    assert problems({"default": NODES, "other": other}, ["d2"], limits, [node["name"] for node in NODES]) == [], "another cluster may stay out"


def test_a_minimum_that_the_user_set_is_kept():
    assert refused(["d2"]) == []
    (problem,) = refused(["d2"], data=2)
    assert "1 of its 2 servers of data left, at least 2 must stay" in problem and "banyandb_minimum: {data: 1}" in problem


def test_the_plan_of_a_removal_says_what_happens_to_each_server():
    line, hint = lines({"default": NODES}, ["l2"], clean_up=True)
    assert hint == "after this run, delete from the inventory: l2. The next deploy starts every server of the inventory"
    assert line == "cluster default: l2 (liaison) is drained, dropped from the views of 3 servers, stopped, its data and configuration removed"


def test_who_is_to_leave_is_among_the_nodes_until_then():
    variables = Staying({"banyandb_remove": ["d2"], "ansible_host": "10.0.0.1"})
    assert dict(variables) == {"ansible_host": "10.0.0.1"} and len(variables) == 1 and variables.get("banyandb_remove") is None
