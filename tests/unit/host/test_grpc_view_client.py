# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view over gRPC with the standard library, against gRPC's own server: plain, with TLS, with credentials; and its equality with other clients."""

from __future__ import annotations

import asyncio
import inspect
import json
import os

import grpc
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import load, method
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_view_client import STATE_METHOD, GrpcClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.view_client import ViewClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms, TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    HEALTH,
    RECORDED,
    STATE,
    Certificate,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
    recorded,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("other"), name="db.example.org", address=None)


def asked(peer, ask=GrpcClient.cluster_state, **given):
    async def run():
        async with peer as address:
            return await asyncio.to_thread(lambda: ask(GrpcClient(address, **given)))

    return asyncio.run(run())


@pytest.mark.parametrize("port", ["data", "liaison-public", "liaison-internal"])
def test_the_view_is_that_of_the_controllers_client(port):
    async def run():
        async with grpc_server(recorded(port)) as address:
            theirs = await asyncio.to_thread(ask_all, {"it": address}, [method(STATE_METHOD, view_decoder())], Terms())
            return theirs["it"][0], await asyncio.to_thread(GrpcClient(address).cluster_state)

    theirs, ours = asyncio.run(run())
    assert isinstance(ours, View) and ours == theirs


@pytest.mark.parametrize("port", ["data-17913", "liaison-17913", "liaison-18913"])
def test_the_view_is_that_of_the_http_client(port):
    """The server makes its JSON from the same message, with the JSON mapping of protobuf."""
    from google.protobuf import json_format

    body = (RECORDED / f"cluster-state-{port}.json").read_bytes()
    message = json_format.Parse(body, load()["banyandb.database.v1.GetClusterStateResponse"]()).SerializeToString()

    async def run():
        async with grpc_server({STATE: message}) as address, byte_server(http_answer("200 OK", body)) as http:
            clients: list[ViewClient] = [GrpcClient(address), HttpClient(f"http://{http}")]
            return [await asyncio.to_thread(client.cluster_state) for client in clients]

    over_grpc, over_http = asyncio.run(run())
    assert isinstance(over_http, View) and over_grpc == over_http
    assert over_grpc.to_mapping() == over_http.to_mapping() == View.from_mapping(json.loads(body)).to_mapping()


def test_health_is_read():
    assert asked(grpc_server(recorded("data")), GrpcClient.health) == "SERVING"
    assert asked(grpc_server({HEALTH: b"\x08\x02"}), GrpcClient.health) == "NOT_SERVING"


def test_both_clients_have_the_methods_of_the_interface():
    for name, declared in inspect.getmembers(ViewClient, inspect.isfunction):
        if not name.startswith("_"):
            for client in (GrpcClient, HttpClient):
                assert inspect.signature(getattr(client, name)) == inspect.signature(declared)


@pytest.mark.parametrize("ask", [GrpcClient.cluster_state, GrpcClient.health])
def test_a_view_comes_over_tls(certificate, ask):
    answers = recorded("data")
    assert asked(grpc_server(answers, certificate), ask, ca_path=str(certificate.path)) == asked(grpc_server(answers), ask)


def test_the_certificate_must_have_the_name_of_the_host_or_the_given_name(other):
    assert asked(grpc_server({STATE: b""}, other), ca_path=str(other.path)).kind == "tls"
    assert asked(grpc_server({STATE: b""}, other), ca_path=str(other.path), tls_server_name="db.example.org") == View()


def test_the_ca_may_have_a_relative_path(certificate, monkeypatch):
    monkeypatch.chdir(certificate.path.parent)
    assert asked(grpc_server({STATE: b""}, certificate), ca_path=os.path.basename(certificate.path)) == View()


def guarded(context):
    sent = dict(context.invocation_metadata())
    if (sent.get("username"), sent.get("password")) == ("admin", "right: %41 "):
        return b""
    return grpc.StatusCode.UNAUTHENTICATED, "Invalid credentials"


