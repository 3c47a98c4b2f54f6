# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a deployment that a host takes part in."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import after_certificate, need, steps, unknown_past

UNREAD = {"reason": "users_unread"}
OTHER = {"reason": "environment_changed", "variables": ["BYDB_LOGGING_LEVEL"]}


def probed(install=False, node=False, push=True, **service):
    found = {"main_pid": 7, "ready": True, "needs_restart": [], "switches_tls": False, "exists": True, **service}
    return {
        "install_needed": install,
        "node_needed": node,
        "services": {"banyandb-data.service": found},
        "push": {"proved": True} if push else None,
    }


def cluster(*nodes):
    return {"mode": "file", "nodes": [{"name": name, "role": role, "roles": ["ROLE_META", "ROLE_DATA"]} for name, role in nodes]}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"main_pid": 0, "ready": False}, "start"),
        ({"main_pid": 0, "ready": False, "needs_restart": [OTHER]}, "start"),
        ({"ready": False}, "start"),
        ({"ready": False, "needs_restart": [OTHER]}, "move"),
        ({"needs_restart": [OTHER]}, "restart"),
        ({"needs_restart": [UNREAD]}, "restart"),
        ({"needs_restart": [UNREAD, {"reason": "login_refused"}]}, "move"),
        ({}, "keep"),
    ],
)
def test_what_a_server_needs(service, expected):
    assert need({"main_pid": 7, "ready": True, "needs_restart": [], **service}) == expected


def test_a_host_as_it_should_be_only_stays():
    assert steps({"default": cluster(("a", "data"))}, {"a": probed()}) == {"a": ["__banyandb_cluster_members"]}


@pytest.mark.parametrize(("firewall", "changes"), [({"differs": True}, True), ({"differs": False}, False), (None, False)])
def test_only_a_host_with_another_firewall_changes_its_firewall(firewall, changes):
    found = steps({"default": cluster(("a", "data"))}, {"a": {**probed(), "firewall": firewall}})
    assert ("__banyandb_firewall" in found["a"]) is changes and "__banyandb_configure" not in found["a"]


@pytest.mark.parametrize("lacks", [{"install": True}, {"node": True}])
def test_a_host_that_differs_is_configured(lacks):
    assert "__banyandb_configure" in steps({"default": cluster(("a", "data"))}, {"a": probed(**lacks)})["a"]


@pytest.mark.parametrize("ready", [True, False])
def test_a_server_with_a_wrong_configuration_is_configured_only_in_its_wave(ready):
    found = steps({"default": cluster(("a", "data"))}, {"a": probed(node=True, ready=ready, needs_restart=[OTHER])})
    assert found == {"a": ["__banyandb_cluster_members", "__banyandb_change", "__banyandb_install", "__banyandb_rollout"]}


UNLOADED = {"reason": "certificate_not_loaded"}


@pytest.mark.parametrize(
    ("needs_restart", "unloaded", "reasons"),
    [([], False, []), ([], True, [UNLOADED]), ([UNLOADED], True, [UNLOADED]), ([OTHER], True, [OTHER, UNLOADED])],
)
def test_a_server_restarts_after_a_certificate_that_it_loads_only_at_a_start(needs_restart, unloaded, reasons):
    service = {"main_pid": 7, "needs_restart": needs_restart}
    assert after_certificate(service, unloaded) == {**service, "needs_restart": reasons}


@pytest.mark.parametrize("unloaded", [True, False])
def test_the_restart_after_a_certificate_is_a_wave(unloaded):
    certified = ["__banyandb_certify_0", *(["__banyandb_certificate_unloaded"] if unloaded else [])]
    found = steps({"default": cluster(("a", "data"), ("b", "data"))}, {"a": probed(), "b": probed()}, {"a": certified})
    assert ("__banyandb_change" in found["a"]) is unloaded and "__banyandb_change" not in found["b"]
    assert all(("__banyandb_rollout" in groups) is unloaded for groups in found.values())


@pytest.mark.parametrize(
    ("users", "service", "groups"),
    [
        (None, {}, set()),
        ({"wanted": True, "differs": False}, {}, set()),
        ({"wanted": True, "differs": True}, {}, {"__banyandb_users"}),
        ({"wanted": True, "differs": True}, {"main_pid": 0, "ready": False}, {"__banyandb_users"}),
        # All liaisons of a cluster get their users before the first wave.
        ({"wanted": True, "differs": True}, {"needs_restart": [OTHER]}, {"__banyandb_users"}),
        ({"wanted": True, "differs": True}, {"needs_restart": [UNREAD]}, {"__banyandb_users_in_wave"}),
        ({"wanted": False, "differs": True}, {"needs_restart": [OTHER]}, {"__banyandb_users_left"}),
        ({"wanted": False, "differs": False}, {}, set()),
    ],
)
def test_when_a_host_gets_its_file_with_users(users, service, groups):
    found = steps({"default": cluster(("l", "liaison"))}, {"l": {**probed(**service), **({"users_file": users} if users else {})}})
    assert {group for group in found["l"] if "users" in group} == groups


