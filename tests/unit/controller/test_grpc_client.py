# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gRPC client against real sockets: the name of each kind of failure, and the cost of a question."""

from __future__ import annotations

import asyncio
import runpy
import socket
import sys
import time

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster import grpc_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.diagnosis import diagnose
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms, TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    STATE,
    VERSION,
    Certificate,
    blackhole,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
    recorded,
)

QUICK = {"timeout": 2.0, "retries": 0}


def state_method():
    return method("banyandb.database.v1.ClusterStateService/GetClusterState", view_decoder())


async def answer_of(address, **terms):
    """Return the answer of one endpoint to GetClusterState."""
    answers = await ask({"it": address}, [state_method()], Terms(**{**QUICK, **terms}))
    return answers["it"][0]


def kind_at(peer, **terms):
    """Return the kind and the message of the failure at ``peer``, an (async) context manager that yields an address."""

    async def run():
        if hasattr(peer, "__aenter__"):
            async with peer as address:
                return address, await answer_of(address, **terms)
        with peer as address:
            return address, await answer_of(address, **terms)

    address, failure = asyncio.run(run())
    assert isinstance(failure, Failure), failure
    assert failure.message.startswith(f"{address}: ")
    return failure


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("other"), name="db.example.org", address=None)


def test_a_recorded_answer_becomes_a_view():
    async def run():
        async with grpc_server(recorded("liaison-public")) as address:
            return await answer_of(address)

    view = asyncio.run(run())
    assert isinstance(view, View)
    assert view.tables["tire2"].active == ("node3:17912", "node4:17912", "node5:17912")


def test_a_closed_port_is_refused():
    assert kind_at(closed_port()).kind == "refused"


def test_a_host_name_with_a_closed_port_on_all_its_addresses_is_refused():
    with closed_port() as address:
        failure = asyncio.run(answer_of(f"localhost:{address.rpartition(':')[2]}"))
    assert failure.kind == "refused"


def test_a_full_backlog_times_out():
    failure = kind_at(blackhole(), timeout=0.5)
    assert failure.kind == "timeout"
    assert "0.5 s" in failure.message


def test_a_server_that_accepts_and_keeps_silent_times_out():
    assert kind_at(byte_server(None), timeout=0.5).kind == "timeout"


def test_a_grpc_server_that_hangs_in_the_call_times_out():
    async def hang(context):
        await asyncio.Event().wait()

    assert kind_at(grpc_server({STATE: hang}), timeout=0.5).kind == "timeout"


def test_a_name_without_address_is_unresolved():
    failure = asyncio.run(answer_of("no-such-host.invalid:17912"))
    assert failure.kind == "unresolved"


def test_a_tls_server_asked_in_plaintext_is_a_tls_failure(certificate):
    failure = kind_at(grpc_server({STATE: b""}, certificate))
    assert failure.kind == "tls"
    assert "asked without" in failure.message


def test_a_plaintext_server_asked_with_tls_is_a_tls_failure(certificate):
    assert kind_at(grpc_server({STATE: b""}), tls=True, ca=certificate.pem.decode()).kind == "tls"


def test_an_unknown_ca_is_a_tls_failure(certificate, other):
    failure = kind_at(grpc_server({STATE: b""}, certificate), tls=True, ca=other.pem.decode())
    assert failure.kind == "tls"
    assert "not trusted" in failure.message


def test_a_certificate_for_another_name_is_a_tls_failure_unless_that_name_is_expected(other):
    async def run(**terms):
        async with grpc_server({STATE: b""}, other) as address:
            return await answer_of(address, tls=True, ca=other.pem.decode(), **terms)

    assert asyncio.run(run()).kind == "tls"
    assert asyncio.run(run(tls_server_name="db.example.org")) == View()


def test_a_web_server_with_tls_is_not_banyandb(certificate):
    web = byte_server(http_answer("400 Bad Request"), certificate)
    assert kind_at(web, tls=True, ca=certificate.pem.decode()).kind == "not_banyandb"


def test_missing_or_wrong_credentials_are_an_auth_failure_and_right_ones_pass():
    def guarded(context):
        sent = dict(context.invocation_metadata())
        if (sent.get("username"), sent.get("password")) == ("admin", "right"):
            return b""
        return grpc.StatusCode.UNAUTHENTICATED, "Invalid credentials"

    async def run(**terms):
        async with grpc_server({STATE: guarded}) as address:
            return await answer_of(address, **terms)

    assert asyncio.run(run()).kind == "auth"
    assert asyncio.run(run(username="admin", password="wrong")).kind == "auth"
    assert asyncio.run(run(username="admin", password="right")) == View()


