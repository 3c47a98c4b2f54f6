# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identities that nodes report over gRPC, with the standard library only; and the watch, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack

import grpc
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import peer_cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.gate_watch import METHODS, ask_node, ask_nodes
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import NodeAnswer
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    HEALTH,
    NODE,
    REVISION,
    Certificate,
    blackhole,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
    recorded,
)
from ansible_collections.skywalking.banyandb.tests.unit.server_processes import server_process

WELL = {HEALTH: b"\x08\x01", REVISION: b"\x08\x07"}


def asked(peer, ca="", timeout=2.0, methods=METHODS):
    async def run():
        async with peer as address:
            return await asyncio.to_thread(ask_node, Node("it", address, bool(ca), ca), timeout, methods)

    return asyncio.run(run())


def node_message(name, roles=b"\x01\x02", **labels):
    """Return a GetCurrentNodeResponse, made by hand: its field 1 is the node."""

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    entries = b"".join(field(6, field(1, key.encode()) + field(2, value.encode())) for key, value in labels.items())
    return field(1, field(1, field(2, name.encode())) + field(2, roles) + field(3, name.encode()) + entries)


@pytest.mark.parametrize("kind", ["data", "liaison-internal"])
def test_what_a_real_server_answered_is_read(kind):
    answer = asked(grpc_server(recorded(kind)))
    assert isinstance(answer, NodeAnswer) and answer.health == "SERVING" and answer.revision is not None
    assert answer.identity.node_name and answer.identity.roles == (("ROLE_META", "ROLE_DATA") if kind == "data" else ("ROLE_LIAISON",))


def test_labels_and_roles_are_read():
    answer = asked(grpc_server({**WELL, NODE: node_message("d1:17912", type="hot", zone="b")}))
    identity = Identity("d1:17912", "d1:17912", ("ROLE_META", "ROLE_DATA"), (("type", "hot"), ("zone", "b")))
    assert answer == NodeAnswer("SERVING", identity, 7)


def test_an_empty_answer_means_zero_as_proto3_has_it():
    answer = asked(grpc_server({HEALTH: b"", REVISION: b"", NODE: node_message("d1:17912")}))
    assert (answer.health, answer.revision) == ("UNKNOWN", 0)


def test_a_standalone_server_is_asked_for_its_health_alone():
    assert asked(grpc_server({HEALTH: b"\x08\x02"}), methods=METHODS[:1]) == NodeAnswer("NOT_SERVING")


def test_tls_is_spoken_where_the_entry_says_so(tmp_path):
    certificate = Certificate(tmp_path)
    answer = asked(grpc_server({**WELL, NODE: node_message("d1:17912")}, certificate), ca=str(certificate.path))
    assert answer.health == "SERVING"


@pytest.mark.parametrize(
    ("peer", "kind", "said"),
    [
        (lambda: grpc_server({}), "unimplemented", ": Health/Check failed with UNIMPLEMENTED: "),
        (
            lambda: grpc_server({**WELL, NODE: (grpc.StatusCode.UNAVAILABLE, "not now")}),
            "unavailable",
            "GetCurrentNode failed with UNAVAILABLE: not now",
        ),
        (lambda: grpc_server({**WELL, NODE: b"\x0a\x7f"}), "not_banyandb", "ends after its message"),
        (lambda: grpc_server({**WELL, NODE: b""}), "not_banyandb", "an answer without a node"),
        (lambda: grpc_server({**WELL, NODE: bytes(65_537)}), "not_banyandb", "65537 bytes, more than 65536"),
        (lambda: byte_server(http_answer("200 OK")), "not_banyandb", "speaks no HTTP/2"),
    ],
)
def test_what_is_no_answer_is_named(peer, kind, said):
    failure = asked(peer())
    assert isinstance(failure, Failure) and failure.kind == kind and said in failure.message


@pytest.mark.parametrize("length", [63, 126, 127, 128, 253])
def test_a_host_name_of_any_length_may_be_asked_for(length, monkeypatch):
    """A real gRPC server reads the header :authority. From 127 on, its length takes more than one byte."""
    name = ("xy." * 90)[: length - 1] + "a"
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == name else host, *a, **k))

    async def run():
        async with grpc_server({**WELL, NODE: node_message("d1:17912")}) as address:
            return await asyncio.to_thread(ask_node, Node("it", f"{name}:{address.rpartition(':')[2]}"), 5.0)

    assert len(name) == length
    assert asyncio.run(run()) == NodeAnswer("SERVING", Identity("d1:17912", "d1:17912", ("ROLE_META", "ROLE_DATA")), 7)


def test_silence_and_refusal_are_distinguished():
    with blackhole() as silent, closed_port() as refusing:
        found = ask_nodes([Node("silent", silent), Node("refusing", refusing)], 0.3)
    assert {name: answer.kind for name, answer in found.items()} == {"silent": "timeout", "refusing": "refused"}


# The module, as Ansible runs it


def state(**tables):
    return http_answer("200 OK", json.dumps({"routeTables": tables}).encode(), "Content-Type: application/json")