def test_every_host_takes_part_in_a_rollout_and_its_liaisons_are_drained():
    described = cluster(("a", "data"), ("b", "data"), ("l", "liaison"))
    found = steps({"default": described}, {"a": probed(needs_restart=[OTHER]), "b": probed(), "l": probed()})
    assert found == {
        "a": ["__banyandb_cluster_members", "__banyandb_change", "__banyandb_install", "__banyandb_rollout"],
        "b": ["__banyandb_cluster_members", "__banyandb_rollout"],
        "l": ["__banyandb_cluster_members", "__banyandb_rollout", "__banyandb_drainable"],
    }


def test_a_change_of_tls_is_no_wave_and_stops_and_starts_every_running_server():
    described = cluster(("a", "data"), ("b", "data"), ("l", "liaison"), ("s", "standalone"))
    switches = {"needs_restart": [{"reason": "environment_changed", "variables": ["BYDB_TLS"]}], "switches_tls": True}
    found = steps({"default": described}, {"a": probed(node=True, **switches), "b": probed(main_pid=0), "l": probed(**switches)})
    switch = ["__banyandb_tls_switch", "__banyandb_install"]
    assert found == {
        "a": ["__banyandb_cluster_members", "__banyandb_start_data", *switch],
        "b": ["__banyandb_cluster_members", "__banyandb_start_data", *switch],
        "l": ["__banyandb_cluster_members", "__banyandb_start_first_liaison", *switch, "__banyandb_drainable"],
    }
    alone = ["__banyandb_cluster_members", "__banyandb_start_standalone", *switch]
    assert steps({"default": described}, {"s": probed(**switches)})["s"] == alone


STOPPED = {"main_pid": 0, "ready": False}


@pytest.mark.parametrize(
    ("service", "switching", "groups"),
    [
        (STOPPED, True, {"__banyandb_tls_switch"}),
        # The host gets its account, and then its certificate, before the change.
        ({**STOPPED, "exists": False}, True, {"__banyandb_configure", "__banyandb_tls_switch"}),
        (STOPPED, False, {"__banyandb_configure"}),
    ],
)
def test_stopped_servers_take_part_in_a_change_of_tls_whose_failure_restores_the_files(service, switching, groups):
    running = {"needs_restart": [{"reason": "environment_changed", "variables": ["BYDB_TLS"]}], "switches_tls": True} if switching else {}
    found = steps({"default": cluster(("a", "data"), ("b", "data"))}, {"a": probed(**running), "b": probed(node=True, **service)})["b"]
    assert {"__banyandb_tls_switch", "__banyandb_configure"} & {*found} == groups and "__banyandb_start_data" in found


def test_one_liaison_of_each_cluster_is_the_first_of_those_that_are_there():
    clusters = {
        "one": cluster(("l3", "liaison"), ("l2", "liaison"), ("l1", "liaison"), ("d", "data")),
        "two": cluster(("m1", "liaison")),
    }
    found = {name: probed(main_pid=0) for name in ("l2", "l3", "d", "m1")}
    assert {name: groups[1] for name, groups in steps(clusters, found).items()} == {
        "d": "__banyandb_start_data",
        "l2": "__banyandb_start_first_liaison",
        "l3": "__banyandb_start_liaison",
        "m1": "__banyandb_start_first_liaison",
    }


@pytest.mark.parametrize(("service", "reopens"), [({"main_pid": 0}, True), ({"main_pid": 0, "exists": False}, False), ({}, False)])
def test_every_deployed_liaison_reopens_its_ports_if_one_is_stopped(service, reopens):
    clusters = {"default": cluster(("l", "liaison"), ("m", "liaison"), ("n", "liaison"), ("d", "data")), "other": cluster(("o", "liaison"))}
    new = probed(main_pid=0, exists=False)
    groups = steps(clusters, {"l": probed(**service), "m": probed(), "n": new, "d": probed(**service), "o": probed()})
    assert [host for host in groups if "__banyandb_reopen" in groups[host]] == (["l", "m"] if reopens else [])


