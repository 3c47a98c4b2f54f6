# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""play_groups: which plays a host takes part in."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.play_groups import look_groups, play_groups


def cluster(*nodes, **more):
    return {"source": "inventory", "mode": "file", "remove": [], "nodes": [{"name": name, "role": role} for name, role in nodes], **more}


def test_hosts_wait_for_views_when_any_server_reads_no_topology_yml():
    file, dns = cluster(("l", "liaison"), ("d", "data")), cluster(("l2", "liaison"), ("d2", "data"), mode="dns")
    assert play_groups({"a": file}, ["l", "d", "x"]) == {"l": ["__banyandb_liaisons"]}
    assert play_groups({"a": file, "b": dns}, ["l", "d", "l2"]) == {
        "l": ["__banyandb_view_wait", "__banyandb_liaisons"],
        "d": ["__banyandb_view_wait"],
        "l2": ["__banyandb_view_wait", "__banyandb_liaisons"],
    }
    assert play_groups({"a": cluster(("s", "standalone"), ("d", "data"))}, ["s", "d"]) == {host: ["__banyandb_view_wait"] for host in ("s", "d")}


def test_every_host_takes_part_in_the_push_of_a_run_that_pushes():
    clusters = {"a": cluster(("d", "data"))}
    assert play_groups(clusters, ["d", "x"], pushes=True) == {host: ["__banyandb_push_hosts"] for host in ("d", "x")}


def test_servers_outside_of_the_play_do_not_count():
    clusters = {"a": cluster(("d", "data")), "b": cluster(("d2", "data"), mode="dns")}
    assert play_groups(clusters, ["d"]) == {}


def test_all_hosts_ask_dns_when_any_cluster_does_and_record_departures_when_any_node_leaves():
    clusters = {"a": cluster(("d", "data"), source="dns", hosts=[{"name": "h", "role": "data"}]), "b": cluster(remove=["x"])}
    assert play_groups(clusters, ["h", "x"]) == {host: ["__banyandb_dns_hosts", "__banyandb_departure_hosts"] for host in ("h", "x")}
    assert play_groups({"b": cluster(mode="dns", remove=["x"])}, ["x"]) == {"x": ["__banyandb_departure_hosts"]}


def test_a_run_without_a_preflight_looks_at_every_node_of_a_cluster_with_a_firewall_before_it_decides_about_the_push():
    clusters = {"a": cluster(("d", "data"), firewall={"members": []}), "b": cluster(("d2", "data"), firewall={})}
    assert play_groups(clusters, ["d", "d2", "x"], True, True) == {"d": ["__banyandb_look_hosts"]}
    assert play_groups(clusters, ["d2", "x"], True, True) == {host: ["__banyandb_push_hosts"] for host in ("d2", "x")}
    assert play_groups(clusters, ["d", "d2", "x"]) == {}


def looked(push=True, **firewall):
    return {"push": {"proved": True} if push else None, "firewall": {"differs": False, "problems": [], **firewall}}


def test_a_run_that_finds_all_firewalls_and_views_right_changes_nothing():
    clusters = {"a": cluster(("d", "data"), ("l", "liaison"), ("s", "standalone"), firewall={"members": []})}
    found = {"d": looked(), "l": looked(), "s": looked(push=False)}
    assert look_groups(clusters, ["d", "l", "s", "x"], found) == {}


def test_all_hosts_get_a_push_when_one_view_is_not_proved_or_was_not_looked_at():
    clusters = {"a": cluster(("d", "data"), firewall={"members": []}), "b": cluster(("l", "liaison"), firewall={})}
    everybody = {host: ["__banyandb_push_hosts"] for host in ("d", "l")}
    assert look_groups(clusters, ["d", "l"], {"d": looked(push=False), "l": looked()}) == everybody
    assert look_groups(clusters, ["d", "l"], {"d": looked()}) == everybody
    assert look_groups({"a": clusters["a"], "b": cluster(("l", "liaison"), mode="dns")}, ["d", "l"], {"d": looked()}) == {}
    assert look_groups(clusters, ["d"], {"d": looked()}) == {}


@pytest.mark.parametrize("firewall", [{"differs": True}, {"problems": ["no nft"]}])
def test_a_view_is_proved_again_after_a_change_of_a_firewall(firewall):
    clusters = {"a": cluster(("d", "data"), ("l", "liaison"), firewall={"members": []})}
    found = {"d": looked(**firewall), "l": looked()}
    assert look_groups(clusters, ["d", "l"], found) == {"d": ["__banyandb_firewall", "__banyandb_push_hosts"], "l": ["__banyandb_push_hosts"]}
