# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted state of a host, beyond tests/unit/roles/test_rendering.py, which uses Ansible."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import _specification, validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_environment import environment, flush_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import unit
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_problems import problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_host import needed, node, release, storage, topology_to_read

VARIABLES = {
    "banyandb_kind": "data",
    "banyandb_tls": False,
    "banyandb_version": "1.0",
    "banyandb_flavor": "slim",
    "banyandb_node_host": "h",
    "banyandb_node_labels": {},
    "banyandb_has_meta_role": True,
    "banyandb_grpc_port": 17912,
    "banyandb_http_port": 17913,
    "banyandb_discovery_mode": "file",
    "banyandb_topology_source": "inventory",
    "banyandb_srv_names": [],
    "banyandb_srv_init_interval": 5,
    "banyandb_srv_interval": 30,
    "search_list": ("corp.example",),
    "banyandb_config_dir": "/etc/banyandb",
    "banyandb_users": None,
    "banyandb_operator": "",
    "banyandb_data_dir": "/var/lib/banyandb",
    "banyandb_storage": {},
    "banyandb_accept_empty_data": [],
    "banyandb_adopt_data": [],
    "banyandb_cluster": "default",
    "banyandb_user": "banyandb",
    "banyandb_root": "/opt/banyandb",
    "inventory_hostname": "data1",
    "__banyandb_user_is_named": False,
    "banyandb_env": {},
    "banyandb_log_level": "info",
    "banyandb_metrics_port": 2121,
    "banyandb_pprof_port": 6060,
    "banyandb_memory_max": "",
    "banyandb_cpu_quota": "",
    "banyandb_limit_nofile": 800000,
    "banyandb_unit_options": {},
    "banyandb_keep_versions": 3,
    "banyandb_stop_timeout": 120,
    "banyandb_liaison_drain": "nftables",
    "banyandb_liaison_drain_tasks": "",
    "banyandb_liaison_flush": 7.0,
}


@pytest.mark.parametrize(
    "differing",
    [
        "/etc/banyandb",
        "/etc/banyandb/data.env",
        "/etc/systemd/system/banyandb-data.service",
        "/etc/systemd/system/banyandb-data.service.d/banyandb.conf",
    ],
)
def test_each_thing_of_a_node_that_differs_is_for_the_role_node(differing):
    assert needed(node(VARIABLES), {differing}) and not needed(release(VARIABLES, ""), {differing})


@pytest.mark.parametrize("differing", ["banyandb", "/opt/banyandb/current", "/opt/banyandb/versions/1.0/ARTIFACT"])
def test_each_thing_of_a_release_that_differs_is_for_the_role_install(differing):
    assert needed(release(VARIABLES, ""), {differing}) and not needed(node(VARIABLES), {differing})


def test_nothing_is_needed_where_nothing_differs():
    assert not needed(node(VARIABLES), set()) and not needed(release(VARIABLES, ""), ())


def test_a_host_that_is_no_node_and_has_no_version_wants_nothing():
    bare = {**VARIABLES, "banyandb_kind": "", "banyandb_version": ""}
    assert not any(node(bare).values()) and not any(release(bare, "").values())


def test_variables_take_the_types_of_the_roles_and_what_is_wrong_is_said_by_name():
    assert validated(("install", "node"), {"banyandb_grpc_port": "17000"}) == (
        {**validated(("install", "node"), {})[0], "banyandb_grpc_port": 17000},
        [],
    )
    assert validated(("node",), {"banyandb_env": None})[0]["banyandb_env"] == {}
    assert validated(("node",), {"banyandb_kind": None})[1] == ["banyandb_kind is null. Give it a value, or leave it out."]


