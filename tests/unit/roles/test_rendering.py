# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted state of the roles install and node for hosts of each kind, rendered by Ansible without touching a host."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from ansible_collections.skywalking import banyandb
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import VARIABLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import local_server, variable_defaults
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology import topology_text
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

ROLES = os.path.join(next(iter(banyandb.__path__)), "roles")
DIGEST = "0123456789abcdef" * 8

#: Groups and variables of each host.
HOSTS = {
    "data1": (["banyandb_data"], {"ansible_host": "192.0.2.1", "banyandb_node_labels": {"zone": "a", "type": "hot"}}),
    "liaison1": (["banyandb_liaison"], {"banyandb_grpc_port": 27912}),
    "standalone1": (["banyandb_standalone"], {}),
    "bare": (["others"], {"banyandb_artifact_checksum": f"sha512:{DIGEST}"}),
    "both": (["banyandb_data", "banyandb_liaison"], {}),
    "chosen": (["banyandb_data", "banyandb_liaison"], {"banyandb_kind": "liaison"}),
    "overridden": (
        ["banyandb_data"],
        {
            "banyandb_env": {"BYDB_GRPC_PORT": 1000, "BYDB_NODE_HOST": "other", "BYDB_HAS_META_ROLE": None},
            "banyandb_env_group": {"BYDB_GRPC_PORT": 1001, "GOGC": "{{ 25 * 2 }}"},
        },
    ),
    "dns1": (["banyandb_data"], {"banyandb_discovery_mode": "dns", "banyandb_srv_names": ["_data._tcp.lab.test."], "banyandb_srv_interval": 7}),
    "low": (["banyandb_data"], {"banyandb_http_port": 80, "banyandb_stop_timeout": 7, "banyandb_has_meta_role": "no"}),
    "named": (["banyandb_data"], {"banyandb_user": "banyandb", "banyandb_cluster": "west", "banyandb_adopt_data": ["named"]}),
    "bad": (
        ["banyandb_data"],
        {
            "banyandb_discovery_mode": "etcd",
            "banyandb_artifact": "release.tgz",
            "banyandb_config_dir": "/etc dir",
            "banyandb_http_port": 17912,
        },
    ),
}

