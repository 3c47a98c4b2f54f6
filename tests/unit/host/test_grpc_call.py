# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unary calls with the standard library: every detail of HTTP/2 with a server that sends given frames, and calls of gRPC's own server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import grpc
import hpack
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import Method
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import happy_eyeballs
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_call import LARGEST, call
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure, Terms
from ansible_collections.skywalking.banyandb.tests.unit.http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    OK,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WELL,
    WINDOW_UPDATE,
    answer,
    block,
    frame,
    headers,
    http2_server,
    message,
    settings,
    trailers,
)
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS
from ansible_collections.skywalking.banyandb.tests.unit.peers import Certificate, blackhole, byte_server, closed_port, grpc_server, http_answer

METHOD = "a.Service/Ask"
WINDOW = 1024 * 1024


def asked(peer, *questions, timeout=10.0, **given):
    """Return the answers, or the failure, of a peer that yields its address. Without ``questions`` the client asks one question."""

    async def run():
        if hasattr(peer, "__aenter__"):
            async with peer as address:
                return address, await asyncio.to_thread(call, Node("it", address), asks, timeout, **given)
        with peer as address:
            return address, await asyncio.to_thread(call, Node("it", address), asks, timeout, **given)

    asks = [(METHOD, question) for question in questions or (b"?",)]
    address, found = asyncio.run(run())
    if isinstance(found, Failure):
        assert found.message.startswith(f"{address}: ") and found.message.endswith(REMEDY[found.kind])
        assert found.message.isprintable() and len(found.message) < 400
    return found


def saying(*parts):
    """Return a server that sends its SETTINGS, reads one request, sends ``parts`` and closes the connection."""

    def script(peer):
        peer.send(settings())
        peer.request()
        peer.send(*parts)

    return http2_server(script)


# ---- requests


def test_a_request_has_the_headers_that_grpc_demands():
    seen = []

    def script(peer):
        peer.send(settings())
        seen.append(peer.headers())
        peer.until(DATA, END_STREAM)
        peer.send(answer(b"!"))

    with http2_server(script) as address:
        assert call(Node("it", address), [(METHOD, b"?")], 20.0, (("username", "admin"), ("password", "a b"))) == [b"!"]
    (fields,) = seen
    timeout = dict(fields).pop("grpc-timeout")
    assert timeout.endswith("m") and 19_000 < int(timeout[:-1]) <= 20_000
    assert [field for field in fields if field[0] != "grpc-timeout"] == [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/{METHOD}"),
        (":authority", address),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("username", "admin"),
        ("password", "a b"),
    ]


def test_a_credential_is_a_field_that_no_table_stores():
    blocks = []

    def script(peer):
        peer.send(settings())
        for stream in (1, 3):
            blocks.append(peer.until(HEADERS))
            peer.until(DATA, END_STREAM)
            peer.send(answer(b"!", stream))

    assert asked(http2_server(script), b"?", b"?", metadata=(("password", "secret"),)) == [b"!", b"!"]
    assert all(b"\x10\x08password\x06secret" in each for each in blocks)
    # The first block says that the client uses no dynamic table, as a server with another table size demands (RFC 7541, section 4.2).
    assert [each[:2] for each in blocks] == [b"\x20\x83", b"\x83\x86"]


@pytest.mark.parametrize("timeout", [0.0001, 86_400.0, 200_000.0])
def test_the_server_learns_the_time_that_is_left_in_8_digits(timeout):
    seen = []

    def script(peer):
        peer.send(settings())
        seen.append(dict(peer.headers())["grpc-timeout"])

    if timeout < 1:
        with http2_server(script) as address:
            assert call(Node("it", address), [(METHOD, b"?")], timeout).kind == "timeout"
    else:
        asked(http2_server(script), timeout=timeout)
        assert len(seen[0]) <= 9


@pytest.mark.parametrize(("size", "frames"), [(1, 1), (16_000, 1), (16_384, 2), (40_000, 3), (200_000, 13)])
def test_a_long_header_block_is_sent_in_continuation_frames(size, frames):
    seen = []

    def script(peer):
        peer.send(settings())
        fields = dict(peer.headers())
        seen.append((fields["long"], [each for each in peer.frames if each[0] in (HEADERS, CONTINUATION)]))
        peer.until(DATA, END_STREAM)
        peer.send(answer(b"!"))

    assert asked(http2_server(script), metadata=(("long", "x" * size),)) == [b"!"]
    ((value, sent),) = seen
    assert value == "x" * size
    assert [each[0] for each in sent] == [HEADERS] + [CONTINUATION] * (frames - 1)
    assert all(each[3] == 16_384 and not each[1] & END_HEADERS for each in sent[:-1]) and sent[-1][1] & END_HEADERS


def test_a_server_that_takes_larger_frames_gets_larger_frames():
    sizes = []

    def script(peer):
        peer.send(settings((0x5, 60_000)))
        for stream in (1, 3):
            peer.headers()
            peer.until(DATA, END_STREAM)
            sizes.append([each[3] for each in peer.frames if each[0] in (HEADERS, CONTINUATION, DATA)])
            peer.send(answer(b"!", stream))

    assert asked(http2_server(script), b"x" * 20_000, b"x" * 20_000, metadata=(("long", "x" * 50_000),)) == [b"!", b"!"]
    first, both = sizes
    assert max(first) == 16_384 and max(both) > 50_000 and both[-1] == 20_005