@pytest.mark.parametrize(
    ("role", "variable", "value", "says"),
    [
        ("node", "banyandb_grpc_port", "many", "banyandb_grpc_port is 'many': expected a whole number. Correct the value."),
        ("node", "banyandb_grpc_port", [17912], "banyandb_grpc_port is a list: expected a whole number. Correct the value."),
        ("node", "banyandb_start_timeout", "2m", "banyandb_start_timeout is '2m': expected seconds from 1 to 86400."),
        ("node", "banyandb_start_timeout", "120.5", "banyandb_start_timeout is '120.5': expected a whole number. Correct the value."),
        ("node", "banyandb_liaison_flush", {}, "banyandb_liaison_flush is {}: expected seconds from 0 to 86400."),
        ("node", "banyandb_has_meta_role", "maybe", "banyandb_has_meta_role is 'maybe': expected true or false. Correct the value."),
        ("node", "banyandb_storage", "secret", "banyandb_storage is text: expected a mapping. Correct the value."),
        ("node", "banyandb_storage", 3, "banyandb_storage is a number: expected a mapping. Correct the value."),
        ("node", "banyandb_log_level", "loud", "banyandb_log_level is 'loud': expected one of debug, info, warn, error. Correct the value."),
        ("node", "banyandb_adopt_data", {"a": 1}, "banyandb_adopt_data is a mapping: expected a list. Correct the value."),
        ("topology", "banyandb_srv_timeout", "3s", "banyandb_srv_timeout is '3s': expected a number. Correct the value."),
    ],
)
def test_a_value_of_a_wrong_type_is_a_message_of_this_collection(role, variable, value, says):
    assert validated((role,), {variable: value})[1] == [says]


def test_every_wrong_type_of_every_variable_is_a_message_of_this_collection():
    for role in ("install", "node", "topology"):
        options = _specification(role)["main"]["options"]
        for name, option in options.items():
            for value in ("2m", [{"a": [1]}], {"a": 1}, 1.5, object()):
                _values, found = validated((role,), {name: value})
                assert not [text for text in found if "unable to convert" in text or "of type" in text], (name, value, found)
                assert option.get("type", "str") != "int" or found, (name, value)


def test_a_wrong_variable_is_one_of_several_problems():
    found = validated(("install", "node"), {"banyandb_grpc_port": "many", "banyandb_kind": None, "nobody": 1})[1]
    assert found[0] == "banyandb_grpc_port is 'many': expected a whole number. Correct the value."
    assert any("nobody" in text for text in found) and found[-1].startswith("banyandb_kind is null.")


def test_the_program_and_its_user_are_where_the_operator_wants_them():
    wanted = {**VARIABLES, "banyandb_root": "/srv/bydb", "banyandb_user": "svc-bydb", "__banyandb_user_is_named": True}
    assert release(wanted, "")["users"] == [{"name": "svc-bydb", "named": True}]
    assert release(wanted, "")["links"] == [{"path": "/srv/bydb/current", "target": "versions/1.0"}]
    (service,) = node(wanted)["services"]
    assert (service["program"], service["program_target"]) == ("/srv/bydb/current/bin/banyand-server", "/srv/bydb/versions/1.0/bin/banyand-server")
    lines = unit(wanted).splitlines()
    assert "User=svc-bydb" in lines and "ExecStart=/srv/bydb/current/bin/banyand-server data" in lines
    assert storage(wanted)["user"] == "svc-bydb" and storage(wanted)["reached"] == ["/etc/banyandb", "/srv/bydb/versions/1.0/bin/banyand-server"]


@pytest.mark.parametrize("user", ["root", "", "-x", "a b", "a:b", "../x"])
def test_a_user_that_no_server_may_run_as_is_a_problem(user):
    (problem,) = problems({**VARIABLES, "banyandb_artifact": "", "banyandb_user": user})
    assert problem.startswith(f'banyandb_user is "{user}": expected the name of an account other than root')


