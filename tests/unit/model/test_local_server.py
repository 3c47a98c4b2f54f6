# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address at which a host asks its own server, and the source of the server's environment variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.filter.local_servers import local_servers
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import GivenEnvironmentError, given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import (
    LocalServer,
    Question,
    local_server,
    node_name,
    server_of,
)

ROOT = Path(__file__).resolve().parents[3]


def test_a_server_without_other_settings_is_asked_on_loopback_at_the_ports_of_the_contract():
    assert local_server("liaison", {}) == LocalServer(
        url="http://127.0.0.1:17913",
        http_address="127.0.0.1:17913",
        grpc_address="127.0.0.1:17912",
        internal_address="127.0.0.1:18912",
        metrics_url="http://127.0.0.1:2121",
        client_ports=(17912, 17913),
        question=Question("http", "127.0.0.1:17913"),
    )


SECURE = {"banyandb_tls": True, "banyandb_env": {"BYDB_AUTH_CONFIG_FILE": "/etc/banyandb/users.json"}, "banyandb_node_host": "n.example.org"}
CA, USERS = "/etc/banyandb/tls/ca.crt", "/etc/banyandb/users.json"


@pytest.mark.parametrize(
    ("role", "url", "question"),
    [
        ("data", "http://127.0.0.1:17913", Question("grpc", "127.0.0.1:17912", CA, "n.example.org")),
        ("liaison", "http://127.0.0.1:17913", Question("http", "127.0.0.1:17913", CA, "n.example.org", USERS)),
        ("standalone", "http://127.0.0.1:17913", Question("http", "127.0.0.1:17913", CA, "n.example.org", USERS)),
    ],
)
def test_a_secured_server_is_asked_by_the_protocol_that_shows_its_view(role, url, question):
    found = local_server(role, SECURE)
    assert (found.url, found.question) == (url, question)


@pytest.mark.parametrize(("role", "users"), [("data", ""), ("liaison", USERS)])
def test_a_server_with_users_and_without_tls_is_asked_over_http(role, users):
    question = local_server(role, {**SECURE, "banyandb_tls": False}).question
    assert question == Question("http", "127.0.0.1:17913", users_path=users)


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_with_users_asks_for_them_over_http_and_grpc(tls):
    found = local_server("liaison", {**SECURE, "banyandb_tls": tls})
    assert found.logins == (found.question, Question("grpc", "127.0.0.1:17912", CA if tls else "", "n.example.org" if tls else "", USERS))
    assert local_server("data", SECURE).logins == local_server("liaison", {}).logins == ()


@pytest.mark.parametrize("wildcard", ["", "0.0.0.0", "::", "[::]", None])
def test_a_wildcard_means_loopback(wildcard):
    found = local_server("liaison", {"banyandb_env": {"BYDB_HTTP_HOST": wildcard, "BYDB_GRPC_HOST": wildcard}})
    assert (found.http_address, found.grpc_address) == ("127.0.0.1:17913", "127.0.0.1:17912")


@pytest.mark.parametrize(
    ("role", "http", "grpc"),
    [
        ("liaison", "10.0.0.3:80", "[2001:db8::1]:17000"),
        ("standalone", "10.0.0.3:80", "[2001:db8::1]:17000"),
        # A data node has one host for both ports: the host of gRPC.
        ("data", "[2001:db8::1]:80", "[2001:db8::1]:17000"),
    ],
)
def test_a_server_is_asked_where_it_listens(role, http, grpc):
    env = {"BYDB_HTTP_HOST": "10.0.0.3", "BYDB_GRPC_HOST": "2001:db8::1"}
    found = local_server(role, {"banyandb_env": env, "banyandb_http_port": 80, "banyandb_grpc_port": "17000"})
    assert (found.http_address, found.grpc_address, found.url) == (http, grpc, f"http://{http}")
    assert found.client_ports == (17000, 80)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"banyandb_metrics_port": 3000}, "http://127.0.0.1:3000"),
        ({"banyandb_env": {"BYDB_OBSERVABILITY_LISTENER_ADDR": "10.0.0.3:3000"}}, "http://10.0.0.3:3000"),
        ({"banyandb_env": {"BYDB_OBSERVABILITY_LISTENER_ADDR": "[::]:3000"}}, "http://127.0.0.1:3000"),
    ],
)
def test_the_metrics_are_read_where_they_are(variables, url):
    assert local_server("liaison", variables).metrics_url == url


def test_the_environment_of_a_process_says_where_it_listens():
    environment = {
        "BYDB_GRPC_PORT": "27912", "BYDB_HTTP_PORT": "27913", "BYDB_HTTP_HOST": "10.0.0.5", "BYDB_OBSERVABILITY_LISTENER_ADDR": "[::]:3131",
    }  # fmt: skip
    assert server_of("liaison", environment) == LocalServer(
        url="http://10.0.0.5:27913",
        http_address="10.0.0.5:27913",
        grpc_address="127.0.0.1:27912",
        internal_address="127.0.0.1:18912",
        metrics_url="http://127.0.0.1:3131",
        client_ports=(27912, 27913),
        question=Question("http", "10.0.0.5:27913"),
    )
    assert server_of("data", {}) == local_server("data", {})