def test_a_port_without_the_service_is_unimplemented():
    failure = kind_at(grpc_server(recorded("data-schema")))
    assert failure.kind == "unimplemented"
    assert "unknown service" in failure.message


@pytest.mark.parametrize(
    "said",
    [http_answer("400 Bad Request"), b"SSH-2.0-OpenSSH_9.2\r\n", b"no\n"],
    ids=["http1", "ssh", "short"],
)
def test_a_server_of_another_protocol_is_not_banyandb(said):
    assert kind_at(byte_server(said)).kind == "not_banyandb"


def test_a_web_server_that_hangs_on_a_tls_hello_is_not_banyandb():
    web = byte_server(lambda asked: http_answer("400 Bad Request") if asked.startswith(b"PRI ") else None)
    assert kind_at(web).kind == "not_banyandb"


def test_a_port_that_closes_without_a_word_is_unavailable():
    failure = kind_at(byte_server(b""))
    assert failure.kind == "unavailable"
    assert "without a word" in failure.message


def test_a_grpc_server_that_answers_garbage_is_not_banyandb():
    failure = kind_at(grpc_server({STATE: b"\xff\xff\xff"}))
    assert failure.kind == "not_banyandb"
    assert STATE in failure.message


HEADERS = [(":status", "200"), ("content-type", "application/grpc")]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([[(":status", "404"), ("content-type", "text/html")]], "answers HTTP/2, but not as gRPC does"),
        ([HEADERS, [("grpc-status", "0")]], f"the answer to {STATE} has no message"),
        ([[*HEADERS, ("grpc-status", "0")]], f"the answer to {STATE} has no message"),
    ],
    ids=["a web page", "success without a message", "success in the first headers"],
)
def test_an_http2_server_that_is_no_grpc_server_is_not_banyandb(answers, said):
    async def serve(reader, writer):
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    for fields in answers:
                        connection.send_headers(event.stream_id, fields, end_stream=fields is answers[-1])
            writer.write(connection.data_to_send())
        writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await answer_of(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")

    failure = asyncio.run(run())
    assert failure.kind == "not_banyandb" and said in failure.message


def test_another_error_of_the_server_is_unavailable_and_carries_its_words():
    failure = kind_at(grpc_server({STATE: (grpc.StatusCode.INTERNAL, "disk on fire")}))
    assert failure.kind == "unavailable"
    assert "INTERNAL: disk on fire" in failure.message


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL"])
def test_only_unavailable_is_asked_again(code):
    calls = []

    def answer(context):
        calls.append(code)
        return b"" if len(calls) == 3 else (grpc.StatusCode[code], "not now")

    async def run():
        async with grpc_server({STATE: answer}) as address:
            return await answer_of(address, retries=2)

    result = asyncio.run(run())
    if code == "UNAVAILABLE":
        assert (result, len(calls)) == (View(), 3)
    else:
        assert (result.kind, len(calls)) == ("unavailable", 1)


def test_a_server_that_starts_listening_between_two_tries_is_reached():
    async def run():
        with closed_port() as address:
            pass
        asked = asyncio.create_task(answer_of(address, retries=8))
        # The first try ends at once at a closed port; the server starts after it.
        await asyncio.wait({asked}, timeout=0.2)
        assert not asked.done()
        async with grpc_server({STATE: b""}, port=int(address.rpartition(":")[2])):
            return await asked

    assert asyncio.run(run()) == View()


def test_every_endpoint_has_its_own_answer_in_the_order_asked():
    async def run():
        async with grpc_server(recorded("data")) as data, grpc_server(recorded("liaison-public")) as liaison:
            with closed_port() as closed:
                endpoints = {"down": closed, "liaison": liaison, "data": data}
                methods = [state_method(), method("banyandb.common.v1.Service/GetAPIVersion")]
                return await ask(endpoints, methods, Terms(**QUICK))

    answers = asyncio.run(run())
    assert list(answers) == ["down", "liaison", "data"]
    assert [answer.kind for answer in answers["down"]] == ["refused", "refused"]
    assert set(answers["liaison"][0].tables) == {"tire1", "tire2"}
    assert answers["liaison"][1].version.version == "0.10"
    assert set(answers["data"][0].tables) == {"property"}
    assert answers["data"][1].kind == "unimplemented"
    assert VERSION in answers["data"][1].message


def test_no_more_endpoints_are_asked_at_a_time_than_allowed():
    running, most = 0, 0

    async def answer(context):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return b""

    async def run():
        async with grpc_server({STATE: answer}) as address:
            return await ask({str(n): address for n in range(12)}, [state_method()], Terms(**QUICK, concurrency=3))

    assert list(asyncio.run(run()).values()) == [(View(),)] * 12
    assert most == 3


def test_the_deadline_of_all_ends_even_many_silent_endpoints():
    async def run():
        async with byte_server(None) as silent:
            terms = Terms(timeout=0.4, deadline=1.0, concurrency=2, retries=5)
            return await ask({str(n): silent for n in range(40)}, [state_method()], terms)

    answers = asyncio.run(run())
    assert {answer.kind for (answer,) in answers.values()} == {"timeout"}
    assert "not asked within the 1 s for all endpoints" in answers["39"][0].message


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with closed_port() as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")

        async def run():
            async with grpc_server({STATE: b""}) as address:
                return await answer_of(address)

        assert asyncio.run(run()) == View()


def test_no_endpoints_give_no_answers():
    assert grpc_client.ask_all({}, [state_method()], Terms()) == {}


def test_all_connections_are_closed_afterwards():
    async def run():
        async with grpc_server({STATE: b""}) as address:
            port = int(address.rpartition(":")[2])
            answers = await ask({str(n): address for n in range(10)}, [state_method()], Terms(**QUICK))
            assert len(answers) == 10
            ends = time.monotonic() + 60
            while established(port) and time.monotonic() < ends:
                await asyncio.sleep(0.01)
            return established(port)

    assert asyncio.run(run()) == []


def established(port):
    """Return the lines of the kernel's table of established connections with this local port."""
    with open("/proc/self/net/tcp") as table:
        return [line for line in table if f":{port:04X} " in line and line.split()[3] == "01"]


def looked_at(monkeypatch, peer, host="both.example", before=(), **given):
    """Return the diagnosis for a ``host`` with the addresses ``before``, followed by the address of ``peer``."""

    async def run():
        async with peer as address:
            places = [(place.partition(":")[0], int(place.partition(":")[2])) for place in (*before, address)]
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            return await diagnose(f"{host}:17912", given.get("context"), "", 60.0, "what gRPC said")

    return asyncio.run(run())


def test_a_look_at_a_port_is_not_delayed_by_another_address_that_is_silent(monkeypatch):
    with blackhole() as silent, closed_port() as closed:
        failure = looked_at(monkeypatch, grpc_server({}), before=(silent, closed))
    assert (failure.kind, "what gRPC said" in failure.message) == ("unavailable", True)


def test_a_look_at_a_port_with_tls_takes_no_dot_into_the_certificates_name(monkeypatch, tmp_path):
    named = Certificate(tmp_path, name="both.example", address=None)
    context = Terms(tls=True, ca=named.pem.decode()).ssl_context()
    context.set_alpn_protocols(["h2"])
    failure = looked_at(monkeypatch, grpc_server({}, named), host="both.example.", context=context)
    assert (failure.kind, "what gRPC said" in failure.message) == ("unavailable", True)


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        *(({name: value}, name) for name in ("timeout", "deadline") for value in (float("inf"), float("nan"), 1e300)),
        ({"retries": 10**9}, "retries"),
        ({"concurrency": 10**9}, "concurrency"),
        ({"timeout": 0}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"retries": -1}, "retries"),
        ({"concurrency": 0}, "concurrency"),
        ({"tls": True}, "ca_path"),
        ({"tls": True, "ca": "no certificate"}, "ca_path"),
        ({"username": "a:b"}, "username"),
        ({"username": "a", "password": "pässword"}, "password"),
        ({"username": "a", "password": "x\ny"}, "password"),
    ],
)
def test_unusable_terms_are_refused(terms, named):
    with pytest.raises(TermsError, match=named):
        Terms(**terms)


def test_the_module_imports_without_grpcio_and_says_what_failed(monkeypatch):
    for name in [name for name in sys.modules if name == "grpc" or name.startswith("grpc.")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert "grpc" in runpy.run_path(grpc_client.__file__)["GRPC_IMPORT_ERROR"]
