# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of each port, equal to the recorded answers of real servers (recorded/; contract, sections 3, 4, 6)."""

from __future__ import annotations

import base64
import copy
import json
import pathlib
import re
import socket
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from . import asking
from .asking import Calls
from .conftest import Cluster
from .servers import GOSSIP, GRPC, HTTP, INTERNAL, METRICS, SCHEMA, Server, listing
from .waiting import SOON, until

RECORDED = pathlib.Path(__file__).parent / "recorded"
ANSWERS: dict[str, dict[str, dict[str, str]]] = json.loads((RECORDED / "grpc-responses.json").read_text())

PATHS = {
    "GetCurrentNode": "banyandb.database.v1.NodeQueryService/GetCurrentNode",
    "GetClusterState": "banyandb.database.v1.ClusterStateService/GetClusterState",
    "GetAPIVersion": "banyandb.common.v1.Service/GetAPIVersion",
    "GetMaxRevision": "banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision",
    "Health": "grpc.health.v1.Health/Check",
}
PORTS = {"liaison-public": GRPC, "liaison-internal": INTERNAL, "data": GRPC, "data-schema": SCHEMA, "data-gossip": GOSSIP}
INTERNAL_HTTP, PPROF = 18913, 6060
META, DATA, LIAISON = 1, 2, 3
LISTENING = {
    "data": {GRPC, HTTP, SCHEMA, GOSSIP, METRICS, PPROF},
    "liaison": {GRPC, HTTP, INTERNAL, INTERNAL_HTTP, METRICS, PPROF},
    "standalone": {GRPC, HTTP, SCHEMA, METRICS, PPROF},
}


def recorded_as(cluster: Cluster, name: str) -> Server:
    """Return the server in the role of the recorded server."""
    return cluster.liaisons[0] if "liaison" in name else cluster.data[0]


def comparable(call: str, answer: Any) -> Any:
    """Return an answer without the parts that are new in every cluster: creation times, the schema's revision, the version."""
    answer = copy.deepcopy(answer)
    if call == "GetCurrentNode":
        assert answer.node.created_at.seconds
        answer.node.ClearField("created_at")
    elif call == "GetClusterState":
        for table in answer.route_tables.values():
            for node in table.registered:
                assert node.created_at.seconds
                node.ClearField("created_at")
                # In the recording, one node still knew another node by the label from before a restart.
                for label in node.labels:
                    node.labels[label] = "any"
            for names in (table.active, table.evictable):
                names.sort()
            table.registered.sort(key=lambda node: node.metadata.name)
    elif call == "GetAPIVersion":
        assert re.fullmatch(r"\d+\.\d+", answer.version.version)
        answer.version.version = "any"
    elif call == "GetMaxRevision":
        assert answer.max_mod_revision >= 0
        answer.ClearField("max_mod_revision")
    return answer


@pytest.mark.parametrize("call", PATHS)
@pytest.mark.parametrize("name", PORTS)
def test_every_call_on_every_port_is_answered_as_recorded(cluster: Cluster, calls: Calls, name: str, call: str) -> None:
    recorded, address = ANSWERS[name][call], recorded_as(cluster, name).host.address
    if "ok" in recorded:
        expected = calls.answer(PATHS[call]).FromString(base64.b64decode(recorded["ok"]))
        assert comparable(call, calls.ask(address, PORTS[name], PATHS[call])) == comparable(call, expected)
    else:
        with pytest.raises(grpc.RpcError) as refused:
            calls.ask(address, PORTS[name], PATHS[call])
        assert (refused.value.code().name, refused.value.details()) == (recorded["code"], recorded["details"])


@pytest.mark.parametrize("name", ANSWERS)
def test_recorded_answers_hold_nothing_that_our_protos_do_not_know(calls: Calls, name: str) -> None:
    for call, recorded in ANSWERS[name].items():
        if "ok" in recorded:
            answer = calls.answer(PATHS[call]).FromString(base64.b64decode(recorded["ok"]))
            known = copy.deepcopy(answer)
            known.DiscardUnknownFields()
            assert known.ByteSize() == answer.ByteSize()


