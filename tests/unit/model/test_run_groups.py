# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""run_groups: which plays a host takes part in."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.run_groups import run_groups


def cluster(*nodes, **more):
    return {"source": "inventory", "mode": "file", "remove": [], "nodes": [{"name": name, "role": role} for name, role in nodes], **more}


def test_a_server_reads_topology_yml_or_not():
    clusters = {
        "a": cluster(("l", "liaison"), ("d", "data"), ("s", "standalone")),
        "b": cluster(("l2", "liaison"), ("d2", "data"), mode="dns"),
    }
    assert run_groups(clusters, ["l", "d", "s", "l2", "d2"]) == {
        "l": ["__banyandb_file_servers", "__banyandb_liaisons"],
        "d": ["__banyandb_file_servers"],
        "s": ["__banyandb_other_servers"],
        "l2": ["__banyandb_other_servers", "__banyandb_liaisons"],
        "d2": ["__banyandb_other_servers"],
    }


def test_only_hosts_of_the_play_have_groups_and_a_leaving_host_has_no_server():
    assert run_groups({"a": cluster(("l", "liaison"), ("d", "data"))}, ["d", "x"]) == {"d": ["__banyandb_file_servers"]}


def test_all_hosts_ask_dns_when_any_cluster_does_and_record_departures_when_any_node_leaves():
    clusters = {"a": cluster(("d", "data"), source="dns", hosts=[{"name": "h", "role": "data"}]), "b": cluster(remove=["x"])}
    assert run_groups(clusters, ["h", "x"]) == {
        "h": ["__banyandb_dns_hosts", "__banyandb_departure_hosts", "__banyandb_file_servers"],
        "x": ["__banyandb_dns_hosts", "__banyandb_departure_hosts"],
    }
    assert run_groups({"b": cluster(mode="dns", remove=["x"])}, ["x"]) == {}