def test_the_unit_the_environment_and_the_markers_follow_the_storage():
    wanted = {**VARIABLES, "banyandb_storage": {"measure": "/disk1/b", "schema": "/disk2/b"}}
    found = {name: value for name, value in environment(wanted).items() if name.endswith("_ROOT_PATH")}
    assert found == {
        "BYDB_MEASURE_ROOT_PATH": "/disk1/b",
        "BYDB_STREAM_ROOT_PATH": "/var/lib/banyandb",
        "BYDB_TRACE_ROOT_PATH": "/var/lib/banyandb",
        "BYDB_PROPERTY_ROOT_PATH": "/var/lib/banyandb",
        "BYDB_SCHEMA_SERVER_ROOT_PATH": "/disk2/b",
    }
    lines = unit(wanted).splitlines()
    assert "RequiresMountsFor=/var/lib/banyandb /disk1/b /disk2/b" in lines
    assert "ReadWritePaths=/var/lib/banyandb /disk1/b /disk2/b" in lines
    assert [line for line in lines if line.startswith("AssertPathExists=")] == [
        f"AssertPathExists={path}/.banyandb-node.json" for path in ("/var/lib/banyandb", "/disk1/b", "/disk2/b")
    ]
    assert storage(wanted)["roots"] == {"/var/lib/banyandb": ["stream", "trace", "property"], "/disk1/b": ["measure"], "/disk2/b": ["schema"]}
    assert (storage(wanted)["node"], storage(wanted)["record"]) == ("h:17912", "/etc/banyandb/data.storage.json")


def test_a_liaison_has_no_property_and_no_schema_and_is_known_by_its_internal_port():
    liaison = {**VARIABLES, "banyandb_kind": "liaison", "banyandb_node_host": "2001:db8::1", "banyandb_storage": {"schema": "/disk2/b"}}
    assert storage(liaison)["roots"] == {"/var/lib/banyandb": ["measure", "stream", "trace"]}
    assert storage(liaison)["node"] == "[2001:db8::1]:18912"
    assert storage({**VARIABLES, "banyandb_kind": ""}) is None


@pytest.mark.parametrize("name", ["banyandb_data_dir", "banyandb_root", "banyandb_config_dir"])
def test_a_server_with_a_directory_in_home_may_read_home(name):
    assert "ProtectHome=true" in unit(VARIABLES).splitlines()
    assert "ProtectHome=read-only" in unit({**VARIABLES, name: "/home/b/x"}).splitlines()


def test_the_sandbox_of_the_unit_has_no_exception_beside_a_low_port():
    lines = unit(VARIABLES).splitlines()
    assert {"MemoryDenyWriteExecute=true", "PrivateMounts=true", "ProtectProc=invisible"} <= {*lines}
    # In this order: the second filter takes calls from the first one.
    assert [line for line in lines if line.startswith("SystemCallFilter=")] == [
        "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
    ]  # fmt: skip
    # The metrics read /proc/meminfo, and a user namespace cannot listen on a low port.
    assert not [line for line in lines if line.startswith(("ProcSubset=", "PrivateUsers="))]


@pytest.mark.parametrize("port", ["banyandb_grpc_port", "banyandb_http_port"])
def test_only_a_server_with_a_low_port_gets_a_capability(port):
    def capabilities(number):
        return {line for line in unit({**VARIABLES, port: number}).splitlines() if "Capabilit" in line}

    assert capabilities(1024) == {"CapabilityBoundingSet=", "AmbientCapabilities="}
    assert capabilities(1023) == {"CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE"}


NAMES = ["_data._tcp.lab.test.", "_liaison._tcp.lab.test."]
DNS = {**VARIABLES, "banyandb_artifact": "", "banyandb_discovery_mode": "dns", "banyandb_srv_names": NAMES}


def test_a_server_that_asks_dns_gets_its_names_and_intervals_and_no_file():
    found = {name: value for name, value in environment(DNS).items() if name.startswith("BYDB_NODE_DISCOVERY")}
    assert found == {
        "BYDB_NODE_DISCOVERY_MODE": "dns",
        "BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES": "_data._tcp.lab.test.,_liaison._tcp.lab.test.",
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INIT_INTERVAL": "5s",
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INTERVAL": "30s",
    }
    assert environment(DNS)["GRPC_ENABLE_TXT_SERVICE_CONFIG"] == "false"
    assert problems(DNS) == []


def test_each_name_has_its_ca_in_the_order_of_the_names():
    names = [{"name": "_b._tcp.lab.test.", "ca_cert_path": "/etc/b.pem"}, {"name": "_a._tcp.lab.test.", "ca_cert_path": "/etc/a.pem"}]
    found = environment({**DNS, "banyandb_srv_names": names})
    assert found["BYDB_NODE_DISCOVERY_DNS_TLS"] is True
    assert found["BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES"] == "_b._tcp.lab.test.,_a._tcp.lab.test."
    assert found["BYDB_NODE_DISCOVERY_DNS_CA_CERTS"] == "/etc/b.pem,/etc/a.pem"


