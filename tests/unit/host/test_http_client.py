# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client against real sockets: the same names of failures as the gRPC client."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient, health, state, states, write_streams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms, TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    Certificate,
    blackhole,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
)

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
QUICK = {"timeout": 2.0, "retries": 0}
EMPTY = http_answer("200 OK", b'{"routeTables": {}}')


def asked(peer, ask=state, **terms):
    """Return the result of ``ask`` for ``peer``, an (async) context manager that yields an address. A failure names the address."""

    async def run():
        if hasattr(peer, "__aenter__"):
            async with peer as address:
                return address, await asyncio.to_thread(ask, address, Terms(**{**QUICK, **terms}))
        with peer as address:
            return address, await asyncio.to_thread(ask, address, Terms(**{**QUICK, **terms}))

    address, answer = asyncio.run(run())
    assert not isinstance(answer, Failure) or answer.message.startswith(f"{address}: ")
    return answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("other"), name="db.example.org", address=None)


@pytest.mark.parametrize("port", ["data-17913", "liaison-17913", "liaison-18913"])
def test_a_recorded_answer_becomes_a_view(port):
    body = (RECORDED / f"cluster-state-{port}.json").read_bytes()
    assert asked(byte_server(http_answer("200 OK", body))) == View.from_mapping(json.loads(body))


def test_a_question_is_of_http_1_0_which_has_no_chunks():
    requests = []

    def answer(request):
        requests.append(request)
        return b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"routeT\r\nb\r\nables": {}}\r\n0\r\n\r\n'

    failure = asked(byte_server(answer))
    assert requests[0].startswith(b"GET /api/v1/cluster/state HTTP/1.0\r\n")
    assert (failure.kind, "a transfer encoding" in failure.message) == ("not_banyandb", True)


@pytest.mark.parametrize("headers", [b"", b"content-length:19", b"CONTENT-LENGTH : 19 "])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_an_answer_ends_at_its_length_or_with_its_connection(headers, newline):
    lines = [b"HTTP/1.0 200 OK", *filter(None, [headers]), b"", b'{"routeTables": {}}']
    assert asked(byte_server(newline.join(lines))) == View()