def test_a_value_that_is_no_port_is_refused():
    with pytest.raises(ValueError, match="many"):
        server_of("liaison", {"BYDB_GRPC_PORT": "many"})


FLAG = {"BYDB_NODE_HOST_PROVIDER": "flag", "BYDB_GRPC_PORT": "17000"}


@pytest.mark.parametrize(
    ("role", "environment", "name"),
    [
        ("liaison", {**FLAG, "BYDB_NODE_HOST": "l1"}, "l1:18912"),
        ("data", {**FLAG, "BYDB_NODE_HOST": "d1"}, "d1:17000"),
        ("data", {**FLAG, "BYDB_NODE_HOST": "2001:db8::1"}, "[2001:db8::1]:17000"),
        # Without these variables, the server takes the name of its machine.
        ("liaison", {"BYDB_NODE_HOST": "l1"}, ""),
        ("liaison", FLAG, ""),
    ],
)
def test_the_environment_of_a_process_has_its_node_name(role, environment, name):
    assert node_name(role, environment) == name


def test_the_environment_is_merged_in_the_order_of_the_names_and_banyandb_env_wins():
    assert given_environment(
        {
            "banyandb_env": {"A": 1},
            "banyandb_env_zone": {"A": 2, "B": 2, "C": 2},
            "banyandb_env_all": {"A": 3, "B": 3, "D": 3},
            "banyandb_env_none": None,
            "banyandb_environment": {"E": 4},
        }
    ) == {"A": 1, "B": 2, "C": 2, "D": 3}


def test_a_part_of_the_environment_that_is_no_mapping_is_named():
    with pytest.raises(GivenEnvironmentError, match=r"^banyandb_env_zone is 'x', expected a mapping of variables$"):
        given_environment({"banyandb_env_zone": "x"})


def test_banyandb_env_can_leave_the_port_for_gossip_without_tls():
    secured = {"banyandb_tls": True}
    plain = {**secured, "banyandb_env": {"BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS": "false"}}
    assert [*local_server("data", secured).tls_at_start.values()] == ["/etc/banyandb/tls/node.crt"]
    assert local_server("data", plain).tls_at_start == {} and local_server("data", plain).tls_addresses


def test_every_host_of_the_groups_has_its_server_but_one_whose_variables_are_refused():
    groups = {"banyandb_data": ["d"], "banyandb_liaison": ["l", "bad"], "others": ["o"]}
    hostvars = {"d": {}, "l": {"banyandb_env_x": {"BYDB_HTTP_HOST": "10.0.0.9"}}, "bad": {"banyandb_http_port": "many"}, "o": {}}
    assert local_servers(hostvars, groups)["l"]["service"] == "banyandb-liaison.service"
    assert {host: server["url"] for host, server in local_servers(hostvars, groups).items()} == {
        "d": "http://127.0.0.1:17913",
        "l": "http://10.0.0.9:17913",
    }


def test_no_role_and_no_playbook_spells_the_address_of_a_local_server():
    spelt = re.compile(r"127\.0\.0\.1:|https?://|default\(17\d{3}\)")
    files = [path for folder in ("playbooks", "roles/*/tasks", "roles/*/vars") for path in ROOT.glob(f"{folder}/**/*.yml")]
    lines = [(path, line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(files) > 30
    assert [(str(path), line) for path, line in lines if spelt.search(line) and "gpl-3.0" not in line] == []


def test_the_filter_returns_only_what_a_variable_of_ansible_can_hold():
    (found,) = local_servers({"l1": {"banyandb_tls": True, "banyandb_node_host": "n"}}, {"banyandb_liaison": ["l1"]}).values()
    assert (found["tls"], found["ca_path"]) == (True, "/etc/banyandb/tls/ca.crt")
    assert {type(value) for value in found.values()} <= {str, bool, int, list, tuple}
    assert not any(isinstance(value, tuple) and hasattr(value, "_fields") for value in found.values())
    assert not {"question", "tls_addresses", "tls_at_start"} & {*found}


GOSSIP = {"BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS": "true", "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_SERVER_CERT_FILE": "/a.crt"}


@pytest.mark.parametrize(
    ("role", "environment", "at_start"),
    [
        ("data", GOSSIP, {"127.0.0.1:17932": "/a.crt"}),
        ("data", {**GOSSIP, "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_HOST": "::1", "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_PORT": "1"}, {"[::1]:1": "/a.crt"}),
        ("data", {"BYDB_TLS": "true"}, {}),
        ("standalone", GOSSIP, {}),
    ],
)
def test_the_port_for_gossip_loads_its_certificate_only_at_a_start(role, environment, at_start):
    found = server_of(role, environment)
    assert found.tls_at_start == at_start and not {*at_start} & {*found.tls_addresses}