@pytest.mark.parametrize("length", [63, 126, 127, 128, 253])
def test_a_host_name_of_any_length_is_the_authority(length, monkeypatch):
    name = ("xy." * 90)[: length - 1] + "a"
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == name else host, *a, **k))
    seen = []

    def script(peer):
        peer.send(settings())
        seen.append(dict(peer.headers())[":authority"])

    with http2_server(script) as address:
        port = address.rpartition(":")[2]
        call(Node("it", f"{name}:{port}"), [(METHOD, b"?")], 5.0)
    assert seen == [f"{name}:{port}"]


def test_the_authority_of_an_ipv6_address_keeps_its_brackets(monkeypatch):
    monkeypatch.setattr(happy_eyeballs.socket, "getaddrinfo", loopback(happy_eyeballs.socket.getaddrinfo, "[::2]"))
    seen = []

    def script(peer):
        peer.send(settings())
        seen.append(dict(peer.headers())[":authority"])

    with http2_server(script) as address:
        port = address.rpartition(":")[2]
        call(Node("it", f"[::2]:{port}"), [(METHOD, b"?")], 5.0)
    assert seen == [f"[::2]:{port}"]


def loopback(real, name):
    """Return a getaddrinfo() that has 127.0.0.1 for ``name``."""
    return lambda host, *given, **named: real("127.0.0.1" if host == name.strip("[]") else host, *given, **named)


def test_a_request_waits_for_the_window_of_the_stream():
    windows = []

    def script(peer):
        peer.send(settings((0x4, 10)))
        peer.headers()
        peer.send(frame(PING, 0, 0, b"settings"))
        peer.until(PING, ACK)  # the client knows the window now, and may have sent 65,535 bytes before
        got = sum(each[3] for each in peer.frames if each[0] == DATA)
        windows.append(got)
        for _ in range(500):
            if got == 70_005:
                break
            peer.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1000)), frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1000)))
            credit = 10 + len(windows) * 1000
            while got < min(70_005, credit):
                got += len(peer.until(DATA))
            assert got <= max(credit, 65_535)
            windows.append(got)
        assert got == 70_005 and peer.frames[-1][1] & END_STREAM
        peer.send(answer(b"!"))

    assert asked(http2_server(script), b"x" * 70_000) == [b"!"]
    assert windows[0] <= 65_535 and windows[-1] == 70_005


def test_a_second_request_starts_with_the_window_of_the_settings():
    pieces = []

    def script(peer):
        peer.send(settings((0x4, 10)))
        peer.request()
        peer.send(answer(b"!"))
        peer.headers()
        peer.send(frame(PING, 0, 0, b"12345678"))
        while True:
            kind, flags, _stream, payload = peer.frame()
            if kind == PING and flags & ACK:
                break
            if kind == DATA:
                pieces.append(len(payload))
        peer.send(frame(WINDOW_UPDATE, 0, 3, struct.pack(">I", 100)))
        pieces.append(len(peer.until(DATA, END_STREAM)))
        peer.send(answer(b"!!", 3))

    assert asked(http2_server(script), b"?", b"x" * 20) == [b"!", b"!!"]
    assert pieces == [10, 15]


def test_a_request_waits_for_the_window_of_the_connection():
    seen = []

    def script(peer):
        peer.send(settings((0x4, 1 << 30)))
        peer.headers()
        got = 0
        while got < 65_535:
            got += len(peer.until(DATA))
        peer.send(frame(PING, 0, 0, b"12345678"))
        peer.until(PING, ACK)
        seen.append(sum(each[3] for each in peer.frames if each[0] == DATA))
        peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
        peer.until(DATA, END_STREAM)
        peer.send(answer(b"!"))

    assert asked(http2_server(script), b"x" * 100_000) == [b"!"]
    assert seen == [65_535]


def test_a_window_that_shrinks_below_zero_is_waited_for():
    pieces = []

    def script(peer):
        peer.send(settings())
        peer.headers()
        got = 0
        while got < 65_535:
            got += len(peer.until(DATA))
        peer.send(settings((0x4, 0)), frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))  # the stream's window is -65,535
        peer.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 65_535)), frame(PING, 0, 0, b"12345678"))
        peer.until(PING, ACK)
        pieces.append(sum(each[3] for each in peer.frames if each[0] == DATA))
        peer.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20)))
        peer.until(DATA, END_STREAM)
        peer.send(answer(b"!"))

    assert asked(http2_server(script), b"x" * 70_000) == [b"!"]
    assert pieces == [65_535]


def test_an_answer_may_come_before_the_end_of_the_question():
    resets = []

    def script(peer):
        peer.send(settings())
        peer.until(DATA)
        peer.send(answer(b"!"))
        resets.append((peer.until(RST_STREAM), peer.frames[-1][2]))
        peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
        peer.request()
        peer.send(answer(b"!!", 3))

    assert asked(http2_server(script), b"x" * 100_000, b"?") == [b"!", b"!!"]
    assert resets == [(struct.pack(">I", 8), 1)]


# ---- answers


