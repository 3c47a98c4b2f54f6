# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import Cluster, clusters, merged

GROUPS = {"banyandb_data": ["d1", "d2"], "banyandb_liaison": ["l1"], "all": ["d1", "d2", "l1", "x"]}


def cluster(groups: dict[str, list[str]] = GROUPS, everywhere: dict[str, Any] | None = None, **hosts: dict[str, Any]) -> Cluster:
    names = {name for group in groups.values() for name in group}
    found = clusters(groups, {name: {**(everywhere or {}), **hosts.get(name, {})} for name in names})
    assert list(found) == ["default"]
    return found["default"]


def test_a_liaison_is_listed_on_its_internal_port_and_a_data_node_on_its_own() -> None:
    nodes = cluster(d1={"ansible_host": "10.0.0.1", "banyandb_grpc_port": 27912}, l1={"banyandb_grpc_port": 17999}).nodes
    assert {node["name"]: node["grpc_address"] for node in nodes} == {"d1": "10.0.0.1:27912", "d2": "d2:17912", "l1": "l1:18912"}


def test_a_node_is_expected_as_its_variables_describe_it() -> None:
    nodes = {node["name"]: node for node in cluster(d2={"banyandb_has_meta_role": "no", "banyandb_node_labels": {"type": "hot"}}).nodes}
    assert nodes["d1"]["roles"] == ["ROLE_META", "ROLE_DATA"]
    assert (nodes["d2"]["roles"], nodes["d2"]["labels"]) == (["ROLE_DATA"], {"type": "hot"})
    assert nodes["l1"]["roles"] == ["ROLE_LIAISON"]


def test_clusters_of_one_inventory_do_not_mix() -> None:
    found = clusters(GROUPS | {"banyandb_data": ["d1", "d2", "e1"]}, {
        "d1": {}, "d2": {}, "l1": {}, "e1": {"banyandb_cluster": "edge"},
    })  # fmt: skip
    assert {name: [node["name"] for node in c.nodes] for name, c in found.items()} == {
        "default": ["d1", "d2", "l1"],
        "edge": ["e1"],
    }


def test_a_node_in_remove_is_no_longer_wanted() -> None:
    found = cluster(everywhere={"banyandb_remove": ["d2"]})
    assert ([node["name"] for node in found.nodes], found.remove) == (["d1", "l1"], ["d2"])


@pytest.mark.parametrize(
    ("host", "variables", "says"),
    [
        ("d1", {"banyandb_grpc_port": "x"}, "banyandb_grpc_port is 'x', expected a port"),
        ("d1", {"banyandb_grpc_port": True}, "expected a port"),
        ("d1", {"banyandb_http_port": 70000}, "banyandb_http_port is 70000"),
        ("d1", {"banyandb_start_timeout": "2m"}, "banyandb_start_timeout is '2m': expected seconds from 1 to 86400."),
        ("d2", {"banyandb_status_wait": "soon"}, "banyandb_status_wait is 'soon': expected seconds from 0 to 86400."),
        ("d2", {"banyandb_remove_data": "maybe"}, "banyandb_remove_data is 'maybe', expected true or false"),
        ("l1", {"banyandb_proof_timeout": []}, "banyandb_proof_timeout is []: expected seconds from 0.001 to 86400."),
        ("d1", {"banyandb_node_host": "a b"}, "'a b' is not a host name"),
        ("d1", {"banyandb_node_labels": ["hot"]}, "expected a mapping"),
        ("d1", {"banyandb_env": ["A=1"]}, "expected a mapping"),
        ("d1", {"banyandb_env": {"BYDB_GRPC_PORT": 1}}, "which banyandb_grpc_port decides"),
        ("l1", {"banyandb_env": {"BYDB_LIAISON_SERVER_GRPC_PORT": 17912}}, "know a liaison by 18912"),
        ("d1", {"banyandb_remove": "d2"}, "expected a list of names"),
        ("d1", {"banyandb_node_host": "127.0.0.1"}, "leads each of the other nodes to itself"),
        ("d1", {"banyandb_node_host": "D2"}, "d1, d2: all at the address d2"),
    ],
)
def test_a_problem_names_its_host_and_what_to_do(host: str, variables: dict[str, Any], says: str) -> None:
    (problem,) = cluster(**{host: variables}).problems
    assert problem.startswith(host) and says in problem


def test_a_host_in_two_groups_is_a_problem() -> None:
    (problem,) = cluster(GROUPS | {"banyandb_liaison": ["l1", "d1"]}).problems
    assert problem.startswith("d1: is in the groups banyandb_data and banyandb_liaison")