def test_an_answer_that_ends_too_early_says_how_much_was_to_come():
    failure = asked(byte_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"))
    assert failure.kind == "unavailable"
    assert "the connection was lost with 3 bytes to come" in failure.message


def test_a_connection_that_is_lost_within_the_headers_may_be_asked_again():
    failure = asked(byte_server(b"HTTP/1.1 200 OK\r\nContent-Le"))
    assert (failure.kind, failure.passing, "lost within the headers" in failure.message) == ("unavailable", True, True)


@pytest.mark.parametrize("length", [b"-1", b"x", b"", b"9" * 4200], ids=["negative", "a letter", "none", "4,200 digits"])
def test_a_length_that_is_none_is_broken_http_in_few_words(length):
    failure = asked(byte_server(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n{}"))
    assert (failure.kind, "the Content-Length" in failure.message, len(failure.message) < 500) == ("not_banyandb", True, True)


@pytest.mark.parametrize("body", [b"SERVING", b'{"status":"SERVING"}', b'{"status": "SERVING"}\n'])
def test_health_is_read_as_a_word_and_as_json(body):
    assert asked(byte_server(http_answer("200 OK", body)), ask=health) == "SERVING"


@pytest.mark.parametrize("body", [b"<html>fine</html>", b"{}", b'{"status": 1}', b"{", b"\xff"])
def test_another_answer_about_health_is_not_banyandb(body):
    assert asked(byte_server(http_answer("200 OK", body)), ask=health).kind == "not_banyandb"


def test_metrics_are_read_and_bytes_that_are_no_text_are_not_banyandb():
    page = b'banyandb_liaison_grpc_total_stream_started{method="write",service="trace"} 3\n'
    assert asked(byte_server(http_answer("200 OK", page)), ask=write_streams) == WriteStreams(3, 0)
    assert asked(byte_server(http_answer("200 OK", b"\xff")), ask=write_streams).kind == "not_banyandb"


def test_a_closed_port_is_refused():
    assert asked(closed_port()).kind == "refused"


def test_a_full_backlog_times_out():
    failure = asked(blackhole(), timeout=0.3)
    assert failure.kind == "timeout"
    assert "0.3 s" in failure.message


def test_a_server_that_accepts_and_keeps_silent_times_out():
    assert asked(byte_server(None), timeout=0.3).kind == "timeout"


def test_a_server_that_drips_is_cut_off_at_the_time_out():
    async def run():
        async def drip(reader, writer):
            try:
                for byte in EMPTY:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.1)
            except ConnectionError:
                pass  # expected: the client has closed the connection
            writer.close()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await asyncio.to_thread(state, address, Terms(timeout=0.5, retries=0))

    assert asyncio.run(run()).kind == "timeout"  # the complete answer would take more than 4 s


def test_a_name_without_address_is_unresolved():
    assert state("no-such-host.invalid:17913", Terms(**QUICK)).kind == "unresolved"


def test_a_tls_server_asked_in_plaintext_is_a_tls_failure(certificate):
    failure = asked(byte_server(EMPTY, certificate))
    assert failure.kind == "tls"
    assert "asked without" in failure.message


def test_a_plaintext_server_asked_with_tls_is_a_tls_failure(certificate):
    assert asked(byte_server(EMPTY), tls=True, ca=certificate.pem.decode()).kind == "tls"


def test_an_unknown_ca_is_a_tls_failure(certificate, other):
    failure = asked(byte_server(EMPTY, certificate), tls=True, ca=other.pem.decode())
    assert failure.kind == "tls"
    assert "not trusted" in failure.message


def test_the_right_ca_passes(certificate):
    assert asked(byte_server(EMPTY, certificate), tls=True, ca=certificate.pem.decode()) == View()


def test_a_certificate_for_another_name_is_a_tls_failure_unless_that_name_is_expected(other):
    ca = other.pem.decode()
    assert asked(byte_server(EMPTY, other), tls=True, ca=ca).kind == "tls"
    assert asked(byte_server(EMPTY, other), tls=True, ca=ca, tls_server_name="db.example.org") == View()


def test_missing_or_wrong_credentials_are_an_auth_failure_and_right_ones_pass():
    right = base64.b64encode(b"admin:right")

    def guarded(request):
        return EMPTY if b"Authorization: Basic " + right in request else http_answer("401 Unauthorized")

    assert asked(byte_server(guarded)).kind == "auth"
    assert asked(byte_server(guarded), username="admin", password="wrong").kind == "auth"
    assert asked(byte_server(guarded), username="admin", password="right") == View()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("501 Not Implemented", b"", "unimplemented"),
        ("404 Not Found", b'{"code": 5, "message": "Not Found", "details": []}', "unimplemented"),
        ("404 Not Found", b"<html>", "not_banyandb"),
        ("302 Found", b"", "not_banyandb"),
        ("200 OK", b"<html>", "not_banyandb"),
        ("200 OK", b"[]", "not_banyandb"),
        ("200 OK", b'{"routeTables": []}', "not_banyandb"),
        ("200 OK", b"[" * 100_000, "not_banyandb"),
        ("200 OK", b"\xff", "not_banyandb"),
        ("500 Internal Server Error", b"", "unavailable"),
        ("503 Service Unavailable", b"", "unavailable"),
    ],
)
def test_what_other_answers_are_called(status, body, kind):
    assert asked(byte_server(http_answer(status, body))).kind == kind


def test_the_503_of_a_data_node_with_tls_says_to_ask_grpc():
    assert "ask its gRPC port" in asked(byte_server(http_answer("503 Service Unavailable"))).message


def test_a_grpc_port_is_not_the_http_port():
    failure = asked(grpc_server({}))
    assert failure.kind == "not_banyandb"
    assert "17913" in failure.message


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 what?\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000])
def test_a_server_of_another_protocol_is_not_banyandb(said):
    assert asked(byte_server(said)).kind == "not_banyandb"


def test_a_web_server_that_hangs_on_a_tls_hello_is_not_banyandb():
    web = byte_server(lambda asked: http_answer("400 Bad Request") if asked.startswith(b"GET ") else None)
    assert asked(web, timeout=0.5).kind == "not_banyandb"


def test_a_port_that_closes_without_a_word_is_unavailable():
    assert asked(byte_server(b"")).kind == "unavailable"


def test_an_answer_cut_short_is_unavailable():
    assert asked(byte_server(EMPTY[:-3])).kind == "unavailable"


def test_an_endless_answer_is_cut_off_at_the_size_limit(monkeypatch):
    monkeypatch.setattr(http_client, "MAX_BYTES", 1000)
    failure = asked(byte_server(http_answer("200 OK", b" " * 1001)))
    assert failure.kind == "not_banyandb"
    assert "1000 bytes" in failure.message


@pytest.mark.parametrize(("status", "calls"), [("503 Service Unavailable", 3), ("500 Internal Server Error", 1)])
def test_only_what_may_pass_is_asked_again(status, calls):
    requests = []

    def answer(request):
        requests.append(request)
        return EMPTY if len(requests) == 3 else http_answer(status)

    asked(byte_server(answer), retries=2)
    assert len(requests) == calls