@pytest.mark.parametrize(
    "parts",
    [
        [answer(b"well")],
        [headers(*OK), frame(DATA, 0, 1, message(b"well")[:2]), frame(DATA, 0, 1, message(b"well")[2:]), trailers(*WELL)],
        [headers(*OK), *(frame(DATA, 0, 1, bytes([octet])) for octet in message(b"well")), trailers(*WELL)],
        [headers(*OK), frame(DATA, PADDED, 1, b"\x03" + message(b"well") + bytes(3)), trailers(*WELL)],
        [headers(*OK), frame(DATA, PADDED, 1, b"\x00" + message(b"well")), frame(DATA, PADDED, 1, b"\x04" + bytes(4)), trailers(*WELL)],
        [frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05" + block(*OK) + bytes(5)), frame(DATA, 0, 1, message(b"well")), trailers(*WELL)],
        [frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, bytes(5) + block(*OK)), frame(DATA, 0, 1, message(b"well")), trailers(*WELL)],
        [
            frame(HEADERS, END_HEADERS | PADDED | HAS_PRIORITY, 1, b"\x01" + bytes(5) + block(*OK) + b"\0"),
            frame(DATA, 0, 1, message(b"well")),
            trailers(*WELL),
        ],
        [headers((":status", "103"), ("link", "x")), headers((":status", "100")), answer(b"well")],
        [frame(PRIORITY, 0, 1, bytes(5)), frame(99, 255, 77, b"unknown"), frame(SETTINGS, ACK), settings((99, 1), (0x3, 0)), answer(b"well")],
        [frame(PING, ACK, 0, bytes(8)), frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), frame(WINDOW_UPDATE, 0, 0, b"\x80\0\0\1"), answer(b"well")],
        [headers((":status", "200"), ("content-type", "application/grpc+proto")), answer(b"well")[len(headers(*OK)) :]],
        [headers((":status", "200"), ("content-type", "application/grpc;x=y")), answer(b"well")[len(headers(*OK)) :]],
        [frame(GOAWAY, 0, 0, struct.pack(">II", 1, 0)), answer(b"well")],
        [frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, 0)), answer(b"well")],
        [answer(b"well"), frame(RST_STREAM, 0, 1, bytes(4))],
        [  # windows of exactly the largest size, after 6 bytes that the client has sent
            *(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", (1 << 31) - 1 - 65_535 + 6)) for stream in (0, 1)),
            answer(b"well"),
        ],
        [settings((5, 16_384), (5, (1 << 24) - 1), (4, (1 << 31) - 1), (4, 65_535)), answer(b"well")],
    ],
)  # fmt: skip
def test_an_answer_in_any_form_is_read(parts):
    assert asked(saying(*parts)) == [b"well"]


def test_a_header_block_may_have_a_frame_for_each_octet_and_empty_frames():
    whole = block(*OK, *((f"name-{number}", "v" * 100) for number in range(20)))
    pieces = [frame(HEADERS, 0, 1, b""), *(frame(CONTINUATION, 0, 1, whole[at : at + 1]) for at in range(len(whole)))]
    assert asked(saying(*pieces, frame(CONTINUATION, END_HEADERS, 1), frame(DATA, 0, 1, message(b"well")), trailers(*WELL))) == [b"well"]


def test_the_table_of_the_server_holds_for_the_whole_connection():
    """The encoder of the server refers to fields of the blocks before, Huffman-coded as most servers send them."""

    def script(peer):
        encoder = hpack.Encoder()
        peer.send(settings())
        sizes = []
        for stream in (1, 3, 5):
            peer.request()
            first, last = encoder.encode([*OK, ("server", "some server")]), encoder.encode([*WELL, ("x-trailer", "some text")])
            sizes.append(len(first) + len(last))
            peer.send(frame(HEADERS, END_HEADERS, stream, first), frame(DATA, 0, stream, message(b"%d" % stream)))
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, last))
        assert sizes[1] < sizes[0] / 3

    assert asked(http2_server(script), b"?", b"?", b"?") == [b"1", b"3", b"5"]


def test_a_header_block_of_an_earlier_stream_counts_for_the_table():
    def script(peer):
        encoder = hpack.Encoder()
        peer.send(settings())
        peer.request()
        peer.send(frame(HEADERS, END_HEADERS, 1, encoder.encode(OK)), frame(DATA, 0, 1, message(b"1")))
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, encoder.encode(WELL)))
        peer.request()
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, encoder.encode([("late", "field")])), frame(DATA, 0, 1, b"late"))
        peer.send(frame(RST_STREAM, 0, 1, bytes(4)), frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"))
        peer.send(frame(HEADERS, END_HEADERS, 3, encoder.encode([*OK, ("late", "field")])), frame(DATA, 0, 3, message(b"3")))
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, encoder.encode(WELL)))

    assert asked(http2_server(script), b"?", b"?") == [b"1", b"3"]


def test_settings_and_pings_are_acknowledged():
    seen = []

    def script(peer):
        peer.send(settings((0x3, 100)))
        peer.request()
        peer.send(frame(PING, 0, 0, b"12345678"))
        seen.append(peer.until(PING, ACK))
        seen.append([each for each in peer.frames if each[0] == SETTINGS])
        peer.send(answer(b"!"))

    assert asked(http2_server(script)) == [b"!"]
    assert seen[0] == b"12345678"
    assert [(kind, flags, stream) for kind, flags, stream, _size in seen[1]] == [(SETTINGS, 0, 0), (SETTINGS, ACK, 0)]