def test_credentials_are_sent_as_metadata(certificate):
    wrong = asked(grpc_server({STATE: guarded}))
    assert (wrong.kind, "UNAUTHENTICATED: Invalid credentials" in wrong.message) == ("auth", True)
    assert len(wrong.message) <= 200
    assert asked(grpc_server({STATE: guarded}), username="admin", password="wrong").kind == "auth"
    assert asked(grpc_server({STATE: guarded}), username="admin", password="right: %41 ") == View()
    assert asked(grpc_server({STATE: guarded}, certificate), ca_path=str(certificate.path), username="admin", password="right: %41 ") == View()


def test_no_failure_shows_the_password():
    failure = asked(grpc_server({STATE: guarded}), username="admin", password="hunter22")
    assert "hunter22" not in failure.message and "hunter22" not in repr(failure)


@pytest.mark.parametrize(("code", "calls"), [(grpc.StatusCode.UNAVAILABLE, 3), (grpc.StatusCode.INTERNAL, 1)])
def test_only_a_passing_failure_is_asked_again(code, calls):
    times = []

    def answer(context):
        times.append(context)
        return b"" if len(times) == 3 else (code, "not now")

    found = asked(grpc_server({STATE: answer}), retries=2)
    assert len(times) == calls and (found == View() if calls == 3 else found.kind == "unavailable")


@pytest.mark.parametrize(("given", "calls"), [({}, 1), ({"retries": 2}, 3)])
def test_the_retries_have_an_end(given, calls):
    times = []

    def answer(context):
        times.append(context)
        return grpc.StatusCode.UNAVAILABLE, "not now"

    assert asked(grpc_server({STATE: answer}), **given).kind == "unavailable"
    assert len(times) == calls


def test_a_server_that_starts_late_is_found_by_a_retry():
    async def run():
        with closed_port() as address:
            waiting = asyncio.create_task(asyncio.to_thread(GrpcClient(address, retries=50).cluster_state))
            await asyncio.sleep(0.3)
        async with grpc_server({STATE: b""}, port=int(address.rpartition(":")[2])):
            return await waiting

    assert asyncio.run(run()) == View()


@pytest.mark.parametrize("answer", [b"\x0a", b"\x0a\x02\x12\x7f", b"\xff" * 10, b"\x0a\x03\x0a\x01\xff"])
def test_another_message_is_not_banyandb(answer):
    failure = asked(grpc_server({STATE: answer}))
    assert isinstance(failure, Failure) and failure.kind == "not_banyandb" and "answers with something else" in failure.message


def test_a_cluster_of_20_000_nodes_is_read():
    classes = load()
    message = classes["banyandb.database.v1.GetClusterStateResponse"]()
    table = message.route_tables["tire2"]
    for number in range(20_000):
        node = table.registered.add(grpc_address=f"node{number}.example.org:17912", roles=[1, 2])
        node.metadata.name = f"node{number}.example.org:17912"
        node.labels.update({"type": "hot", "filler": "x" * 500})
        table.active.append(node.metadata.name)
    data = message.SerializeToString()
    assert 12_000_000 < len(data) < 16_000_000
    view = asked(grpc_server({STATE: data}), timeout=120.0)
    assert view == view_decoder()(data) and len(view.tables["tire2"].by_name) == 20_000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": "127.0.0.1"}, "127.0.0.1"),
        ({"address": "http://127.0.0.1:17912"}, "127.0.0.1"),
        ({"ca_path": "/none/ca.pem"}, "ca_path /none/ca.pem: No such file or directory"),
        ({"ca_path": "{text}"}, "no certificate in it"),
        ({"tls_server_name": ".x"}, "tls_server_name"),
        ({"tls_server_name": "a\0b"}, "tls_server_name"),
        ({"username": "jürgen"}, "printable ASCII"),
        ({"password": "a\nb", "username": "a"}, "printable ASCII"),
        ({"timeout": 0.0}, "timeout"),
        ({"retries": -1}, "retries"),
    ],
)
def test_what_cannot_be_asked_is_refused(given, said, tmp_path):
    (tmp_path / "text").write_text("no certificate")
    given = {"address": "127.0.0.1:17912", **given}
    if given.get("ca_path") == "{text}":
        given["ca_path"] = str(tmp_path / "text")
    with pytest.raises(TermsError) as raised:
        GrpcClient(**given)
    assert said in str(raised.value) and len(str(raised.value)) <= 200
