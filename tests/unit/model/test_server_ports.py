# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of a server, who needs them, and who reaches them."""

from __future__ import annotations

import json

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import listeners
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.reachable_ports import Reach, open_line, open_ports, reachable
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, Port, Purpose, server_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

# The environment of the roles: profiles only on loopback.
ROLES = {"BYDB_PPROF_LISTENER_ADDR": "127.0.0.1:6060", "BYDB_OBSERVABILITY_LISTENER_ADDR": ":2121"}
MOVED = {
    "BYDB_GRPC_PORT": 27912,
    "BYDB_HTTP_PORT": "27913",
    "BYDB_SCHEMA_SERVER_GRPC_PORT": "27916",
    "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_PORT": "27932",
    "BYDB_LIAISON_SERVER_GRPC_PORT": "28912",
    "BYDB_LIAISON_SERVER_HTTP_PORT": "28913",
    "BYDB_OBSERVABILITY_LISTENER_ADDR": "[::]:3121",
    "BYDB_PPROF_LISTENER_ADDR": "127.0.0.1:7060",
}


# Measured with `ss -ltn` on the real server.
@pytest.mark.parametrize(
    ("kind", "ports"),
    [
        ("data", [2121, 6060, 17912, 17913, 17916, 17932]),
        ("liaison", [2121, 6060, 17912, 17913, 18912, 18913]),
        ("standalone", [2121, 6060, 17912, 17913, 17916]),
    ],
)
def test_a_server_has_the_ports_that_were_measured(kind, ports):
    assert sorted(port.number for port in server_ports(kind, {})) == ports


@pytest.mark.parametrize("kind", ["data", "liaison", "standalone"])
@pytest.mark.parametrize("environment", [{}, MOVED])
def test_each_port_that_a_server_needs_for_its_start_is_among_them(kind, environment):
    given = {name: str(value) for name, value in environment.items()}
    assert {each.port for each in listeners(kind, given)} <= {port.number for port in server_ports(kind, environment)}


def test_each_port_follows_the_environment():
    assert {port.purpose.value: port.number for kind in ("data", "liaison") for port in server_ports(kind, MOVED)} == {
        "grpc": 27912,
        "http": 27913,
        "schema": 27916,
        "gossip": 27932,
        "internal": 28912,
        "internal_http": 28913,
        "metrics": 3121,
        "profiles": 7060,
    }


@pytest.mark.parametrize("value", ["0", "http", "70000", "-1", "1.5", "١"])
def test_a_value_that_is_no_port_is_left_out(value):
    assert 17912 not in {port.number for port in server_ports("data", {"BYDB_GRPC_PORT": value})}
    assert len(server_ports("data", {"BYDB_GRPC_PORT": value, "BYDB_PPROF_LISTENER_ADDR": value})) == 4


def test_only_the_metrics_port_is_for_monitoring_and_no_port_of_a_data_node_is_for_clients():
    for kind in ("data", "liaison", "standalone"):
        assert [port.purpose for port in server_ports(kind, {}) if Audience.MONITORING in port.audiences] == [Purpose.METRICS]
    assert not any(Audience.CLIENTS in port.audiences for port in server_ports("data", {}))


# ---- who reaches them


USERS = {"BYDB_AUTH_CONFIG_FILE": "/etc/banyandb/users.yml"}


def table(kind, environment=ROLES, firewall=False):
    return {each.port: (*each.reach, each.password, each.encrypted) for each in reachable(kind, environment, firewall)}


def test_without_a_firewall_every_host_reaches_every_port_but_those_on_loopback():
    assert table("data") == {
        17912: (Reach.ANY, False, False),
        17913: (Reach.ANY, False, False),
        17916: (Reach.ANY, False, False),
        17932: (Reach.ANY, False, False),
        2121: (Reach.ANY, False, False),
        6060: (Reach.HOST, False, False),
    }
    assert table("data", {})[6060] == (Reach.ANY, False, False)  # the default of the server