def test_the_client_announces_its_limits_and_gives_the_window_again():
    """A server that obeys the windows sends 5 MB, and waits when a window is empty."""
    waits, peak = [], []

    def script(peer):
        peer.send(settings())
        assert dict(struct.iter_unpack(">HI", peer.until(SETTINGS))) == {0x2: 0, 0x4: WINDOW, 0x6: 65_536}
        windows = {0: 65_535 + struct.unpack(">I", peer.until(WINDOW_UPDATE))[0], 1: WINDOW}
        assert windows[0] == WINDOW
        peer.request()
        rest = message(b"x" * 5_000_000)
        peer.send(headers(*OK))
        while rest:
            piece = rest[: min(16_384, *windows.values())]
            if piece:
                rest = rest[len(piece) :]
                windows = {stream: window - len(piece) for stream, window in windows.items()}
                peer.send(frame(DATA, 0, 1, piece))
                continue
            waits.append(len(rest))
            kind, _flags, stream, payload = peer.frame()
            if kind == WINDOW_UPDATE:
                windows[stream] += struct.unpack(">I", payload)[0]
                peak.append(windows[stream])
        peer.send(trailers(*WELL))

    assert asked(http2_server(script), timeout=30.0) == [b"x" * 5_000_000]
    assert waits and max(peak) <= WINDOW


# ---- failures that the server reports


STATUS_KINDS = {
    1: "unavailable", 2: "unavailable", 3: "unavailable", 4: "timeout", 5: "unavailable", 6: "unavailable", 7: "auth", 8: "unavailable",
    9: "unavailable", 10: "unavailable", 11: "unavailable", 12: "unimplemented", 13: "unavailable", 14: "unavailable", 15: "unavailable",
    16: "auth",
}  # fmt: skip


@pytest.mark.parametrize("code", STATUS_KINDS)
@pytest.mark.parametrize("form", ["trailers only", "after headers", "after a message"])
def test_a_status_becomes_a_kind_and_its_message_stays(code, form):
    status = (("grpc-status", str(code)), ("grpc-message", "what 50%25 of%20them %E5%90%8D say"))
    parts = {
        "trailers only": [trailers(*OK, *status)],
        "after headers": [headers(*OK), trailers(*status)],
        "after a message": [headers(*OK), frame(DATA, 0, 1, message(b"x")), trailers(*status)],
    }[form]
    failure = asked(saying(*parts))
    name = next(each.name for each in grpc.StatusCode if each.value[0] == code)
    assert (failure.kind, failure.passing) == (STATUS_KINDS[code], name == "UNAVAILABLE")
    assert f"Service/Ask failed with {name}: what 50% of them 名 say" in failure.message


@pytest.mark.parametrize("code", ["17", "99", "100", "x", "", "-1", "1" * 5000])
def test_an_unknown_status_is_the_status_unknown(code):
    failure = asked(saying(trailers(*OK, ("grpc-status", code))))
    assert failure.kind == "unavailable" and "failed with UNKNOWN" in failure.message


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("", "INTERNAL; "),
        ("%zz %4 %", "INTERNAL: %zz %4 %; "),
        ("%ff%C3", "INTERNAL: \ufffd\ufffd; "),
        ("a%0Ab%1B[31m%00c", "INTERNAL: a b [31m c; "),
        ("x" * 5000, f"INTERNAL: {'x' * 77}...; "),
        ("%f0%9f%98%80" * 3, "INTERNAL: 😀😀😀; "),
    ],
)
def test_a_message_of_the_server_is_one_short_line(sent, shown):
    failure = asked(saying(headers(*OK), trailers(("grpc-status", "13"), ("grpc-message", sent))))
    assert f"failed with {shown}" in failure.message


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ([(":status", "404"), ("content-type", "text/html")], "not_banyandb", "HTTP status 404, content-type 'text/html'"),
        ([(":status", "200"), ("content-type", "text/html")], "not_banyandb", "HTTP status 200, content-type 'text/html'"),
        ([(":status", "200"), ("content-type", "application/grpc-web")], "not_banyandb", "not as gRPC does"),
        ([(":status", "200")], "not_banyandb", "content-type ''"),
        ([(":status", "403")], "not_banyandb", "HTTP status 403"),
        ([(":status", "500")], "not_banyandb", "HTTP status 500"),
        ([(":status", "503")], "unavailable", "HTTP status 503"),
        ([(":status", "429")], "unavailable", "HTTP status 429"),
        ([(":status", "404"), ("grpc-status", "12")], "unimplemented", "failed with UNIMPLEMENTED"),
    ],
)
@pytest.mark.parametrize("ends", [True, False])
def test_an_http_status_other_than_200_is_named(fields, kind, said, ends):
    if ends:
        parts = [trailers(*fields)]
    else:
        parts = [headers(*fields), frame(DATA, 0, 1, b"<html>" if "grpc" not in str(fields[-1]) else b""), trailers(*fields[1:])]
    failure = asked(saying(*parts))
    assert (failure.kind, failure.passing) == (kind, kind == "unavailable") and said in failure.message


