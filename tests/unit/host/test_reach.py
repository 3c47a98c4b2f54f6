# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that count as responding, against real sockets: good servers, bad servers, and none."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.happy_eyeballs import connect
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import answering, answers
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.address_order import interleaved
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.tests.unit.following import SETTINGS, Network
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    Certificate,
    blackhole,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
    recorded,
)

Peer = AbstractAsyncContextManager[str]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("other"))


def answer(peer: Peer, ca: str = "", host: str = "127.0.0.1", timeout: float = 2.0) -> bool:
    async def run() -> bool:
        async with peer as address:
            node = Node("it", f"{host}:{address.rpartition(':')[2]}", bool(ca), ca)
            return await asyncio.to_thread(answers, node, timeout)

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_grpc_server_answers(host: str) -> None:
    assert answer(grpc_server(recorded("data")), host=host)


def test_a_grpc_server_that_knows_no_method_answers_too() -> None:
    """The server that gets the entry finds out the node at the address. Here a response is enough."""
    assert answer(grpc_server({}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_tls_server_answers_to_those_who_have_its_ca(certificate: Certificate, host: str) -> None:
    assert answer(grpc_server(recorded("data"), certificate), ca=str(certificate.path), host=host)


def test_the_dot_behind_a_full_name_is_no_part_of_the_certificates_name(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *given, **named: real(host.rstrip("."), *given, **named))
    assert answer(grpc_server(recorded("data"), certificate), ca=str(certificate.path), host="localhost.")


def test_a_tls_server_of_another_ca_is_not_responding(certificate: Certificate, other: Certificate) -> None:
    assert not answer(grpc_server(recorded("data"), certificate), ca=str(other.path))


def test_a_certificate_for_another_host_is_not_responding(tmp_path: Path) -> None:
    elsewhere = Certificate(tmp_path, name="elsewhere.example.org", address=None)
    assert not answer(grpc_server(recorded("data"), elsewhere), ca=str(elsewhere.path))


def test_tls_and_plain_are_not_responding_to_each_other(certificate: Certificate) -> None:
    assert not answer(grpc_server(recorded("data"), certificate), timeout=0.5)
    assert not answer(grpc_server(recorded("data")), ca=str(certificate.path), timeout=0.5)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_without_a_usable_ca_a_tls_server_is_not_responding(certificate: Certificate, tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    assert not answer(grpc_server(recorded("data"), certificate), ca=str(ca))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (SETTINGS, True),
        (bytes([0, 0, 6, 4, 0, 0, 0, 0, 0]) + bytes(6), True),
        (http_answer("400 Bad Request"), False),
        (http_answer("505 HTTP Version Not Supported", b"no"), False),
        (b"", False),
        (SETTINGS[:5], False),
        (bytes([0, 0, 0, 7, 0, 0, 0, 0, 0]), False),
        (bytes([0, 0, 0, 4, 0, 0, 0, 0, 1]), False),
        (b"220 mail.example.org ESMTP\r\n", False),
    ],
    ids=["empty settings", "settings", "400", "505", "closes", "half a frame", "goaway", "settings of a stream", "SMTP"],
)
def test_only_the_settings_frame_of_http2_is_an_answer(sent: bytes, expected: bool) -> None:
    assert answer(byte_server(sent)) is expected


def test_an_http1_server_over_tls_is_not_responding(certificate: Certificate) -> None:
    assert not answer(byte_server(http_answer("400 Bad Request"), certificate), ca=str(certificate.path))


def test_a_closed_port_is_known_at_once() -> None:
    with closed_port() as address:
        assert not answers(Node("it", address), 3600.0)


@pytest.mark.parametrize("peer", [lambda: byte_server(None), None], ids=["accepts and says nothing", "never accepts"])
def test_silence_is_waited_for_until_the_timeout(peer: Callable[[], Peer] | None) -> None:
    began = time.monotonic()
    if peer:
        assert not answer(peer(), timeout=0.5)
    else:
        with blackhole() as address:
            assert not answers(Node("it", address), 0.5)
    assert time.monotonic() - began >= 0.45


def test_an_answer_that_drips_is_not_waited_for_beyond_the_timeout() -> None:
    async def run() -> bool:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for byte in SETTINGS:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.2)

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        found = await asyncio.to_thread(answers, Node("it", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"), 0.5)
        server.close()
        return found

    assert not asyncio.run(run())  # the complete frame would take 1.8 s


def test_ipv6_is_tried_at_its_bracketed_address() -> None:
    async def run() -> bool:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(SETTINGS)

        server = await asyncio.start_server(serve, "::1", 0)
        found = await asyncio.to_thread(answers, Node("it", f"[::1]:{server.sockets[0].getsockname()[1]}"), 2.0)
        server.close()
        return found

    assert asyncio.run(run())


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_without_an_address_is_not_responding(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not answers(Node("it", "nowhere.invalid:17912"), 1.0)


# Hosts with several addresses


def addresses(monkeypatch: pytest.MonkeyPatch, *places: str) -> None:
    """Make the name ``both.example`` have these addresses, ``host:port`` each. The requested port does not count."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port))) for host, _colon, port in (place.partition(":") for place in places)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_an_address_that_is_silent_does_not_use_up_the_time_of_the_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with Network() as network, blackhole() as silent:
        addresses(monkeypatch, silent, silent, network.node("a").grpc_address)
        assert answers(Node("it", "both.example:17912"), 60.0)


def test_the_next_address_is_tried_at_once_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a delay between two attempts, forty refusals would take ten times the allowed time."""
    with Network() as network, closed_port() as closed:
        addresses(monkeypatch, *[closed] * 40, network.node("a").grpc_address)
        assert answers(Node("it", "both.example:17912"), 1.0)


def test_a_refusal_says_more_than_the_silence_of_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with blackhole() as silent, closed_port() as closed:
        addresses(monkeypatch, silent, closed)
        with pytest.raises(ConnectionRefusedError):
            connect("both.example", 17912, time.monotonic() + 1.0)
        addresses(monkeypatch, silent, silent)
        with pytest.raises(socket.timeout):
            connect("both.example", 17912, time.monotonic() + 0.6)


def test_attempts_that_lose_leave_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Counted(socket.socket):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            if "fileno" not in named:  # the connecting socket, not a server's accepted socket
                made.append(self)

    with Network() as network, blackhole() as silent, closed_port() as closed:
        addresses(monkeypatch, silent, closed, network.node("a").grpc_address)
        monkeypatch.setattr("socket.socket", Counted)
        with connect("both.example", 17912, time.monotonic() + 60.0) as winner:
            assert len(made) == 3
            assert [each for each in made if each.fileno() >= 0] == [winner]


def test_address_families_take_turns_and_keep_their_order() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    assert interleaved([(six, 1), (six, 2), (six, 3), (four, 4)]) == [(six, 1), (four, 4), (six, 2), (six, 3)]
    assert interleaved([(four, 1), (four, 2), (six, 3), (six, 4)]) == [(four, 1), (six, 3), (four, 2), (six, 4)]
    assert interleaved([]) == []


# Many at once


def test_only_those_that_answer_are_found_by_address() -> None:
    with Network() as network, closed_port() as closed:
        a, b = network.node("a"), network.node("b")
        upper = Node("c", a.grpc_address.replace("127.0.0.1", "LOCALHOST"))
        assert answering([a, b, Node("d", closed), upper, Node("again", b.grpc_address)], 2.0) == {
            a.grpc_address,
            b.grpc_address,
            upper.grpc_address,
        }


def test_no_addresses_need_no_question() -> None:
    assert answering([], 5.0) == set()


def test_fifty_addresses_are_asked_side_by_side() -> None:
    """Each server waits until all of them got a question."""
    asked, together = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readexactly(1)
        asked += 1
        if asked == 50:
            together.set()
        await together.wait()
        writer.write(SETTINGS)
        writer.close()

    async def run() -> tuple[set[str], set[str]]:
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0)) for _ in range(50)]
            addresses = {f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers}
            return addresses, await asyncio.to_thread(answering, [Node(address, address) for address in addresses], 600.0)

    addresses, found = asyncio.run(run())
    assert found == addresses


def test_more_addresses_than_workers_are_all_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "WORKERS", 2)
    with Network() as network, ExitStack() as stack:
        silent = [Node("silent", stack.enter_context(blackhole())) for _ in range(4)]
        good = [network.node(name) for name in "abc"]
        assert answering([*silent, *good], 0.3) == {node.grpc_address for node in good}


def test_a_name_look_up_that_hangs_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real, over = socket.getaddrinfo, threading.Event()

    def slow(host: str, *given: Any, **named: Any) -> Any:
        if host == "slow.invalid":
            over.wait()  # a silent nameserver; the C library cannot be interrupted either
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with Network() as network:
        good = network.node("a")
        try:
            assert answering([Node("slow", "slow.invalid:1"), good], 0.5) == {good.grpc_address}
        finally:
            over.set()