def test_a_cluster_without_a_meta_node_is_a_problem() -> None:
    assert "no data node has the META role" in cluster(everywhere={"banyandb_has_meta_role": False}).problems[0]
    assert "no data node has the META role" in cluster({"banyandb_liaison": ["l1"]}).problems[0]


def test_a_sound_inventory_has_no_problems() -> None:
    assert cluster().problems == []
    assert cluster({"banyandb_standalone": ["s1"]}, s1={"banyandb_node_host": "127.0.0.1"}).problems == []


def test_nodes_at_one_address_are_a_problem_of_each_of_their_clusters() -> None:
    hosts = {"d1": {"banyandb_cluster": "edge"}, "d2": {}, "l1": {}}
    found = clusters(GROUPS, {host: {**variables, "ansible_host": "10.0.0.9"} for host, variables in hosts.items()})
    for name in ("edge", "default"):
        assert any("d1, d2, l1: all at the address 10.0.0.9" in problem for problem in found[name].problems)


def test_labels_are_expected_as_the_server_shows_them() -> None:
    nodes = {node["name"]: node for node in cluster(d1={"banyandb_node_labels": {"spare": True, "rack": 7}}).nodes}
    assert nodes["d1"]["labels"] == {"spare": "true", "rack": "7"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"banyandb_grpc_port": "0000801234"}, "expected a port"),
        ({"banyandb_grpc_port": 1 << 20000}, "<a number of 20001 bits>, expected a port"),
        ({"banyandb_node_host": ["a"]}, r"banyandb_node_host is \['a'\], expected text"),
        ({"banyandb_node_host": 1 << 20000}, "expected text"),
        ({"banyandb_cluster": {"a": 1}}, "banyandb_cluster is {'a': 1}, expected text"),
        ({"banyandb_remove": [{"a": 1}]}, r"banyandb_remove\[0\] is {'a': 1}, expected text"),
        ({"banyandb_has_meta_role": "maybe"}, "banyandb_has_meta_role is 'maybe', expected true or false"),
        ({"banyandb_node_labels": {"a": "b,c"}}, "node label 'a': the server cannot read back"),
        ({"banyandb_node_labels": {"a": 1 << 20000}}, "node label 'a': expected text or a number of 64 bits"),
        ({"banyandb_node_labels": {1: "a", "1": "b"}}, "node label '1' is listed twice"),
    ],
)
def test_a_value_that_is_none_of_its_variable_is_a_problem_of_its_host(variables: dict[str, Any], says: str) -> None:
    assert any(re.match(f"d1: .*{says}", problem) for problem in cluster(d1=variables).problems)


@pytest.mark.parametrize("name", ["node 7", "node7,node8", "a:b", "node*", "node[1]", "!node", "&node", "{{ foo }}"])
def test_a_host_name_that_ansible_reads_as_a_pattern_is_a_problem(name: str) -> None:
    (problem,) = cluster({"banyandb_data": ["d1", name], "banyandb_liaison": ["l1"]}).problems
    assert problem == f"{name}: Ansible reads this host name as a pattern for other hosts. Use letters, digits and . _ - in the name."


@pytest.mark.parametrize("name", ["node-7.example.org", "data+1", "user@h", "7", "n\u00f6de", "2001:db8::7", "10.0.0.7"])
def test_other_host_names_are_none(name: str) -> None:
    found = clusters({"banyandb_data": [name]}, {name: {"ansible_host": "10.0.0.7"}})
    assert found["default"].problems == []


def test_a_cluster_reads_files_made_from_the_inventory_unless_its_hosts_set_another_mode() -> None:
    found = cluster()
    assert (found.mode, found.source, found.problems) == ("file", "inventory", [])
    found = cluster(everywhere={"banyandb_topology_source": "dns"})
    assert (found.mode, found.source, found.problems) == ("file", "dns", [])
    found = cluster(everywhere={"banyandb_discovery_mode": "dns"})
    assert (found.mode, found.source, found.problems) == ("dns", "dns", [])


@pytest.mark.parametrize("variable", ["banyandb_discovery_mode", "banyandb_topology_source"])
def test_all_hosts_of_a_cluster_find_each_other_in_one_way(variable: str) -> None:
    (problem,) = cluster(d2={variable: "dns"}).problems
    assert problem.startswith(f"{variable} is dns for d2, ") and problem.endswith("Set one for all hosts of the cluster default.")


@pytest.mark.parametrize("variable", ["banyandb_discovery_mode", "banyandb_topology_source"])
def test_an_unknown_value_is_a_problem(variable: str) -> None:
    assert cluster(d2={variable: "etcd"}).problems[0].startswith(f"d2: {variable} is 'etcd', expected ")