def test_what_a_server_could_not_ask_dns_with_is_a_problem():
    wrong = {**DNS, "banyandb_srv_names": ["_data._tcp.lab.test"], "banyandb_srv_interval": 0}
    interval, name = problems(wrong)
    assert interval.startswith("banyandb_srv_init_interval and banyandb_srv_interval are 5 and 0: expected seconds")
    assert "_data._tcp.lab.test.corp.example." in name
    assert problems({**DNS, "banyandb_srv_names": []})[0].startswith("banyandb_srv_names is []: expected a list with at least one SRV name")
    assert problems({**wrong, "banyandb_discovery_mode": "file"}) == []


def test_only_a_server_that_is_alone_finds_no_others():
    alone = {**VARIABLES, "banyandb_artifact": "", "banyandb_discovery_mode": "none"}
    (problem,) = problems({**alone, "banyandb_kind": "liaison"})
    assert problem == 'banyandb_discovery_mode is "none": expected file or dns on a host of kind "liaison".'
    assert problems({**alone, "banyandb_kind": "standalone"}) == []


def test_the_topology_is_read_first_where_the_nodes_come_from_dns():
    source = {**VARIABLES, "banyandb_topology_source": "dns"}
    assert topology_to_read(source) == "/etc/banyandb/topology.yml"
    assert [topology_to_read({**source, **other}) for other in ({"banyandb_discovery_mode": "dns"}, {"banyandb_kind": "standalone"})] == [None, None]
    assert topology_to_read(VARIABLES) is None


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [
        ({}, 7.0),
        ({"BYDB_MEASURE_FLUSH_TIMEOUT": "5s"}, 7.0),
        ({"BYDB_MEASURE_FLUSH_TIMEOUT": "10s", "BYDB_STREAM_FLUSH_TIMEOUT": "1m30s"}, 92.0),
        ({"BYDB_ELEMENT_INDEX_FLUSH_TIMEOUT": "6500ms"}, 8.5),
        ({"BYDB_MEASURE_FLUSH_TIMEOUT": "soon"}, 7.0),
        ({"BYDB_MEASURE_FLUSH_TIMEOUT": None}, 7.0),
    ],
)
def test_a_liaison_is_left_alone_for_longer_than_its_flush_takes(timeouts, seconds):
    assert flush_seconds({**VARIABLES, "banyandb_env": timeouts}) == seconds


def test_a_directory_that_the_server_cannot_write_is_a_problem():
    (problem,) = problems({**VARIABLES, "banyandb_artifact": "", "banyandb_env": {"BYDB_ACCESS_LOG_ROOT_PATH": "/var/log/x"}})
    assert "where the server cannot write" in problem


def test_a_hook_without_tasks_is_a_problem():
    wrong = {**VARIABLES, "banyandb_artifact": "", "banyandb_liaison_drain": "hook"}
    assert any("banyandb_liaison_drain_tasks is empty" in problem for problem in problems(wrong))
    assert problems({**wrong, "banyandb_liaison_drain_tasks": "/srv/drain.yml"}) == []


