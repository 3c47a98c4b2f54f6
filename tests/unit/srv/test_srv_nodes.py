# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action srv_nodes with a real DNS server and its lies. No node responds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.action.srv_nodes import ARGUMENTS
from ansible_collections.skywalking.banyandb.plugins.modules import srv_nodes
from ansible_collections.skywalking.banyandb.tests.unit.programs import Programs
from tests.dns import Lie, LyingProxy

from .conftest import ZONE

ADDRESSES = {"node1": "192.0.2.1", "node2": "192.0.2.2", "node3": "2001:db8::3"}
LISTED = [{"name": name, "grpc_address": f"[{address}]:17912" if ":" in address else f"{address}:17912"} for name, address in ADDRESSES.items()]


@pytest.fixture
def find(tmp_path: Path, proxy: LyingProxy, programs: Programs) -> Any:
    """Run on three data nodes and return (result of srv_nodes, its clusters' nodes by name). ``listed``: entries of their topology files.
    ``looks``: number of readings in one run; the result is then a list.
    """

    def run(
        *arguments: str,
        listed: list[dict[str, str]] | None = None,
        answering: tuple[str, ...] = (),
        change: bool = True,
        looks: int = 0,
        **variables: Any,
    ) -> Any:
        settings = {
            "banyandb_topology_source": "dns",
            "banyandb_srv_names": [f"_data._tcp.{ZONE}"],
            "banyandb_srv_nameservers": [f"{proxy.address}:{proxy.port}"],
            "banyandb_srv_timeout": 0.5,
            "banyandb_srv_attempts": 1,
            "banyandb_srv_snapshot_dir": str(tmp_path / "srv"),
            "__banyandb_dns_look": {"topology": {"listed": listed, "held_back": [], "answering": list(answering)} if listed else None},
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            **variables,
        }
        inventory = {"banyandb_data": {"hosts": {name: {"banyandb_node_host": address} for name, address in ADDRESSES.items()}, "vars": settings}}
        look = {
            "skywalking.banyandb.srv_nodes": {"clusters": "{{ hostvars | skywalking.banyandb.clusters(groups) }}", "change": change},
            "ignore_errors": True,
            "run_once": True,
        }
        names = [f"found{number}" for number in range(looks or 1)]
        all_found = f"{{{{ [{', '.join(names)}] | to_json }}}}"
        tasks: list[dict[str, Any]] = [
            *({**look, "register": name} for name in names),
            {"ansible.builtin.debug": {"msg": all_found}, "run_once": True},
        ]
        (tmp_path / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
        (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        done = programs.run("playbook", "-i", "inventory.json", "play.yml", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        seen = [
            (found, {node["name"]: node["grpc_address"] for node in found.get("clusters", {}).get("default", {}).get("nodes", ())})
            for found in json.loads(json.loads(done.stdout.rpartition("| SUCCESS => ")[2])["msg"])
        ]
        return seen if looks else seen[0]

    return run


WANTED = {entry["name"]: entry["grpc_address"] for entry in LISTED}


def test_records_lead_to_the_hosts_of_the_inventory(find: Any) -> None:
    found, nodes = find()
    assert (nodes, found.get("warnings", [])) == (WANTED, [])
    cluster = found["clusters"]["default"]
    assert [node["name"] for node in cluster["hosts"]] == sorted(ADDRESSES)
    assert (cluster["settle"], cluster["remove"]) == (30.0, [])


def test_a_failure_of_dns_is_named_and_nothing_leaves(find: Any, proxy: LyingProxy) -> None:
    find(listed=LISTED)
    proxy.lie = Lie.REFUSED
    found, nodes = find(listed=LISTED)
    assert nodes == WANTED
    (warning,) = found["warnings"]
    assert "(3 records, zone serial " in warning and "REFUSED from" in warning


def test_without_an_answer_of_the_last_hour_nothing_is_made_and_the_live_stay(find: Any, proxy: LyingProxy) -> None:
    proxy.lie = Lie.SERVFAIL
    found, _nodes = find()
    assert found["failed"] and "default: DNS gives no node and no host lists one: an empty topology is never written" in found["msg"]
    assert "SERVFAIL from" in " ".join(found["more_problems"])
    found, nodes = find(listed=LISTED)
    assert nodes == WANTED


def test_only_runs_that_change_count_what_is_left_out(find: Any, proxy: LyingProxy) -> None:
    proxy.lie = Lie.HALF
    for arguments, change in ((("--check",), True), ((), False)):
        for found, nodes in find(*arguments, listed=LISTED, change=change, looks=3):
            assert nodes == WANTED
            assert any("left out 1 times in a row" in warning for warning in found["warnings"])
    assert find(listed=LISTED)[1] == WANTED
    (_found, second), (found, _nodes) = find(listed=LISTED, looks=2)
    assert second == WANTED
    left = found["clusters"]["default"]
    assert len(left["remove"]) == 1 and len(left["nodes"]) == 2


def test_a_shorter_list_counts_when_a_second_look_is_as_short(find: Any, proxy: LyingProxy) -> None:
    """A server omits different records each time, like a server that truncates answers without the TC bit."""
    turns = 0

    def other_halves(_name: str, kind: str) -> Lie | None:
        nonlocal turns
        turns += kind == "SRV"
        return (Lie.HALF if turns % 2 else Lie.OTHER_HALF) if kind == "SRV" else None

    proxy.lie = other_halves
    looks = find(listed=LISTED, looks=5)
    assert [nodes for _found, nodes in looks] == [WANTED] * 5
    (warning,) = looks[-1][0]["warnings"]
    assert "two looks gave 2 and 1 nodes, different in " in warning and warning.endswith("No node leaves the topology")


def test_what_answers_on_a_host_stays(find: Any, proxy: LyingProxy) -> None:
    proxy.lie = Lie.HALF
    looks = find(listed=LISTED, answering=tuple(ADDRESSES), looks=4)
    assert [nodes for _found, nodes in looks] == [WANTED] * 4
    assert any("it still answers" in warning for warning in looks[-1][0]["warnings"])


@pytest.mark.parametrize("read", [True, False])
def test_a_file_that_no_server_has_read_says_nothing_of_who_is_live(find: Any, read: bool) -> None:
    topology = {"listed": [*LISTED, {"name": "node9", "grpc_address": "192.0.2.9:17912"}], "held_back": [], "answering": ["node9"]}
    reasons = [] if read else [{"reason": "environment_changed", "variables": ["BYDB_NODE_DISCOVERY_MODE"]}]
    probe = {"topology": topology, "services": {"banyandb-data.service": {"needs_restart": reasons, "main_pid": 1, "ready": True}}}
    found, nodes = find(__banyandb_host=probe)
    assert (nodes == WANTED, "node9" in nodes) == (not read, read)
    assert any("node9 stays" in warning for warning in found.get("warnings", [])) == read


def test_the_preflight_of_dns_mode_refuses_what_a_look_only_warns_of(find: Any, proxy: LyingProxy) -> None:
    proxy.lie = Lie.DOT
    found, _nodes = find(banyandb_discovery_mode="dns")
    assert "a server that asks DNS drops every node" in found["msg"]
    found, nodes = find(banyandb_discovery_mode="dns", change=False)
    assert nodes == WANTED
    assert any("drops every node" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"banyandb_srv_names": []}, "default: banyandb_srv_names is []: expected a list with at least one SRV name"),
        ({"banyandb_srv_nameservers": ["dns.example.org"]}, "default: name server 'dns.example.org': expected an address"),
        ({"banyandb_srv_timeout": 0}, "timeout is 0.0: expected"),
        ({"banyandb_srv_interval": "often"}, "banyandb_srv_interval"),
        ({"banyandb_override": "{{ inventory_hostname }}"}, "default: banyandb_override is not the same for all hosts of the cluster"),
    ],
)
def test_settings_that_cannot_be_used_are_named(find: Any, variables: dict[str, Any], says: str) -> None:
    found, _nodes = find(**variables)
    assert found["failed"] and says in found["msg"]


def test_the_documentation_names_every_option() -> None:
    documented = yaml.safe_load(srv_nodes.DOCUMENTATION)["options"]
    assert {name: (option["type"], option.get("default")) for name, option in documented.items()} == {
        name: (option["type"], option.get("default")) for name, option in ARGUMENTS.items()
    }