def test_with_a_firewall_only_the_peers_that_need_a_port_reach_it():
    assert table("data", firewall=True) == {
        17912: (Reach.MEMBERS, False, False),
        17913: (Reach.HOST, False, False),
        17916: (Reach.MEMBERS, False, False),
        17932: (Reach.MEMBERS, False, False),
        2121: (Reach.MONITORING, False, False),
        6060: (Reach.HOST, False, False),
    }
    assert table("liaison", {**ROLES, **USERS}, firewall=True) == {
        17912: (Reach.MEMBERS, Reach.CLIENTS, True, False),
        17913: (Reach.CLIENTS, True, False),
        18912: (Reach.MEMBERS, False, False),
        18913: (Reach.HOST, False, False),
        2121: (Reach.MONITORING, False, False),
        6060: (Reach.HOST, False, False),
    }


def test_users_guard_only_the_client_ports_of_liaisons_and_standalone_servers():
    guarded = {kind: [port for port, row in table(kind, {**ROLES, **USERS}).items() if row[-2]] for kind in ("data", "liaison", "standalone")}
    assert guarded == {"data": [], "liaison": [17912, 17913], "standalone": [17912, 17913]}


def test_tls_is_for_each_port_of_its_own():
    names = ("BYDB_TLS", "BYDB_HTTP_TLS", "BYDB_SCHEMA_SERVER_TLS", "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS", "BYDB_LIAISON_SERVER_TLS")
    every = {**ROLES, **dict.fromkeys(names, "true")}
    assert [port for port, row in table("data", every).items() if row[-1]] == [17912, 17916, 17932]
    assert [port for port, row in table("liaison", every).items() if row[-1]] == [17912, 17913, 18912]
    assert [port for port, row in table("liaison", {**ROLES, "BYDB_HTTP_TLS": True}).items() if row[-1]] == [17913]
    assert [port for port, row in table("liaison", {"BYDB_TLS": "false"}).items() if row[-1]] == []


@pytest.mark.parametrize(
    ("host", "reach"), [("127.0.0.1", Reach.HOST), ("[::1]", Reach.HOST), ("localhost", Reach.HOST), ("10.0.0.1", Reach.ANY), ("", Reach.ANY)]
)
def test_a_server_on_a_loopback_address_reaches_no_other_host(host, reach):
    assert table("data", {"BYDB_OBSERVABILITY_LISTENER_ADDR": f"{host}:2121"})[2121][0] is reach
    assert table("liaison", {"BYDB_GRPC_HOST": host})[17912][0] is reach


def test_the_open_ports_are_those_without_a_password_that_every_host_reaches():
    assert open_ports(reachable("liaison", {**ROLES, **USERS}, firewall=False)) == [2121, 18912, 18913]
    assert open_ports(reachable("liaison", ROLES, firewall=False)) == [2121, 17912, 17913, 18912, 18913]
    assert open_ports(reachable("liaison", ROLES, firewall=True)) == []


def test_the_line_has_the_ports_of_each_kind_and_the_variable():
    assert open_line({}) == open_line({"data": []}) == ""
    assert open_line({"liaison": [18912, 2121, 18912], "data": [17912], "standalone": []}) == (
        "Open to every host without a password: data 17912; liaison 2121, 18912. Set banyandb_firewall: nftables, and run deploy."
    )
    every = {kind: open_ports(reachable(kind, ROLES, False)) for kind in ("data", "liaison")}
    assert len(open_line(every)) <= MOST and "..." not in open_line(every)
    assert len(open_line({kind: range(17912, 18912) for kind in every})) <= MOST


def test_a_port_survives_a_fact():
    for kind in ("data", "liaison", "standalone"):
        ports = server_ports(kind, ROLES)
        assert [Port.of(json.loads(json.dumps(port.to_list()))) for port in ports] == ports