HOST = {**VARIABLES, "banyandb_artifact": ""}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"banyandb_memory_max": "512"}, 'banyandb_memory_max is "512": expected 64M or more'),
        ({"banyandb_memory_max": "65535K"}, 'banyandb_memory_max is "65535K": expected 64M or more'),
        ({"banyandb_memory_max": "8 GB"}, 'banyandb_memory_max is "8 GB": expected a size such as 8G'),
        ({"banyandb_cpu_quota": "2"}, 'banyandb_cpu_quota is "2": expected a percentage'),
        ({"banyandb_limit_nofile": 100}, "banyandb_limit_nofile is 100: expected 1024 or more"),
        ({"banyandb_keep_versions": 1}, "banyandb_keep_versions is 1: expected 2 or more"),
        ({"banyandb_metrics_port": 17912}, "banyandb_metrics_port and banyandb_pprof_port are 17912 and 6060"),
        ({"banyandb_pprof_port": 2121}, "banyandb_metrics_port and banyandb_pprof_port are 2121 and 2121"),
        ({"banyandb_start_timeout": 0}, "banyandb_start_timeout is 0: expected seconds from 1 to 86400."),
        ({"banyandb_stop_timeout": -1}, "banyandb_stop_timeout is -1: expected seconds from 0 to 86400."),
        ({"banyandb_liaison_flush": float("nan")}, "banyandb_liaison_flush is nan: expected seconds from 0"),
        ({"banyandb_proof_timeout": 0.0}, "banyandb_proof_timeout is 0: expected seconds from 0.001"),
        ({"banyandb_pprof_port": 0}, "banyandb_metrics_port and banyandb_pprof_port are 2121 and 0"),
    ],
)
def test_a_limit_or_a_port_that_is_none_is_a_problem(wrong, says):
    (problem,) = problems({**HOST, **wrong})
    assert problem.startswith(says)


@pytest.mark.parametrize(
    "right",
    [
        {"banyandb_memory_max": "70%"},
        {"banyandb_memory_max": "65536K"},
        {"banyandb_memory_max": "1T"},
        {"banyandb_memory_max": "8G"},
        {"banyandb_memory_max": "infinity"},
        {"banyandb_cpu_quota": "250%"},
    ],
)
def test_limits_as_systemd_takes_them_are_none(right):
    assert problems({**HOST, **right}) == []


def test_limits_stand_in_the_unit_and_an_empty_one_does_not():
    assert "LimitNOFILE=800000" in unit(HOST) and "MemoryMax" not in unit(HOST) and "CPUQuota" not in unit(HOST)
    limited = unit({**HOST, "banyandb_memory_max": "8G", "banyandb_cpu_quota": "150%", "banyandb_limit_nofile": 5000}).splitlines()
    assert {"MemoryMax=8G", "CPUQuota=150%", "LimitNOFILE=5000"} <= set(limited)


def test_a_server_uses_no_proxy_that_the_inventory_does_not_give_it():
    def unset(**env):
        (line,) = [line for line in unit({**HOST, "banyandb_env": env}).splitlines() if line.startswith("UnsetEnvironment=")]
        return line.split("=")[1].split()

    names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "GRPC_PROXY"]
    assert sorted(unset()) == sorted([*names, *(name.lower() for name in names)])
    # UnsetEnvironment= also removes variables of the environment file, so it must not list variables of banyandb_env.
    assert set(unset()) - set(unset(HTTPS_PROXY="http://proxy", no_proxy=".lab")) == {"HTTPS_PROXY", "no_proxy"}
    assert set(unset(HTTPS_PROXY=None)) == set(unset())


def test_another_unit_option_restarts_the_server():
    options = {**HOST, "banyandb_unit_options": {"Service": {"Nice": -5}}}
    assert environment(HOST)["BANYANDB_UNIT_SHA256"] != environment(options)["BANYANDB_UNIT_SHA256"]


def test_profiles_are_for_the_host_alone_and_the_level_of_the_log_is_set():
    found = environment({**HOST, "banyandb_log_level": "warn", "banyandb_metrics_port": 3000, "banyandb_pprof_port": 3001})
    assert found["BYDB_LOGGING_LEVEL"] == "warn"
    assert (found["BYDB_OBSERVABILITY_LISTENER_ADDR"], found["BYDB_PPROF_LISTENER_ADDR"]) == (":3000", "127.0.0.1:3001")


@pytest.mark.parametrize(("host", "address"), [("", "localhost:17912"), ("::", "localhost:17912"), ("10.0.0.3", "10.0.0.3:17912")])
def test_the_gateway_of_a_liaison_asks_where_its_grpc_listens(host, address):
    liaison = {**HOST, "banyandb_kind": "liaison", "banyandb_env": {"BYDB_GRPC_HOST": host}}
    assert environment(liaison)["BYDB_HTTP_GRPC_ADDR"] == address