@pytest.mark.parametrize("host", ["d2", "l1"])
def test_a_server_of_a_cluster_has_to_find_the_others(host: str) -> None:
    said = f"{host}: banyandb_discovery_mode is 'none', expected file or dns"
    assert said in cluster(**{host: {"banyandb_discovery_mode": "none"}}).problems


def test_a_standalone_server_has_no_say_in_how_a_cluster_finds_its_nodes() -> None:
    found = cluster(GROUPS | {"banyandb_standalone": ["s1"]}, {"banyandb_discovery_mode": "dns"}, s1={"banyandb_discovery_mode": "none"})
    assert (found.mode, found.problems) == ("dns", [])


def test_a_wrong_variable_of_a_group_is_one_problem() -> None:
    variables = {"banyandb_grpc_port": "17912x"}
    found = clusters({"banyandb_data": ["a", "b", "c", "d", "e"]}, {host: {} if host == "e" else variables for host in "abcde"})
    problems = merged(["one problem of the cluster", *found["default"].problems], "abcde")
    assert problems[:2] == ["one problem of the cluster", "a, b, c and 1 more: banyandb_grpc_port is '17912x', expected a port from 1 to 65535"]
    assert sum("banyandb_grpc_port" in problem for problem in problems) == 1


def test_with_tls_every_entry_has_the_ca_of_the_host() -> None:
    found = cluster(everywhere={"banyandb_tls": "yes", "banyandb_config_dir": "/srv/b"})
    assert found.problems == []
    assert {(node["tls_enabled"], node["ca_cert_path"]) for node in found.nodes} == {(True, "/srv/b/tls/ca.crt")}
    assert all("tls_enabled" not in node for node in cluster().nodes)


@pytest.mark.parametrize(
    ("everywhere", "d2", "says"),
    [
        ({}, {"banyandb_tls": True}, "banyandb_tls is false for d1, true for d2. Set one"),
        ({"banyandb_tls": True}, {"banyandb_config_dir": "/srv"}, "banyandb_config_dir is /etc/banyandb for d1, /srv for d2. Set one"),
        ({"banyandb_tls": True, "banyandb_topology_source": "dns"}, {}, "banyandb_tls: true works only with the nodes of the inventory"),
        ({"banyandb_tls": True, "banyandb_discovery_mode": "dns"}, {}, "banyandb_tls: true works only with the nodes of the inventory"),
        ({}, {"banyandb_env": {"BYDB_AUTH_CONFIG_FILE": "/x"}}, "d2: banyandb_env sets BYDB_AUTH_CONFIG_FILE, which banyandb_users decides"),
        ({}, {"banyandb_env": {"BYDB_TLS": "true"}}, "d2: banyandb_env sets BYDB_TLS, which banyandb_tls decides"),
        ({}, {"banyandb_env": {"BYDB_DATA_CLIENT_CA_CERT": "/x"}}, "d2: banyandb_env sets BYDB_DATA_CLIENT_CA_CERT, which banyandb_tls decides"),
    ],
)
def test_tls_belongs_to_a_whole_cluster(everywhere: dict[str, Any], d2: dict[str, Any], says: str) -> None:
    problems = cluster(everywhere=everywhere, d2=d2).problems
    assert any(problem.startswith(says) for problem in problems), problems


def test_a_cluster_with_nodes_from_dns_sets_the_variables_of_the_server_itself() -> None:
    environment = {"banyandb_env": {"BYDB_TLS": "true", "BYDB_CERT_FILE": "/c"}}
    assert cluster(everywhere={"banyandb_discovery_mode": "dns", **environment}).problems == []
    assert cluster(everywhere=environment).problems != []


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        ({}, {}, False),
        ({"banyandb_users": [{"username": "a", "password": "canary"}]}, {"banyandb_users": [{"username": "a", "password": "canary"}]}, False),
        ({"banyandb_users": [{"username": "a", "password": "canary"}]}, {"banyandb_users": [{"username": "a", "password": "canary2"}]}, True),
        ({"banyandb_users": [{"username": "a", "password": "canary"}]}, {}, True),
        ({"banyandb_operator": "canary"}, {}, True),
        ({"banyandb_users": object()}, {"banyandb_users": "canary"}, True),
    ],
)
def test_all_liaisons_of_a_cluster_have_the_same_users(first: dict[str, Any], second: dict[str, Any], differ: bool) -> None:
    found = cluster({"banyandb_data": ["d1"], "banyandb_liaison": ["l1", "l2"]}, d1={"banyandb_users": "other"}, l1=first, l2=second).problems
    message = "banyandb_users and banyandb_operator differ on l1, l2. Set one value for all liaisons of the cluster default."
    assert found == ([message] if differ else [])