EXPRESSIONS = {
    "kind": "{{ banyandb_kind }}",
    "version": "{{ banyandb_version }}",
    "problems": "{{ __banyandb_setup.problems }}",
    "release": "{{ __banyandb_setup.release | default(none) }}",
    "node": "{{ __banyandb_setup.node | default(none) }}",
    "storage": "{{ __banyandb_setup.storage | default(none) }}",
    "unit": "{{ __banyandb_setup.unit | default(none) }}",
    "environment": "{{ __banyandb_setup.environment | default(none) }}",
    "ports": "{{ __banyandb_setup.ports | default(none) }}",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Return the resulting variables of each host by its name."""
    folder = tmp_path_factory.mktemp("roles")
    inventory = {"all": {"vars": {"banyandb_artifact": "https://mirror.example/skywalking-banyandb-0.11.0-banyand.tgz"}}}
    for name, (groups, variables) in HOSTS.items():
        for group in groups:
            inventory.setdefault(group, {"hosts": {}})["hosts"][name] = variables
    files = [
        f"{ROLES}/probe/defaults/main.yml",
        f"{ROLES}/probe/vars/main.yml",
    ]
    roles = {"vars": {}, "defaults": {}}
    for path in files:
        with open(path, encoding="utf-8") as stream:
            roles["defaults" if "/defaults/" in path else "vars"].update(yaml.safe_load(stream))
    # A variable of the inventory counts as set by the operator.
    roles["vars"]["banyandb_user"] = roles["defaults"].pop("banyandb_user")
    # the inventory's variables override defaults, as they do for a role
    inventory["all"]["vars"] = {**roles["defaults"], **inventory["all"]["vars"]}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": roles["vars"],
        "tasks": [{"ansible.builtin.debug": {"msg": EXPRESSIONS}}],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "inventory.yml").write_text(json.dumps(inventory))
    settings = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.yml", "play.yml"],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\w+) \| SUCCESS => (\{.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
    return {name: json.loads(text)["msg"] for name, text in found}


def test_a_data_node_gets_its_identity_its_roots_and_the_safe_settings(rendered):
    found = dict(rendered["data1"]["environment"])
    assert re.fullmatch(r"[0-9a-f]{64}", found.pop("BANYANDB_UNIT_SHA256"))
    roots = {f"BYDB_{name}_ROOT_PATH": "/var/lib/banyandb" for name in ("MEASURE", "STREAM", "TRACE", "PROPERTY", "SCHEMA_SERVER")}
    assert found == {
        **roots,
        "GRPC_ENABLE_TXT_SERVICE_CONFIG": "false",
        "BYDB_NODE_HOST_PROVIDER": "flag",
        "BYDB_NODE_HOST": "192.0.2.1",
        "BYDB_NODE_LABELS": "type=hot,zone=a",
        "BYDB_NODE_DISCOVERY_MODE": "file",
        "BYDB_NODE_DISCOVERY_FILE_PATH": "/etc/banyandb/topology.yml",
        "BYDB_NODE_DISCOVERY_FILE_FETCH_INTERVAL": "30s",
        "BYDB_LOGGING_LEVEL": "info",
        "BYDB_OBSERVABILITY_LISTENER_ADDR": ":2121",
        "BYDB_PPROF_LISTENER_ADDR": "127.0.0.1:6060",
        "BYDB_GRPC_PORT": 17912,
        "BYDB_HTTP_PORT": 17913,
        "BYDB_HAS_META_ROLE": True,
        "BYDB_SCHEMA_PROPERTY_CLIENT_SYNC_INTERVAL": "1s",
    }


def test_a_liaison_leaves_a_stopped_node_alone_within_a_second(rendered):
    found = rendered["liaison1"]["environment"]
    assert found["BYDB_DATA_CLIENT_HEALTH_CHECK_INTERVAL"] == found["BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL"] == "1s"
    assert not {"BYDB_HAS_META_ROLE", "BYDB_PROPERTY_ROOT_PATH", "BYDB_SCHEMA_SERVER_ROOT_PATH"} & set(found)


def test_the_gateway_of_a_liaison_follows_its_grpc_port(rendered):
    assert rendered["liaison1"]["environment"]["BYDB_HTTP_GRPC_ADDR"] == "localhost:27912"
    assert rendered["liaison1"]["ports"] == [27912, 17913, 18912]


def test_a_standalone_server_needs_no_discovery(rendered):
    found = rendered["standalone1"]["environment"]
    assert found["BYDB_NODE_DISCOVERY_MODE"] == "none"
    assert not any(name.startswith("BYDB_NODE_DISCOVERY_FILE") for name in found)
    assert found["BYDB_SCHEMA_SERVER_ROOT_PATH"] == "/var/lib/banyandb"


def test_a_server_in_dns_mode_asks_for_the_names_itself(rendered):
    found = rendered["dns1"]["environment"]
    assert found["BYDB_NODE_DISCOVERY_MODE"] == "dns"
    assert found["BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES"] == "_data._tcp.lab.test."
    assert (found["BYDB_NODE_DISCOVERY_DNS_FETCH_INIT_INTERVAL"], found["BYDB_NODE_DISCOVERY_DNS_FETCH_INTERVAL"]) == ("5s", "7s")


def test_a_host_is_named_by_its_inventory_name_when_it_has_no_other(rendered):
    assert rendered["liaison1"]["environment"]["BYDB_NODE_HOST"] == "liaison1"


def test_the_users_environment_is_merged_last(rendered):
    found = rendered["overridden"]["environment"]
    assert (found["BYDB_GRPC_PORT"], found["BYDB_NODE_HOST"], found["BYDB_HAS_META_ROLE"], found["GOGC"]) == (
        1000,
        "other",
        None,
        50,
    )
    assert rendered["overridden"]["ports"] == [1000, 17913]


@pytest.mark.parametrize(
    ("host", "kind"),
    [("data1", "data"), ("liaison1", "liaison"), ("standalone1", "standalone"), ("bare", ""), ("chosen", "liaison")],
)
def test_the_groups_say_which_kind_a_host_is(rendered, host, kind):
    assert (rendered[host]["kind"], rendered[host]["problems"]) == (kind, [])


def test_a_host_of_two_kinds_is_refused(rendered):
    (problem,) = rendered["both"]["problems"]
    assert problem.startswith('banyandb_kind is "data and liaison": expected data, liaison or standalone. Put the host into one of the groups')


def test_all_problems_of_the_variables_are_reported_at_once(rendered):
    starts = (
        'banyandb_discovery_mode is "etcd": expected file or dns on a host of kind "data".',
        "banyandb_artifact is",
        "banyandb_version cannot",
        "banyandb_grpc_port and",
        "banyandb_config_dir is '/etc dir': expected an absolute path",
    )
    problems = rendered["bad"]["problems"]
    assert len(problems) == len(starts)
    assert all(problem.startswith(start) for problem, start in zip(problems, starts, strict=True)), problems


def test_the_version_is_read_from_the_name_of_the_artifact(rendered):
    assert rendered["data1"]["version"] == "0.11.0"
    assert rendered["bad"]["version"] == ""


def test_the_unit_runs_the_linked_program_as_its_own_user(rendered):
    unit = rendered["data1"]["unit"].splitlines()
    for line in (
        "User=banyandb",
        "ExecStart=/opt/banyandb/current/bin/banyand-server data",
        "EnvironmentFile=/etc/banyandb/data.env",
        "LimitNOFILE=800000",
        "TimeoutStopSec=120s",
        "CapabilityBoundingSet=",
        "ReadWritePaths=/var/lib/banyandb",
    ):
        assert line in unit, line
    assert not any(line.startswith("ExecReload") for line in unit)


@pytest.mark.parametrize(
    ("host", "line"),
    [("liaison1", "TimeoutStopSec=30s"), ("standalone1", "TimeoutStopSec=120s"), ("low", "TimeoutStopSec=7s")],
)
def test_only_a_liaison_is_killed_soon(rendered, host, line):
    assert line in rendered[host]["unit"].splitlines()


def test_a_low_port_gives_the_one_capability_for_it(rendered):
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in rendered["low"]["unit"].splitlines()
    assert rendered["low"]["environment"]["BYDB_HAS_META_ROLE"] is False


def test_a_release_is_wanted_by_its_version(rendered):
    release = rendered["bare"]["release"]
    assert release["users"] == [{"name": "banyandb", "named": False}]
    files = [file["path"] for file in release["files"]]
    assert files == [f"/opt/banyandb/versions/0.11.0/{name}" for name in ("bin/banyand-server", "ARTIFACT")]
    assert release["links"] == [{"path": "/opt/banyandb/current", "target": "versions/0.11.0"}]


def test_a_user_counts_as_named_only_where_the_inventory_sets_it(rendered):
    assert rendered["named"]["release"]["users"] == [{"name": "banyandb", "named": True}]


def test_the_operator_s_word_on_data_is_for_the_hosts_that_it_names(rendered):
    facts = [rendered["named"]["storage"][name] for name in ("cluster", "host", "role", "adopt", "accept_empty")]
    assert facts == ["west", "named", "data", True, False]


def test_a_known_checksum_is_compared_with_the_installed_versions_and_an_unknown_one_is_not(rendered):
    assert re.fullmatch("[0-9a-f]{64}", rendered["bare"]["release"]["files"][1]["sha256"])
    assert rendered["data1"]["release"]["files"][1]["sha256"] is None


def test_secrets_may_be_read_by_root_only(rendered):
    files = {file["path"]: file for file in rendered["data1"]["node"]["files"]}
    environment = files["/etc/banyandb/data.env"]
    assert (environment["owner"], environment["group"], environment["mode"]) == ("root", "root", "0600")
    directories = {directory["path"]: (directory["owner"], directory["mode"]) for directory in rendered["data1"]["node"]["directories"]}
    drop_ins = "/etc/systemd/system/banyandb-data.service.d"
    assert directories == {"/etc/banyandb": ("root", "0755"), drop_ins: ("root", "0755")}


def specification(role, entry="main"):
    with open(f"{ROLES}/{role}/meta/argument_specs.yml", encoding="utf-8") as stream:
        return yaml.safe_load(stream)["argument_specs"][entry]["options"]


def test_every_variable_with_a_default_is_in_a_specification_with_that_default():
    with open(f"{ROLES}/probe/defaults/main.yml", encoding="utf-8") as stream:
        defaults = yaml.safe_load(stream)
    specified = {**specification("install"), **specification("node")}
    assert set(defaults) - {"__banyandb_probe"} == set(specified)
    for name, option in specified.items():
        computed = isinstance(defaults[name], str) and "{{" in defaults[name]
        assert "default" not in option if computed else option["default"] == defaults[name], name


def test_the_code_has_the_defaults_of_the_roles():
    specified = {**specification("install"), **specification("node")}
    assert {
        "banyandb_cluster": variable_defaults.DEFAULT_CLUSTER,
        "banyandb_data_dir": variable_defaults.DEFAULT_DATA_DIR,
        "banyandb_liaison_drain": variable_defaults.DEFAULT_DRAIN,
        "banyandb_user": variable_defaults.DEFAULT_USER,
        "banyandb_grpc_port": topology_text.GRPC_PORT,
        "banyandb_http_port": topology_text.HTTP_PORT,
        "banyandb_metrics_port": local_server.METRICS_PORT,
    }.items() <= {name: option.get("default") for name, option in specified.items()}.items()


def test_no_task_repeats_the_default_of_a_variable():
    repeated = re.compile(r"\b(banyandb_\w+) \| default\((['\"]\w|['\"]/|\d)")
    root = os.path.dirname(ROLES)
    files = [
        path
        for pattern in ("playbooks/*.yml", "playbooks/*/*.yml", "roles/*/tasks/*.yml", "roles/*/vars/*.yml")
        for path in glob.glob(f"{root}/{pattern}")
    ]
    assert len(files) > 30
    assert [(path, line) for path in files for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines() if repeated.search(line)] == []


@pytest.mark.parametrize(
    ("role", "entry", "more"), [("node", "restart", {*VARIABLES, "banyandb_restart"}), ("topology", "start", {"banyandb_start_timeout"})]
)
def test_every_entry_point_of_a_role_takes_the_same_variables(role, entry, more):
    taken = specification(role, entry)
    assert {name: option for name, option in taken.items() if name not in more} == specification(role)
    assert more <= set(taken)
    assert os.path.exists(f"{ROLES}/{role}/tasks/{entry}.yml")