def table(*names, active=(), evictable=()):
    registered = [{"metadata": {"name": name}, "grpcAddress": name, "roles": []} for name in names]
    return {"registered": registered, "active": list(active), "evictable": list(evictable)}


UNIT = "banyandb-liaison.service"


@pytest.fixture(autouse=True)
def no_process(systemd):
    """The server's unit has no process, so the module asks the server at the configured address."""
    systemd.unit(UNIT)


async def watched(peers, view, **arguments):
    """Run cluster_watch with one gRPC server for each name in ``peers`` (name -> node name) and a view of their addresses."""
    async with AsyncExitStack() as stack:
        nodes = []
        for name, node_name in peers.items():
            address = await stack.enter_async_context(grpc_server({**WELL, NODE: node_message(node_name)}))
            role = "liaison" if name.startswith("l") else "data"
            nodes.append({"name": name, "node_name": node_name, "role": role, "grpc_address": address})
        http = await stack.enter_async_context(byte_server(view))
        given = {"name": "l1", "role": "liaison", "service": UNIT, "url": f"http://{http}", "nodes": nodes, "soak": 0.0, "stall": 0.0, **arguments}
        result, _stderr = await run_module("cluster_watch", **given)
        return result


WHOLE = state(tire1=table("l1:18912", active=["l1:18912"]), tire2=table("d1:17912", active=["d1:17912"]))
STUCK = state(tire1=table("l1:18912", active=["l1:18912"]), tire2=table("d1:17912", evictable=["d1:17912"]))
PEERS = {"l1": "l1:18912", "d1": "d1:17912"}


def test_a_whole_cluster_is_whole():
    result = asyncio.run(watched(PEERS, WHOLE))
    assert (result["whole"], result["pairs"], result["revisions"], result["changed"]) == (True, [], {"l1": 7, "d1": 7}, False)
    assert result["serving"] == ["d1", "l1"]


def test_a_server_that_shows_no_view_does_not_serve():
    result = asyncio.run(watched(PEERS, http_answer("503 Service Unavailable")))
    assert not result["whole"] and result["serving"] == ["d1"]


def test_one_that_is_not_used_is_named_and_the_module_does_not_fail():
    result = asyncio.run(watched(PEERS, STUCK))
    assert "failed" not in result and not result["whole"]
    assert [(pair["observer"], pair["subject"], pair["seen"]) for pair in result["pairs"]] == [("l1", "d1", "evictable")]


def test_the_watch_names_an_interrupted_drain_as_the_reason(systemd):
    async def run(**arguments):
        with closed_port("127.0.0.5") as nothing:
            nodes = [{"name": "l2", "node_name": "l2:18912", "role": "liaison", "grpc_address": nothing}]
            return (await watched({}, WHOLE, nodes=nodes, timeout=1.0, **arguments))["pairs"]

    assert {pair["remedy"] for pair in asyncio.run(run())} == {"See why l2 is unreachable from the host of l1."}
    systemd.blocks(peer_cut.table_of("l2"))
    (pair,) = asyncio.run(run())
    assert (pair["subject"], pair["seen"], pair["verdict"]) == ("l2", "drained", "converging")
    assert pair["remedy"].startswith("A drain blocks l2 for at most 95 s.")
    (pair,) = asyncio.run(run(role="data"))
    assert pair["remedy"] == "See why l2 is unreachable from the host of l1."


def test_the_server_is_asked_where_its_process_listens_and_the_inventory_may_have_the_next_addresses(systemd):
    async def run():
        async with byte_server(WHOLE) as http, grpc_server({**WELL, NODE: node_message("l1:18912")}) as internal:
            environment = {
                "BYDB_HTTP_HOST": "127.0.0.1", "BYDB_HTTP_PORT": http.rpartition(":")[2],
                "BYDB_NODE_HOST_PROVIDER": "flag", "BYDB_NODE_HOST": "127.0.0.1", "BYDB_LIAISON_SERVER_GRPC_PORT": internal.rpartition(":")[2],
            }  # fmt: skip
            with server_process("liaison", **environment) as pid, closed_port("127.0.0.5") as nothing:
                systemd.unit(UNIT, MainPID=pid)
                next_node = {"name": "l1", "node_name": "l1:18912", "role": "liaison", "grpc_address": nothing}
                return await watched({}, http_answer("503 Service Unavailable"), nodes=[next_node], url=f"http://{nothing}")

    result = asyncio.run(run())
    assert result["serving"] == ["l1"]
    assert [pair for pair in result["pairs"] if pair["observer"] == "l1" and pair["subject"] == "l1"] == []


def test_the_watch_goes_on_until_the_soak_time_is_over():
    result = asyncio.run(watched(PEERS, WHOLE, soak=1.0))
    assert result["whole"] and result["rounds"] >= 2 and result["seconds"] >= 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"soak": -1.0}, "soak is -1.0: expected seconds"),
        ({"timeout": 0.0}, "timeout is 0.0: expected seconds"),
        ({"identities": ["d9"]}, "identities names d9, which nodes does not list. Correct identities."),
        ({"url": "ftp://x:1"}, "expected http://host:port"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, said):
    result = asyncio.run(watched(PEERS, WHOLE, **arguments))
    assert result["failed"] and said in result["msg"]