def without_times(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state as JSON with sorted lists and without creation times. Check the format of these times."""
    state = copy.deepcopy(state)
    for table in state["routeTables"].values():
        for node in table["registered"]:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", node.pop("createdAt"))
        table["registered"].sort(key=lambda node: node["metadata"]["name"])
        table["active"].sort()
        table["evictable"].sort()
    return state


@pytest.mark.parametrize(("name", "port"), [("data", HTTP), ("liaison", HTTP), ("liaison", INTERNAL_HTTP)])
def test_the_state_by_http_is_the_recorded_json(cluster: Cluster, name: str, port: int) -> None:
    recorded = json.loads((RECORDED / f"cluster-state-{name}-{port}.json").read_text())
    assert without_times(asking.state(recorded_as(cluster, name).host.address, port)) == without_times(recorded)


def listening(server: Server) -> set[int]:
    """Return the ports on which the server listens, of all ports of all kinds."""
    return {port for port in set().union(*LISTENING.values()) if server.listens(port)}


@pytest.mark.parametrize("name", ["data", "liaison"])
def test_each_kind_listens_on_its_ports_and_on_no_port_of_the_other(cluster: Cluster, name: str) -> None:
    assert listening(recorded_as(cluster, name)) == LISTENING[name]


@pytest.mark.parametrize(("name", "port"), [("data", HTTP), ("liaison", HTTP), ("liaison", INTERNAL_HTTP)])
def test_healthz_says_serving(cluster: Cluster, name: str, port: int) -> None:
    answer = asking.page(recorded_as(cluster, name).host.address, port, "/api/healthz")
    assert answer.strip() in ("SERVING", '{"status":"SERVING"}')


@pytest.mark.parametrize(
    ("name", "port", "path"),
    [
        ("liaison-public", HTTP, "/api/v1/cluster/state"),
        ("data", HTTP, "/api/v1/cluster/state"),
        ("liaison-public", HTTP, "/api/healthz"),
        ("liaison-public", METRICS, "/metrics"),
    ],
)
def test_an_answer_to_http_1_0_is_whole_without_chunks(cluster: Cluster, name: str, port: int, path: str) -> None:
    """The collection's own client uses HTTP/1.0: the body ends at its length or with its connection."""
    with socket.create_connection((recorded_as(cluster, name).host.address, port), asking.PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _blank, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.lower().split(b"\r\n")
    assert re.fullmatch(rb"http/1\.[01] 200 ok", status)
    assert not [header for header in headers if header.startswith(b"transfer-encoding:")]
    lengths = [int(header.partition(b":")[2]) for header in headers if header.startswith(b"content-length:")]
    assert lengths in ([], [len(body)])
    assert body


def test_a_data_node_without_the_meta_role_has_the_role_data_alone(add: Callable[..., Server], cluster: Cluster) -> None:
    server = add("data", 6, **{"has-meta-role": "false"})
    server.rename(listing(cluster.data_entries | server.entry))
    server.start()
    until(lambda: server.name in server.sees(), SOON, f"{server} sees itself")
    registered = asking.state(server.host.address)["routeTables"]["property"]["registered"]
    roles = {node["metadata"]["name"]: node["roles"] for node in registered}
    assert roles == {name: ["ROLE_META", "ROLE_DATA"] for name in cluster.names(cluster.data)} | {server.name: ["ROLE_DATA"]}


def test_a_standalone_server_has_all_roles_and_no_tables(add: Callable[..., Server], calls: Calls) -> None:
    server = add("standalone", 7, **{"node-discovery-mode": "none"})
    server.start()
    until(lambda: server.tables() == {}, SOON, f"{server} answers without tables")
    answers = {call: calls.ask(server.host.address, GRPC, path) for call, path in PATHS.items()}
    node = answers["GetCurrentNode"].node
    assert (node.metadata.name, node.http_address) == (server.name, f"{server.host.name}:{HTTP}")
    assert list(node.roles) == [META, DATA, LIAISON]
    assert not answers["GetClusterState"].route_tables
    assert answers["GetAPIVersion"].version.version
    assert listening(server) == LISTENING["standalone"]


def metric_names(text: str) -> set[str]:
    """Return types, and samples without their values."""
    return {line if line.startswith("#") else line.rsplit(" ", 1)[0] for line in text.splitlines() if "file_discovery" in line}


def test_the_recorded_metrics_are_there(add: Callable[..., Server], cluster: Cluster) -> None:
    """All metrics appear on a liaison that lists itself: it retries its own entry, and the retry succeeds."""
    server = add("liaison", 8)
    server.rename(listing(cluster.data_entries | server.entry))
    server.start()
    until(lambda: server.name in server.sees(), 30, f"{server} sees itself")
    names = metric_names(asking.page(server.host.address, METRICS, "/metrics"))
    assert metric_names((RECORDED / "metrics-liaison-file-mode.txt").read_text()) <= names


def test_the_number_of_nodes_is_counted_at_each_load_and_not_when_a_retry_succeeds(add: Callable[..., Server], cluster: Cluster) -> None:
    server, late = add("data", 9), add("data", 10)
    text = listing(cluster.data_entries | late.entry)
    late.rename(listing({}))
    server.rename(text)
    server.start()
    until(lambda: server.counts().get("retry_queue_size") == 1, SOON, f"{late} is tried in vain")
    late.start()
    until(lambda: late.name in server.sees(), SOON, f"{server} sees {late}")
    assert server.counts()["total_nodes_count"] == 3
    server.in_place(text)
    until(lambda: server.counts()["total_nodes_count"] == 4, SOON, "it is counted")