def test_data_nodes_without_the_meta_role_are_started_after_those_with_it():
    described = cluster(("a", "data"), ("b", "data"))
    described["nodes"][1]["roles"] = ["ROLE_DATA"]
    found = steps({"default": described}, {name: probed(main_pid=0) for name in "ab"})
    assert {name: groups[1] for name, groups in found.items()} == {"a": "__banyandb_start_data", "b": "__banyandb_start_other_data"}


def test_hosts_are_those_of_the_inventory_wherever_the_nodes_come_from():
    found = steps({"default": {**cluster(("stranger", "data")), "hosts": cluster(("a", "data"))["nodes"]}}, {"a": probed()})
    assert found == {"a": ["__banyandb_cluster_members"]}


@pytest.mark.parametrize(("mode", "enters"), [("file", True), ("dns", False)])
def test_a_server_that_asked_dns_until_now_needs_a_topology_file_before_it_restarts(mode, enters):
    reasons = [{"reason": "environment_changed", "variables": ["BYDB_GRPC_PORT", "BYDB_NODE_DISCOVERY_MODE"]}]
    found = steps({"default": {**cluster(("a", "data")), "mode": mode}}, {"a": probed(needs_restart=reasons)})
    assert ("__banyandb_enter_file_mode" in found["a"]) == enters
    other = steps({"default": cluster(("a", "data"))}, {"a": probed(needs_restart=[OTHER])})
    assert "__banyandb_enter_file_mode" not in other["a"]


@pytest.mark.parametrize("mode", ["file", "dns"])
def test_every_host_is_pushed_to_unless_each_that_reads_topology_yml_is_proved(mode):
    clusters = {"default": {**cluster(("a", "data"), ("b", "data")), "mode": mode}}
    proved = steps(clusters, {"a": probed(), "b": probed()})
    one_is_not = steps(clusters, {"a": probed(), "b": probed(push=False)})
    assert not any("__banyandb_push_hosts" in groups for groups in proved.values())
    assert [name for name, groups in one_is_not.items() if "__banyandb_push_hosts" in groups] == (["a", "b"] if mode == "file" else [])


def test_a_standalone_server_is_never_pushed_to():
    assert "__banyandb_push_hosts" not in steps({"default": cluster(("s", "standalone"))}, {"s": probed(push=False)})["s"]


def test_a_host_in_remove_takes_part_in_nothing():
    assert steps({"default": cluster(("a", "data"))}, {"a": probed(), "leaving": probed()}).keys() == {"a"}


def test_while_a_data_node_comes_back_with_an_empty_disk_every_host_takes_part_in_the_question():
    emptied = {**probed(), "storage": {"roots": [{"state": "ours"}, {"state": "emptied"}]}}
    whole = {**probed(), "storage": {"roots": [{"state": "ours"}]}}
    groups = steps({"default": cluster(("d1", "data"), ("d2", "data"))}, {"d1": emptied, "d2": whole})
    assert groups["d1"][-2:] == ["__banyandb_empty_disk_nodes", "__banyandb_empty_disk_check"]
    assert groups["d2"][-1:] == ["__banyandb_empty_disk_check"] and "__banyandb_empty_disk_nodes" not in groups["d2"]


@pytest.mark.parametrize(
    ("role", "listed", "states", "loses"),
    [
        ("data", True, ["new", "new"], True),
        ("data", True, ["new", "ours"], False),  # a second directory for a node that has its data
        ("data", False, ["new"], False),  # a node that no server lists was never there
        ("liaison", True, ["new"], False),  # the disk of a liaison holds no points of its own
    ],
)
def test_a_new_machine_under_the_name_of_a_listed_data_node_lost_the_data(role, listed, states, loses):
    new = {**probed(), "storage": {"roots": [{"state": state} for state in states]}, "topology_names": ["d1"]}
    other = {**probed(), "topology_names": ["d1", "d2"] if listed else []}
    groups = steps({"default": cluster(("d1", role), ("d2", "data"))}, {"d1": new, "d2": other})
    assert ("__banyandb_empty_disk_nodes" in groups["d1"], "__banyandb_empty_disk_check" in groups["d2"]) == (loses, loses)


def test_a_run_that_leaves_out_hosts_cannot_know_whether_a_node_without_data_is_new():
    new, used = ({**probed(), "storage": {"roots": [{"state": state}]}} for state in ("new", "ours"))
    clusters = {"default": cluster(("d1", "data"), ("d2", "data"), ("l", "liaison"), ("s", "standalone"))}
    assert unknown_past(clusters, {"d1": new, "d2": used}) == ["d1"]
    assert unknown_past(clusters, {"d1": new, "d2": used, "l": new}) == []
    assert unknown_past({"default": {**clusters["default"], "mode": "dns"}}, {"d1": new}) == []
