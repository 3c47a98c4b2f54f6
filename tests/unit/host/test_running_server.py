# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a running server comes from its process, and every module that asks a running server uses this address."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import port_drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_options import ARGUMENTS as PUSH_ARGUMENTS
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_request import read_request
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import running_server, server_of_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, from_entries
from ansible_collections.skywalking.banyandb.plugins.modules import liaison_drain
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import byte_server, closed_port, http_answer
from ansible_collections.skywalking.banyandb.tests.unit.server_processes import server_process

ROOT = Path(__file__).resolve().parents[3]
UNIT = "banyandb-data.service"
NAMED = {"BYDB_NODE_HOST_PROVIDER": "flag", "BYDB_NODE_HOST": "10.0.0.5"}


def client(url="https://127.0.0.1:17913"):
    return {"service": UNIT, "url": url, "ca_path": None, "username": None, "password": None}


def test_the_kind_and_the_environment_of_the_process_decide(systemd):
    with server_process("data", BYDB_GRPC_HOST="10.0.0.5", BYDB_HTTP_HOST="10.0.0.9", BYDB_GRPC_PORT="27912", **NAMED) as pid:
        systemd.unit(UNIT, MainPID=pid)
        found = running_server(UNIT)
    assert (found.at.http_address, found.at.client_ports, found.node_name) == ("10.0.0.5:17913", (27912, 17913), "10.0.0.5:27912")


def test_a_unit_without_a_process_is_asked_at_the_url(systemd):
    systemd.unit(UNIT)
    assert running_server(UNIT) is None
    assert local_client(client("http://10.0.0.1:1"), None, 1.0).address == "10.0.0.1:1"


def test_an_account_that_may_not_read_the_environment_asks_at_the_url(systemd, monkeypatch):
    def refuse(pid):
        raise cannot_read("/proc/1", PermissionError(13, ""))

    systemd.unit(UNIT, MainPID=1)
    monkeypatch.setattr(running_process, "environment_of", refuse)
    assert running_server(UNIT) is None


def test_a_process_that_has_ended_is_no_server():
    with server_process("data") as pid:
        pass
    assert server_of_process(pid) is None


VIEW = {"routeTables": {"property": {"registered": [{"metadata": {"name": "it:17912"}, "grpcAddress": "it:17912"}], "active": [], "evictable": []}}}


async def asked(systemd, module, arguments):
    """Run a module on a host whose server listens at 127.0.0.1. At the address of the inventory nothing listens.

    ``arguments``: returns the arguments for the address of the inventory and the address of the server.
    """
    async with byte_server(http_answer("200 OK", json.dumps(VIEW).encode())) as http, byte_server(http_answer("200 OK", b"")) as metrics:
        environment = {"BYDB_GRPC_HOST": "127.0.0.1", "BYDB_HTTP_PORT": http.rpartition(":")[2], "BYDB_OBSERVABILITY_LISTENER_ADDR": metrics}
        with server_process("data", **environment) as pid, closed_port("127.0.0.5") as inventory:
            systemd.unit(UNIT, MainPID=pid)
            result, errors = await run_module(module, **arguments(inventory, http))
            assert errors == ""
            return result


def test_a_view_is_read_where_the_process_listens(systemd):
    def arguments(inventory, _server):
        return {"protocol": "http", "retries": 0, "endpoints": [{"name": "it", "address": inventory, "service": UNIT}]}

    result = asyncio.run(asked(systemd, "cluster_state_info", arguments))
    assert result["endpoints"]["it"]["error"] is None and result["endpoints"]["it"]["address"].startswith("127.0.0.1:")


@pytest.mark.parametrize("module", ["topology", "host_info"])
def test_a_push_is_proved_where_the_process_listens(systemd, tmp_path, module):
    path = tmp_path / "topology.yml"

    def arguments(inventory, server):
        entry = {"name": "it", "grpc_address": server}
        path.write_text(Topology(tuple(from_entries([entry], "nodes"))).render())
        path.chmod(0o644)
        prove = {"name": "it", "role": "data", "url": f"http://{inventory}", "timeout": 0.5}
        push = {"path": str(path), "nodes": [{**entry, "role": "data", "node_name": "it:17912"}], "prove": prove}
        if module == "host_info":
            return {"services": [{"name": UNIT}], "push": push}
        return {**push, "prove": {**prove, "service": UNIT}}

    result = asyncio.run(asked(systemd, module, arguments))
    proved = result["push"] if module == "host_info" else result
    assert proved and proved["proved"], result


def test_a_leaving_node_is_asked_where_its_process_listens(systemd, tmp_path):
    def arguments(inventory, _server):
        paths = {"path": str(tmp_path / "departures.json"), "topology": str(tmp_path / "topology.yml")}
        return {**paths, "service": UNIT, "metrics_url": f"http://{inventory}"}

    assert asyncio.run(asked(systemd, "departure_info", arguments))["properties"] is not None


def checked(monkeypatch, service=UNIT):
    monkeypatch.setattr(port_drain, "closed", list)
    return liaison_drain.act({"state": "checked", "service": service, "lease": 120.0, "hold": 0.0, "user": None}, False)


def test_a_drain_uses_the_name_that_the_process_has(systemd, monkeypatch):
    with server_process("liaison", **NAMED) as pid:
        systemd.unit(UNIT, MainPID=pid)
        assert checked(monkeypatch)["node_name"] == "10.0.0.5:18912"
    systemd.unit(UNIT)
    assert checked(monkeypatch)["node_name"] == ""
    assert "node_name" not in checked(monkeypatch, None)


def test_a_drain_fails_if_the_other_liaisons_may_know_the_liaison_by_another_name(systemd, monkeypatch):
    with server_process("liaison", BYDB_NODE_HOST="10.0.0.5") as pid:
        systemd.unit(UNIT, MainPID=pid)
        with pytest.raises(HostStateError, match="no BYDB_NODE_HOST.*banyandb_liaison_drain: none") as refused:
            checked(monkeypatch)
    assert refused.value.kind == "no_name" and len(str(refused.value)) <= 200


def test_every_task_that_passes_the_address_of_the_inventory_also_passes_the_unit():
    files = [path for folder in ("playbooks", "roles") for path in ROOT.glob(f"{folder}/**/*.yml")]
    address = re.compile(r"__banyandb_local_servers\[\w+\]\.(\w*url|\w+_address)")
    tasks = [task for path in files for task in path.read_text(encoding="utf-8").split("- name: ") if address.search(task)]
    assert len(tasks) >= 6
    without = [task for task in tasks if not re.search(r"^\s+(- \{.*)?service: ", task, re.MULTILINE)]
    assert json.dumps(without) == "[]"


@pytest.mark.parametrize(
    ("kind", "environment", "serves_tls"),
    [
        ("data", {}, False),
        ("data", {"BYDB_TLS": "true"}, True),
        # Only its clients use TLS.
        ("liaison", {"BYDB_TLS": "true", "BYDB_HTTP_TLS": "true"}, False),
        ("liaison", {"BYDB_LIAISON_SERVER_TLS": "true"}, True),
    ],
)
def test_a_push_knows_whether_the_server_serves_the_other_nodes_with_tls(systemd, kind, environment, serves_tls):
    options = {"path": "/etc/banyandb/topology.yml", "nodes": [], "prove": {"name": "a", "role": kind, **client()}}
    with server_process(kind, **NAMED, **environment) as pid:
        systemd.unit(UNIT, MainPID=pid)
        validated = ArgumentSpecValidator(PUSH_ARGUMENTS).validate(options).validated_parameters
        assert read_request(validated, check=True).proof.serves_tls is serves_tls