@pytest.mark.parametrize(
    ("parts", "kind", "said", "passing"),
    [
        ([headers(*OK), trailers(*WELL)], "unimplemented", "gave no message", False),
        ([trailers(*OK, *WELL)], "unimplemented", "gave no message", False),
        ([headers(*OK), frame(DATA, 0, 1, message(b"a") * 2), trailers(*WELL)], "not_banyandb", "more than one message", False),
        ([headers(*OK), frame(DATA, 0, 1, message(b"a")), frame(DATA, 0, 1, b"b"), trailers(*WELL)], "not_banyandb", "more than one", False),
        ([headers(*OK), frame(DATA, 0, 1, message(b"ab")[:-1]), trailers(*WELL)], "not_banyandb", "an incomplete message", False),
        ([headers(*OK), frame(DATA, 0, 1, b"\0\0\0"), trailers(*WELL)], "not_banyandb", "an incomplete message", False),
        ([headers(*OK), frame(DATA, 0, 1, message(b"a", compressed=1)), trailers(*WELL)], "not_banyandb", "a compressed message", False),
        ([headers(*OK), frame(DATA, 0, 1, b"\0\xff\xff\xff\xff")], "not_banyandb", "answers with 4294967295 bytes", False),
        ([headers(*OK), frame(DATA, END_STREAM, 1, message(b"a"))], "unavailable", "ended without a grpc-status", False),
        ([headers(*OK, *WELL), frame(DATA, END_STREAM, 1, message(b"a"))], "unavailable", "ended without a grpc-status", False),
        ([headers(*OK), frame(DATA, 0, 1, message(b"a")), trailers(("x", "y"))], "unavailable", "ended without a grpc-status", False),
        ([headers(*OK)], "unavailable", "closed the connection", True),
        ([answer(b"a")[:-1]], "unavailable", "closed the connection", True),
        ([frame(RST_STREAM, 0, 1, struct.pack(">I", 7))], "unavailable", "reset the stream with error 7", True),
        ([frame(RST_STREAM, 0, 1, struct.pack(">I", 2))], "unavailable", "reset the stream with error 2", False),
        ([headers(*OK), frame(RST_STREAM, 0, 1, struct.pack(">I", 0))], "unavailable", "reset the stream with error 0", False),
        ([frame(GOAWAY, 0, 0, struct.pack(">II", 0, 11) + b"too_many_pings")], "unavailable", "(error 11: too_many_pings)", True),
        ([frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))], "unavailable", "the server closes its connections (error 0)", True),
    ],
)
def test_an_answer_that_fails_is_named(parts, kind, said, passing):
    failure = asked(saying(*parts))
    assert (failure.kind, failure.passing, said in failure.message) == (kind, passing, True), failure


def test_a_server_that_goes_away_gets_no_further_question():
    def script(peer):
        peer.send(settings())
        peer.request()
        peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, 0)), answer(b"!"))
        with pytest.raises(EOFError):
            peer.until(HEADERS)

    failure = asked(http2_server(script), b"?", b"?")
    assert (failure.kind, failure.passing) == ("unavailable", True)


# ---- broken frames

BROKEN = {
    "a frame that is too long": [b"\0\x40\x01" + bytes([99, 0]) + bytes(4)],
    "a frame of type 0 on stream 0": [frame(DATA, 0, 0, b"x")],
    "a frame of type 1 on stream 0": [headers(*OK, stream=0)],
    "a frame of type 3 on stream 0": [frame(RST_STREAM, 0, 0, bytes(4))],
    "a frame of type 0 on stream 2": [frame(DATA, 0, 2, b"x")],
    "a frame of type 1 on stream 3": [headers(*OK, stream=3)],
    "a frame of type 2 on stream 5": [frame(PRIORITY, 0, 5, bytes(5))],
    "a frame of type 4 on stream 1": [frame(SETTINGS, 0, 1)],
    "a frame of type 6 on stream 1": [frame(PING, 0, 1, bytes(8))],
    "a frame of type 7 on stream 1": [frame(GOAWAY, 0, 1, bytes(8))],
    "a SETTINGS frame of 5 bytes": [frame(SETTINGS, 0, 0, bytes(5))],
    "a SETTINGS frame of 6 bytes": [frame(SETTINGS, ACK, 0, bytes(6))],
    "SETTINGS_MAX_FRAME_SIZE 16383": [settings((5, 16_383))],
    "SETTINGS_MAX_FRAME_SIZE 16777216": [settings((5, 1 << 24))],
    "a window that is too large": [settings((4, 1 << 31))],
    "a window that is too large (update)": [frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF))],
    "a window that is too large (stream)": [frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 0x7FFFFFFF))],
    "a window update of 0": [frame(WINDOW_UPDATE, 0, 0, bytes(4))],
    "a window update of 1 for stream 3": [frame(WINDOW_UPDATE, 0, 3, b"\0\0\0\1")],
    "a WINDOW_UPDATE frame of 3 bytes": [frame(WINDOW_UPDATE, 0, 0, bytes(3))],
    "a RST_STREAM frame of 3 bytes": [frame(RST_STREAM, 0, 1, bytes(3))],
    "a PING frame of 7 bytes": [frame(PING, 0, 0, bytes(7))],
    "a GOAWAY frame of 7 bytes": [frame(GOAWAY, 0, 0, bytes(7))],
    "a frame of type 5 out of place": [frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(*OK))],
    "a frame of type 9 out of place": [frame(CONTINUATION, END_HEADERS, 1, block(*OK))],
    "a frame of type 0 within a header block": [frame(HEADERS, 0, 1, block(*OK)), frame(DATA, 0, 1, b"x")],
    "a frame of type 9 within a header block": [frame(HEADERS, 0, 1, block(*OK)), frame(CONTINUATION, END_HEADERS, 3)],
    "a header block of more than 65536 bytes": [frame(HEADERS, 0, 1, bytes(16_384)), *[frame(CONTINUATION, 0, 1, bytes(16_384))] * 4],
    "headers of more than 65536 bytes": [
        frame(HEADERS, 0, 1, b"\x40\x01a\x7f\x81\x0e" + b"x" * 1920),
        frame(CONTINUATION, END_HEADERS, 1, b"\xbe" * 60),
    ],
    "a frame with more padding than bytes": [frame(DATA, PADDED, 1, b"\x05" + bytes(4))],
    "a frame with more padding than bytes (empty)": [frame(DATA, PADDED, 1, b"")],
    "a frame with more padding than bytes (headers)": [frame(HEADERS, PADDED | END_HEADERS, 1, b"\x01")],
    "a HEADERS frame that ends within its priority": [frame(HEADERS, HAS_PRIORITY | END_HEADERS, 1, bytes(4))],
    "field 62 of tables": [frame(HEADERS, END_HEADERS, 1, b"\xbe")],
    "data before the headers": [frame(DATA, 0, 1, message(b"x"))],
    "the status b''": [headers(("content-type", "application/grpc"))],
    "the status b'20'": [headers((":status", "20"))],
    "the status b'2x0'": [headers((":status", "2x0"))],
    "a second header block": [headers(*OK), headers(*OK)],
}


