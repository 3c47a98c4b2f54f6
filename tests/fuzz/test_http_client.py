# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an HTTP port from a real socket: any protocol, any length."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure, Terms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View

from .inputs import ODD, RECORDED, Fuzzer, replaced, spoilt

# No time limit: an answer ends, or is longer than the client may read.
TERMS = Terms(timeout=600.0, retries=0)
LIMIT = 256 * 1024
ENDLESS = 24 * 1024 * 1024

STATES = [path.read_bytes() for path in sorted(RECORDED.glob("cluster-state-*.json"))]
DOCUMENTS = [json.loads(body) for body in STATES]
METRICS = [b"".join(
    b'banyandb_liaison_grpc_total_stream_%b{method="write",service="%b"} 1.234567e+06\n' % (name, service)
    for name in (b"started", b"finished") for service in (b"measure", b"stream")
)]  # fmt: skip
HEALTHS = [b"SERVING", b'{"status":"SERVING"}', b'{"code":5,"message":"Not Found","details":[]}']
JSON_ODD = [value for value in ODD if not ((isinstance(value, int) and value.bit_length() > 100) or isinstance(value, dict))] + [{}, {"a": "b"}]
STATUSES = (
    "200 OK", "200", "200 ", "204 No Content", "304 Not Modified", "100 Continue", "101 Switching Protocols", "301 Moved", "400 Bad Request",
    "401 No", "403 No", "404 Not Found",
    "500 X", "501 X", "503 X", "999 X", "1000 X", "-200 X", "2OO OK", "\u00b2\u00b2\u00b2", "",
)  # fmt: skip
HEADERS = (
    b"Content-Length: -1", b"Content-Length: x", b"Content-Length: 99999999999999999999", b"Content-Length: " + b"9" * 5000,
    b"Content-Length: 0", b"Content-Length: 1", b"Content-Length: 5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip", b"Connection: keep-alive", b"X" * 70000,
    b"no colon", b": empty", b" folded", b"\0: \0",
    b"Location: http://127.0.0.1:1/",
    *(b"\r\n".join([b"X: y"] * count) for count in (50, 101)),
)  # fmt: skip
SIZES = (b"-1", b"-5", b"0", b"1", b"fffffffffffffff", b"x", b"", b"0x5", b"+5", b"5;a=b", b"1_0", b"f" * 70000)
TAILS = (
    b"a", b" ", b"0", b"[", b"\r\n", b"1\r\na\r\n", b"ff\r\n" + b"a" * 255 + b"\r\n", b"X: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"-1\r\na\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """The server's answer: ``start``, and then ``tail`` without end unless it is empty."""

    start: bytes
    tail: bytes = b""


class Speaker(threading.Thread):
    """Sends the same answer to every connection after its request, and closes it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.said = Said(b"")
        self.sent = 0

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the client has closed the connection
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
                connection.recv(65536)
                connection.sendall(self.said.start)
                piece = self.said.tail * (65536 // len(self.said.tail)) if self.said.tail else b""
                while piece and self.sent < ENDLESS:
                    connection.sendall(piece)
                    self.sent += len(piece)


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    started = Speaker()
    started.start()
    yield started
    started.listening.shutdown(socket.SHUT_RDWR)
    started.listening.close()
    started.join()


def body(random: random.Random) -> bytes:
    kind = random.random()
    if kind < 0.6:
        document = replaced(random, random.choice(DOCUMENTS), JSON_ODD)
        return json.dumps(document, indent=random.choice((None, 1)), ensure_ascii=random.random() < 0.9).encode("utf-8", "surrogatepass")
    return spoilt(random, STATES if kind < 0.85 else METRICS if kind < 0.9 else HEALTHS, 100_000)


def said(random: random.Random) -> Said:
    content = body(random)
    headers = [b"Content-Type: application/json"]
    if random.random() < 0.1:
        content = gzip.compress(content, 1)
        headers.append(b"Content-Encoding: gzip")
    if random.random() < 0.25:
        headers.append(b"Transfer-Encoding: chunked")
        middle = random.randrange(len(content) + 1)
        pieces = [content[:middle], content[middle:], b""]
        sizes = [b"%x" % len(piece) for piece in pieces]
        if random.random() < 0.5:
            sizes[random.randrange(3)] = random.choice(SIZES)
        content = b"".join(size + b"\r\n" + piece + b"\r\n" for size, piece in zip(sizes, pieces, strict=True))
    elif random.random() < 0.8:
        headers.append(b"Content-Length: %d" % len(content))
    while random.random() < 0.2:
        headers.insert(random.randrange(len(headers) + 1), random.choice(HEADERS))
    status = random.choice(STATUSES) if random.random() < 0.2 else "200 OK"
    start = b"\r\n".join([f"HTTP/1.{random.choice('1110')} {status}".encode(), *headers, b"", content])
    kind = random.random()
    if kind < 0.1:
        start = spoilt(random, [start])
    elif kind < 0.12:
        start = random.randbytes(random.randrange(40))
    if kind > 0.99:
        return Said(start[: random.randrange(len(start) + 1)], random.choice(TAILS))
    return Said(start)


# The question, the type of its answer, and its frequency.
QUESTIONS = ((http_client.state, View, 85), (http_client.write_streams, WriteStreams, 5), (http_client.health, str, 10))


def test_an_answer_is_what_was_asked_for_or_says_why_there_is_none(fuzz: Fuzzer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_BYTES", LIMIT)
    with fuzz.reproducible():
        for speaker.said in fuzz.inputs(said):
            speaker.sent = 0
            ask, expected, _ = fuzz.random(fuzz.number).choices(QUESTIONS, [share for _, _, share in QUESTIONS])[0]
            answer = ask(speaker.address, TERMS)
            assert speaker.sent < ENDLESS, "an answer without end was read to its end"
            if isinstance(answer, Failure):
                assert answer.kind in REMEDY and answer.message.startswith(f"{speaker.address}: ") and len(answer.message) < 4000
                assert answer.message.endswith(REMEDY[answer.kind])
                fuzz.came(answer.kind)
            else:
                assert isinstance(answer, expected)
                fuzz.came("answered")
