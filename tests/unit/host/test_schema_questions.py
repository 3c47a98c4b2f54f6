# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""schema_questions, asked of gRPC's own server and of a liaison's HTTP port, over real sockets."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import schema_questions
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.schema_questions import lacking_on, liaison_keys, nodes_without_schema
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.schema_keys import SchemaKey
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.tests.unit.peers import byte_server, closed_port, http_answer

KEYS = [SchemaKey("measure", "g", f"{number:04}{'m' * 60}") for number in range(900)]


def varint(value):
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def message(*fields):
    """Protobuf by hand: (number, text or bytes or integer)."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            data = value.encode() if isinstance(value, str) else value
            parts.append(varint(number << 3 | 2) + varint(len(data)) + data)
    return b"".join(parts)


def texts(data):
    """The fields of a message that has texts alone, each shorter than 128 bytes."""
    found = []
    while data:
        size = data[1]
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


class Node17912:
    """A data node's gRPC port. ``lacks(asked)``: whether it lacks a key that it is asked for the so-manieth time."""

    def __init__(self, lacks):
        self.lacks, self.asked, self.sizes = lacks, {}, []

    def service(self, details):
        assert details.method == f"/{schema_questions.METHOD}"
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, _context):
        self.sizes.append(len(request))
        revisions = []
        for key in texts(request):
            self.asked[key] = self.asked.get(key, 0) + 1
            revisions.append((1, message((1, key)) if self.lacks(key, self.asked[key]) else message((1, key), (2, 300), (3, 1))))
        return message(*revisions)


@contextmanager
def data_node(lacks=lambda key, asked: False):
    handler = Node17912(lacks)
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield Node("data9", f"127.0.0.1:{port}"), handler
        finally:
            server.stop(None).wait()


def test_thousands_of_keys_are_asked_for_in_questions_that_fit_a_frame():
    with data_node() as (node, handler):
        assert lacking_on(node, KEYS, 5.0) == []
    assert len(handler.asked) == len(KEYS) and len(handler.sizes) > 1 and max(handler.sizes) <= 16_000


def test_the_keys_that_a_node_lacks_are_returned():
    with data_node(lambda key, _asked: b"0007" in key) as (node, _handler):
        assert lacking_on(node, KEYS, 5.0) == [KEYS[7]]


def test_a_node_that_does_not_answer_is_a_reason():
    with closed_port() as address:
        failure = lacking_on(Node("data9", address), KEYS, 1.0)
    assert isinstance(failure, Failure) and failure.kind == "refused"


GROUPS = {"group": [{"metadata": {"name": name}, "catalog": catalog, "resourceOpts": {"replicas": 0, "ttl": None, "segmentInterval": None}}
                    for name, catalog in (("_own", "CATALOG_MEASURE"), ("g", "CATALOG_MEASURE"), ("p", "CATALOG_PROPERTY"))]}  # fmt: skip
CONTENT = {"group": {"metadata": {"name": "g"}}, "schemaInfo": {"measures": [key.name for key in KEYS[:3]], "streams": []}}


def liaison(request):
    path = request.split(b" ")[1].decode()
    documents = {"/api/v1/group/schema/lists": GROUPS, "/api/v1/group/content/g": CONTENT}
    return http_answer("200 OK", json.dumps(documents[path]).encode())


def with_liaison(answer, question):
    async def run():
        async with byte_server(answer) as address:
            return await asyncio.to_thread(question, HttpClient(f"http://{address}", timeout=2.0))

    return asyncio.run(run())


@pytest.fixture
def waits(monkeypatch):
    monkeypatch.setattr(schema_questions, "PAUSE_SECONDS", 0.05)


def test_a_liaison_shows_the_keys_of_the_groups_of_users():
    assert with_liaison(liaison, liaison_keys) == KEYS[:3]


@pytest.mark.usefixtures("waits")
def test_a_node_that_gets_the_schema_later_is_waited_for():
    with data_node(lambda _key, asked: asked < 3) as (node, handler):
        assert with_liaison(liaison, lambda client: nodes_without_schema(client, [node], 20.0, 5.0)) == {}
    assert set(handler.asked.values()) == {3}


@pytest.mark.usefixtures("waits")
def test_a_node_that_does_not_get_the_schema_in_time_is_named_and_the_others_are_not():
    with data_node() as (ready, _one), data_node(lambda key, _asked: b"0001" in key) as (late, _two):
        nodes = [Node("ready", ready.grpc_address), Node("late", late.grpc_address)]
        found = with_liaison(liaison, lambda client: nodes_without_schema(client, nodes, 0.3, 5.0))
    assert found.keys() == {"late"} and found["late"].startswith("not added, it lacks measure g/0001")


@pytest.mark.usefixtures("waits")
def test_a_node_that_gives_no_answer_is_named_with_the_reason():
    with closed_port() as address:
        found = with_liaison(liaison, lambda client: nodes_without_schema(client, [Node("gone", address)], 0.2, 1.0))
    assert "its schema is unknown" in found["gone"] and "connection refused" in found["gone"]


@pytest.mark.usefixtures("waits")
def test_a_liaison_that_does_not_show_its_schema_holds_every_node_back():
    found = with_liaison(http_answer("404 Not Found"), lambda client: nodes_without_schema(client, [Node("a", "a:1"), Node("b", "b:1")], 0.2, 1.0))
    assert found.keys() == {"a", "b"} and all("its schema is unknown" in why and len(why) <= 150 for why in found.values())


@pytest.mark.usefixtures("waits")
def test_a_liaison_that_fails_for_a_moment_is_asked_again():
    turns = iter(range(100))

    def recovers(request):
        return liaison(request) if next(turns) > 2 else http_answer("500 Internal Server Error")

    with data_node() as (node, _handler):
        assert with_liaison(recovers, lambda client: nodes_without_schema(client, [node], 20.0, 5.0)) == {}


@pytest.mark.usefixtures("waits")
def test_an_object_that_is_deleted_during_the_wait_is_no_reason():
    turns = iter(range(100))

    def deletes(request):
        gone = b"/content/" in request and next(turns) > 0
        return http_answer("200 OK", json.dumps({**CONTENT, "schemaInfo": {}}).encode()) if gone else liaison(request)

    with data_node(lambda key, _asked: b"0001" in key) as (node, _handler):
        assert with_liaison(deletes, lambda client: nodes_without_schema(client, [node], 0.3, 5.0)) == {}


def test_a_cluster_without_groups_needs_no_wait():
    nothing = http_answer("200 OK", b'{"group": []}')
    assert with_liaison(nothing, lambda client: nodes_without_schema(client, [Node("a", "a.invalid:1")], 5.0, 1.0)) == {}