@pytest.mark.parametrize("said", BROKEN)
def test_broken_frames_are_named(said):
    failure = asked(saying(*BROKEN[said]))
    assert (failure.kind, failure.passing) == ("not_banyandb", False)
    expected = "a frame of 16385 bytes" if said == "a frame that is too long" else said.partition(" (")[0]
    assert f"answers with broken HTTP/2 ({expected}" in failure.message


@pytest.mark.parametrize(
    ("start", "kind", "said"),
    [
        (http_answer("400 Bad Request"), "not_banyandb", "speaks no HTTP/2, its first bytes are b'HTTP/1.1 '"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_banyandb", "speaks no HTTP/2"),
        (b"SSH-", "not_banyandb", "its first bytes are b'SSH-'"),
        (frame(PING, 0, 0, bytes(8)), "not_banyandb", "speaks no HTTP/2"),
        (frame(SETTINGS, ACK), "not_banyandb", "speaks no HTTP/2"),
        (frame(SETTINGS, 0, 1), "not_banyandb", "speaks no HTTP/2"),
        (b"\xff\xff\xfc" + settings()[3:], "not_banyandb", "speaks no HTTP/2"),
        (b"", "unavailable", "closes the connection without a word"),
        (settings(), "unavailable", "the server closed the connection"),
    ],
)
def test_a_server_of_another_protocol_is_named(start, kind, said):
    failure = asked(byte_server(start))
    assert failure.kind == kind and said in failure.message


# ---- time


def until_closed(*parts, begin=b"", pause=0.0):
    """Return a server that sends ``begin``, and then ``parts`` again and again until the client closes the connection."""

    def script(peer):
        peer.send(settings(), begin)
        while True:
            peer.send(*parts)
            time.sleep(pause)

    return http2_server(script)


@pytest.mark.parametrize(
    "server",
    [
        lambda: until_closed(frame(SETTINGS, ACK), pause=0.01),
        lambda: until_closed(frame(99, 0, 0, bytes(16_384))),
        lambda: until_closed(frame(PRIORITY, 0, 1, bytes(5)) * 1000),
        lambda: until_closed(frame(PING, ACK, 0, bytes(8)) * 1000),
        lambda: until_closed(frame(PING, 0, 0, bytes(8)) * 1000),
        lambda: until_closed(b"x", begin=frame(99, 0, 0, bytes(16_384))[:9], pause=0.01),
        lambda: byte_server(None),
        blackhole,
    ],
    ids=["settings", "unknown frames", "priorities", "acknowledgements", "pings", "an octet at a time", "silence", "no connection"],
)
def test_no_server_keeps_the_client_beyond_its_deadline(server):
    began = time.monotonic()
    failure = asked(server(), timeout=0.5)
    assert failure.kind == "timeout" and "no whole answer within 0.5 s" in failure.message
    assert 0.5 <= time.monotonic() - began < 5


def test_empty_frames_of_a_header_block_end_at_the_deadline():
    def script(peer):
        peer.send(settings(), frame(HEADERS, 0, 1))
        while True:
            peer.send(frame(CONTINUATION, 0, 1) * 1000)

    assert asked(http2_server(script), timeout=0.5).kind == "timeout"


def test_a_server_that_never_reads_ends_at_the_deadline():
    """The windows are open, so only the buffers of the sockets end the sending."""

    def script(peer):
        peer.send(settings((0x4, 1 << 30)), frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
        threading.Event().wait(2)

    began = time.monotonic()
    assert asked(http2_server(script), b"x" * 50_000_000, timeout=0.5).kind == "timeout"
    assert time.monotonic() - began < 8


def test_a_tls_handshake_that_hangs_ends_at_the_deadline(tmp_path):
    certificate = Certificate(tmp_path)

    async def run():
        async with byte_server(None) as address:
            return await asyncio.to_thread(call, Node("it", address, True, str(certificate.path)), [(METHOD, b"?")], 0.5)

    began = time.monotonic()
    assert asyncio.run(run()).kind == "timeout"
    assert time.monotonic() - began < 5


# ---- gRPC's own server


def test_a_message_of_16_mb_is_read_and_a_larger_message_is_not():
    assert asked(grpc_server({f"/{METHOD}": b"x" * LARGEST}), timeout=60.0) == [b"x" * LARGEST]
    failure = asked(grpc_server({f"/{METHOD}": b"x" * (LARGEST + 1)}), timeout=60.0)
    assert failure.kind == "not_banyandb" and f"answers with {LARGEST + 1} bytes, more than {LARGEST}" in failure.message
    assert asked(grpc_server({f"/{METHOD}": b"x" * 11}), largest=10).kind == "not_banyandb"


def test_large_questions_and_answers_share_a_connection():
    peers = set()

    def answered(context):
        peers.add(context.peer())
        return b"x" * 3_000_000

    assert asked(grpc_server({f"/{METHOD}": answered}), *[b"x" * 4_000_000] * 5, timeout=60.0) == [b"x" * 3_000_000] * 5
    assert len(peers) == 1


def test_long_metadata_reaches_the_server_and_long_trailers_come_back():
    seen = {}

    async def echo(context):
        seen.update(context.invocation_metadata())
        await context.send_initial_metadata([(f"x-{number}", "v" * 100) for number in range(100)])
        context.set_trailing_metadata([(f"y-{number}", "w" * 100) for number in range(100)])
        return b"!"

    long = "a" * 5000
    assert asked(grpc_server({f"/{METHOD}": echo}), metadata=(("username", "admin"), ("long", long))) == [b"!"]
    assert (seen["username"], seen["long"]) == ("admin", long)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
@pytest.mark.parametrize("details", ["", "the 名 of %41 100% \t😀\u2028 line\nline", "%", "ü" * 3000])
def test_every_error_of_grpc_has_its_kind_and_its_text(code, details):
    failure = asked(grpc_server({f"/{METHOD}": (code, details)}))
    assert failure.kind == STATUS_KINDS[code.value[0]]
    shown = "".join(letter if letter.isprintable() else " " for letter in details).split()
    assert " ".join([f"failed with {code.name}:", *shown])[:60].rstrip(":") in failure.message


def test_a_method_that_hangs_ends_at_the_deadline_and_the_server_knows_the_deadline():
    left = []

    async def hang(context):
        left.append(context.time_remaining())
        await asyncio.sleep(30)

    failure = asked(grpc_server({f"/{METHOD}": hang}), timeout=1.0)
    assert failure.kind == "timeout" and 0.5 < left[0] <= 1.01


# grpcio has no failure for an answer without a message, waits for the deadline after two messages, and takes an HTML page for an unknown failure.
# Not compared: grpcio has no failure for an answer without a message, waits for the deadline after two messages, and takes a page of a web server
# with status 200 for an unknown failure.
KINDS = {
    "no method": lambda: grpc_server({}),
    "no status": lambda: saying(headers(*OK), frame(DATA, END_STREAM, 1, message(b"a"))),
    "http 404": lambda: saying(headers((":status", "404"), ("content-type", "text/html")), trailers(("x", "y"))),
    "http 503": lambda: saying(headers((":status", "503"), ("content-type", "text/html")), trailers(("x", "y"))),
    "refused stream": lambda: saying(frame(RST_STREAM, 0, 1, struct.pack(">I", 7))),
    "reset stream": lambda: saying(frame(RST_STREAM, 0, 1, struct.pack(">I", 2))),
    "going away": lambda: saying(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))),
    "web server": lambda: byte_server(http_answer("400 Bad Request")),
    "closed at once": lambda: byte_server(b""),
    "silence": lambda: byte_server(None),
    "closed port": closed_port,
    **{f"status {code}": lambda code=code: saying(trailers(*OK, ("grpc-status", str(code)))) for code in STATUS_KINDS},
}


