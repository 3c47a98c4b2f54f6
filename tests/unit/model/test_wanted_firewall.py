# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall that each host of an inventory must have."""

from __future__ import annotations

import json

import pytest

from ansible_collections.skywalking.banyandb.plugins.filter.clusters import inventory_clusters
from ansible_collections.skywalking.banyandb.plugins.filter.local_servers import local_servers
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import paths
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_firewall import host_firewall

ON = {
    "banyandb_firewall": "nftables",
    "banyandb_firewall_clients": ["10.0.0.0/8", "fd00::/8"],
    "banyandb_firewall_monitoring": ["192.0.2.9"],
    "banyandb_firewall_members": ["192.0.2.128/25"],
}
GROUPS = {"banyandb_data": ["d1", "d2"], "banyandb_liaison": ["l1"], "banyandb_standalone": ["s1"]}
NETWORKS = {"clients": ["10.0.0.0/8", "fd00::/8"], "monitoring": ["192.0.2.9/32"], "members": ["192.0.2.128/25"]}
NODES = {"members": ["10.0.0.1", "fd00::2", "l1"], "leaving": [], "networks": NETWORKS, "topology": "/etc/banyandb/topology.yml"}


def firewalls(everywhere=ON, **hosts):
    """Return host -> firewall, after a way through facts."""
    own = {"d1": {"banyandb_node_host": "10.0.0.1"}, "d2": {"banyandb_node_host": "fd00::2"}}
    hostvars = {host: {**everywhere, **own.get(host, {}), **hosts.get(host, {})} for group in GROUPS.values() for host in group}
    clusters = inventory_clusters(hostvars, GROUPS)
    assert clusters["default"]["problems"] == []
    servers = json.loads(json.dumps(local_servers(hostvars, GROUPS)))
    return {host: host_firewall(server, json.loads(json.dumps(clusters))) for host, server in servers.items()}


def problems(everywhere=ON, **d1):
    hostvars = {host: dict(everywhere) for group in GROUPS.values() for host in group}
    hostvars["d1"].update(d1)
    return inventory_clusters(hostvars, GROUPS)["default"]["problems"]


def test_unknown_names_are_reported_with_the_other_problems_of_the_inventory():
    wrong = {"banyandb_grpc_port": "many", "banyandb_soka": 3}
    hostvars = {"d1": wrong, "l1": {"banyandb_soka": 3}}
    groups = {"banyandb_data": ["d1"], "banyandb_liaison": ["l1"], "banyandb_dota": ["x"]}
    port, *_others, soka, group = inventory_clusters(hostvars, groups)["default"]["problems"]
    assert port.startswith("d1: banyandb_grpc_port") and group.startswith("x: only in the group banyandb_dota")
    assert soka.startswith("d1, l1: banyandb_soka is not a variable of this collection")
    assert inventory_clusters({"d1": {"banyandb_soka": 3}}, {"banyandb_data": ["d1"]})["default"]["problems"] == []


def test_each_kind_accepts_the_peers_of_its_ports():
    found = firewalls()
    servers = {host: {port: audiences for _purpose, port, _host, audiences in each.pop("ports")} for host, each in found.items()}
    assert found["d1"] == found["d2"] == {**NODES, "service": "banyandb-data.service"}
    assert found["l1"] == {**NODES, "service": "banyandb-liaison.service"}
    assert found["s1"] == {**NODES, "service": "banyandb-standalone.service", "members": []}
    of_all = {2121: ["monitoring"], 6060: []}
    members, clients, both = ["members"], ["clients"], ["members", "clients"]
    assert servers["d1"] == servers["d2"] == {**of_all, 17912: members, 17913: [], 17916: members, 17932: members}
    assert servers["l1"] == {**of_all, 17912: both, 17913: clients, 18912: members, 18913: []}
    assert servers["s1"] == {**of_all, 17912: both, 17913: clients, 17916: []}


def test_the_ports_are_those_of_the_variables():
    moved = {"banyandb_grpc_port": 27912, "banyandb_metrics_port": 3121, "banyandb_env": {"BYDB_SCHEMA_SERVER_GRPC_PORT": 27916}}
    assert sorted(port[1] for port in firewalls(d1=moved)["d1"]["ports"]) == [3121, 6060, 17913, 17932, 27912, 27916]


def test_a_node_that_leaves_stays_until_the_change_is_complete():
    found = firewalls({**ON, "banyandb_remove": ["d2"]})
    assert (found["l1"]["members"], found["l1"]["leaving"]) == (["10.0.0.1", "l1"], ["fd00::2"])


@pytest.mark.parametrize("everywhere", [{}, {**ON, "banyandb_firewall": "none"}])
def test_without_a_firewall_a_host_has_none_of_its_files(everywhere):
    assert all(found == {"paths": paths()} for found in firewalls(everywhere).values())


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"banyandb_firewall": "none"}, "banyandb_firewall is nftables for d2, none for d1. Set one for all hosts of the cluster default."),
        ({"banyandb_firewall_clients": []}, "banyandb_firewall_clients is [\"10.0.0.0/8\", \"fd00::/8\"] for d2, [] for d1. Set one"),
        ({"banyandb_firewall_monitoring": ["192.0.2.9/24"]}, "d1: banyandb_firewall_monitoring[0] is '192.0.2.9/24': the address has bits"),
        ({"banyandb_firewall_members": "10.0.0.0/8"}, "d1: banyandb_firewall_members is '10.0.0.0/8': expected a list"),
    ],
)
def test_a_firewall_belongs_to_a_whole_cluster(variables, says):
    assert any(problem.startswith(says) for problem in problems(**variables)), problems(**variables)


@pytest.mark.parametrize("from_dns", [{"banyandb_discovery_mode": "dns"}, {"banyandb_topology_source": "dns"}])
def test_nodes_from_dns_have_no_firewall(from_dns):
    refused = "banyandb_firewall: nftables works only with the nodes of the inventory"
    assert any(problem.startswith(refused) for problem in problems({**ON, **from_dns}))


def test_the_same_networks_in_another_order_are_the_same():
    assert problems(banyandb_firewall_clients=["fd00::/8", "10.0.0.0/8"]) == []