def test_every_endpoint_has_its_own_answer_in_the_order_asked():
    async def run():
        async with byte_server(EMPTY) as up, byte_server(None) as silent:
            with closed_port() as closed:
                endpoints = {"down": closed, "up": up, "silent": silent}
                return await asyncio.to_thread(states, endpoints, Terms(timeout=0.3, retries=0))

    answers = asyncio.run(run())
    assert list(answers) == ["down", "up", "silent"]
    assert [answers["down"].kind, answers["up"], answers["silent"].kind] == ["refused", View(), "timeout"]


def test_the_deadline_of_all_ends_even_many_silent_endpoints():
    async def run():
        async with AsyncExitStack() as peers:
            endpoints = {str(n): await peers.enter_async_context(byte_server(None)) for n in range(20)}
            terms = Terms(timeout=0.4, deadline=1.0, concurrency=1, retries=5)
            return await asyncio.to_thread(states, {**endpoints, "again": endpoints["0"]}, terms)

    answers = asyncio.run(run())
    assert {answer.kind for answer in answers.values()} == {"timeout"}
    assert sum("not asked within the 1 s for all endpoints" in answer.message for answer in answers.values()) >= 15
    assert answers["again"] == answers["0"]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with closed_port() as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        assert asked(byte_server(EMPTY)) == View()


def test_a_client_of_one_url_asks_for_view_and_health(certificate):
    def answer(request):
        return EMPTY if request.startswith(b"GET /api/v1/cluster/state ") else http_answer("200 OK", b"SERVING")

    async def run(scheme, **terms):
        async with byte_server(answer, certificate if scheme == "https" else None) as address:
            client = HttpClient(f"{scheme}://{address}", **terms)
            return await asyncio.to_thread(client.cluster_state), await asyncio.to_thread(client.health)

    assert asyncio.run(run("http")) == (View(), "SERVING")
    assert asyncio.run(run("https", ca_path=str(certificate.path))) == (View(), "SERVING")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("127.0.0.1:17913", "http://host:port"),
        ("ftp://127.0.0.1:17913", "http://host:port"),
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://127.0.0.1:17913/api", "17913/api"),
        ("https://127.0.0.1:17913", "ca_path"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused(url, named):
    with pytest.raises(TermsError, match=named):
        HttpClient(url)


def test_a_ca_file_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "text").write_text("no certificate")
    for name, said in (("none", "No such file"), ("binary", "PEM"), ("text", "PEM")):
        with pytest.raises(TermsError, match=said):
            HttpClient("https://127.0.0.1:17913", ca_path=str(tmp_path / name))


@pytest.mark.parametrize(
    ("start", "tail", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536, "more than 100000 bytes"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", "a head of more than 65536 bytes"),
        (b"HTTP/1.1 ", b"2", "the status line"),
    ],
    ids=["body", "headers", "status line"],
)
def test_an_answer_without_end_is_not_read_to_its_end(start, tail, said, monkeypatch):
    monkeypatch.setattr(http_client, "MAX_BYTES", 100_000)
    answer = asked(byte_server(start + tail * (20_000_000 // len(tail))), timeout=600.0)
    assert answer.kind == "not_banyandb"
    assert said in answer.message


# Hosts with several addresses


@pytest.fixture
def addresses(monkeypatch):
    """Return a function that gives a host name these addresses, ``host:port`` each. It ignores the requested port."""

    def have(*places):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port))) for host, _colon, port in (each.partition(":") for each in places)]
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: found if host.startswith("both.example") else real(host, *a, **k))

    return have


def test_an_address_that_is_silent_does_not_use_up_the_time_of_the_one_that_answers(addresses):
    async def run():
        async with byte_server(EMPTY) as good:
            with blackhole() as silent:
                addresses(silent, good)
                return await asyncio.to_thread(state, "both.example:17913", Terms(timeout=60.0, deadline=60.0, retries=0))

    assert asyncio.run(run()) == View()


def test_the_dot_behind_a_full_name_is_no_part_of_the_certificates_name(addresses, tmp_path):
    named = Certificate(tmp_path, name="both.example.org", address=None)

    async def run():
        async with byte_server(EMPTY, named) as good:
            addresses(good)
            return await asyncio.to_thread(state, "both.example.org.:17913", Terms(**QUICK, tls=True, ca=named.pem.decode()))

    assert asyncio.run(run()) == View()


def test_without_tls_neither_http_client_nor_ssl_is_imported():
    code = "import sys, {}.host.server.http_client as it; print(sorted({{'http.client', 'ssl'}} & set(sys.modules)))"
    words = [sys.executable, "-c", code.format("ansible_collections.skywalking.banyandb.plugins.module_utils")]
    done = subprocess.run(words, env={"PYTHONPATH": COLLECTIONS}, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