@pytest.mark.parametrize("case", KINDS)
def test_the_kind_is_that_of_the_controllers_client(case):
    async def run():
        terms = Terms(timeout=1.0, retries=0)
        peer = KINDS[case]()
        if hasattr(peer, "__aenter__"):
            async with peer as address:
                return await asyncio.to_thread(both, address, terms)
        with peer as address:
            return await asyncio.to_thread(both, address, terms)

    def both(address, terms):
        theirs = ask_all({"it": address}, [Method(f"/{METHOD}", b"", bytes)], terms)["it"][0]
        return call(Node("it", address), [(METHOD, b"")], terms.timeout), theirs

    ours, theirs = asyncio.run(run())
    assert isinstance(ours, Failure) and isinstance(theirs, Failure)
    assert ours.kind == theirs.kind, (ours, theirs)


# ---- connections


def test_a_closed_port_is_refused_and_may_be_asked_again():
    failure = asked(closed_port())
    assert (failure.kind, failure.passing) == ("refused", True)


def test_a_name_without_an_address_is_unresolved():
    assert call(Node("it", "no-such-host.invalid:1"), [(METHOD, b"")], 5.0).kind == "unresolved"


def test_a_connection_that_is_reset_within_the_answer_is_unavailable():
    def script(peer):
        peer.send(settings())
        peer.request()
        peer.send(headers(*OK))
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.file.close()
        peer.connection.close()

    failure = asked(http2_server(script))
    assert (failure.kind, failure.passing) == ("unavailable", True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("other"), name="db.example.org", address=None)


def with_tls(peer, ca, server_name="", timeout=5.0):
    async def run():
        async with peer as address:
            return await asyncio.to_thread(call, Node("it", address, True, str(ca)), [(METHOD, b"?")], timeout, (), server_name)

    return asyncio.run(run())


def test_tls_is_spoken_with_the_protocol_h2_and_the_scheme_https(certificate):
    seen = {}

    def answered(context):
        seen.update(context.auth_context())
        return b"x" * 1_000_000

    assert with_tls(grpc_server({f"/{METHOD}": answered}, certificate), certificate.path) == [b"x" * 1_000_000]
    assert seen["transport_security_type"] == [b"ssl"]


def test_a_certificate_needs_the_right_ca_and_the_right_name(certificate, other):
    answers = {f"/{METHOD}": b"!"}
    failure = with_tls(grpc_server(answers, certificate), other.path)
    assert failure.kind == "tls" and "not trusted" in failure.message
    failure = with_tls(grpc_server(answers, other), other.path)
    assert failure.kind == "tls" and "not trusted" in failure.message
    assert with_tls(grpc_server(answers, other), other.path, "db.example.org") == [b"!"]
    assert with_tls(grpc_server(answers, certificate), certificate.path, "another.example.org").kind == "tls"


def test_a_ca_file_that_is_missing_or_has_no_certificate_is_a_tls_failure(certificate, tmp_path):
    (tmp_path / "empty").touch()
    for name, said in (("none", "is not readable (No such file or directory)"), ("empty", "handshake"), (".", "is not readable")):
        failure = with_tls(grpc_server({}, certificate), tmp_path / name)
        assert failure.kind == "tls" and said in failure.message


def test_one_side_with_tls_and_the_other_without_is_a_tls_failure(certificate):
    failure = asked(grpc_server({}, certificate))
    assert failure.kind == "tls" and "asked without" in failure.message
    assert asked(byte_server(b"x", certificate)).kind == "tls"
    assert with_tls(grpc_server({}), certificate.path).kind == "tls"
    assert with_tls(byte_server(b""), certificate.path).kind == "tls"


def test_a_web_server_that_hangs_on_a_tls_hello_is_not_banyandb():
    web = byte_server(lambda request: http_answer("400 Bad Request") if request.startswith(b"PRI ") else None)
    assert asked(web, timeout=0.5).kind == "not_banyandb"


def test_a_server_name_that_is_none_is_a_tls_failure(certificate):
    failure = with_tls(grpc_server({}, certificate), certificate.path, ".x")
    assert failure.kind == "tls" and "the server name is invalid" in failure.message


def test_a_server_that_demands_a_certificate_of_the_client_is_a_tls_failure(certificate):
    """With TLS 1.3 the server's alert comes after the handshake of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)
    context.load_verify_locations(certificate.path)
    context.verify_mode = ssl.CERT_REQUIRED

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            wrapped = context.wrap_socket(server.accept()[0], server_side=True, do_handshake_on_connect=False)
            with pytest.raises(ssl.SSLError):
                wrapped.do_handshake()
            with socket.socket(fileno=wrapped.detach()) as plain:  # unread bytes at the close would reset the connection before the alert arrives
                while plain.recv(65_536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        node = Node("it", f"127.0.0.1:{server.getsockname()[1]}", True, str(certificate.path))
        failure = call(node, [(METHOD, b"?")], 5.0)
        thread.join(10)
    assert failure.kind == "tls" and not failure.passing


def test_a_reset_within_the_handshake_is_a_tls_failure(certificate):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _peer = server.accept()
            connection.recv(65_536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        failure = call(Node("it", address, True, str(certificate.path)), [(METHOD, b"?")], 5.0)
        thread.join(10)
    assert failure.kind == "tls" and "completes no TLS handshake" in failure.message


@contextmanager
def cut_off(certificate):
    """Yield the address of a TLS server that ends the TCP connection without a word, after its SETTINGS frame."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _peer = server.accept()
            wrapped = context.wrap_socket(connection, server_side=True)
            wrapped.sendall(settings())
            wrapped.recv(65_536)
            wrapped.shutdown(socket.SHUT_RDWR)
            wrapped.detach()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def test_a_tls_connection_that_is_cut_is_no_fault_of_tls(certificate):
    with cut_off(certificate) as address:
        failure = call(Node("it", address, True, str(certificate.path)), [(METHOD, b"?")], 5.0)
    assert (failure.kind, failure.passing) == ("unavailable", True)


def test_without_tls_ssl_is_not_imported():
    code = "import sys, {}.host.server.grpc_view_client as it; print(sorted({{'http.client', 'ssl', 'grpc', 'urllib.parse'}} & set(sys.modules)))"
    words = [sys.executable, "-c", code.format("ansible_collections.skywalking.banyandb.plugins.module_utils")]
    done = subprocess.run(words, env={"PYTHONPATH": COLLECTIONS}, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
