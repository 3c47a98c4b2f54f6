# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that sends any frames of HTTP/2, right or wrong, over a real socket. Each test says frame by frame what the server sends."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK = ((":status", "200"), ("content-type", "application/grpc"))
WELL = (("grpc-status", "0"),)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def block(*fields: tuple[str, str]) -> bytes:
    """Return a header block that uses no dynamic table."""
    encoder = hpack.Encoder()
    return encoder.encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])


def message(data: bytes, compressed: int = 0) -> bytes:
    return struct.pack(">BI", compressed, len(data)) + data


def headers(*fields: tuple[str, str], stream: int = 1, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, block(*fields))


def trailers(*fields: tuple[str, str], stream: int = 1) -> bytes:
    return headers(*fields, stream=stream, flags=END_HEADERS | END_STREAM)


def answer(data: bytes, stream: int = 1) -> bytes:
    """Return the frames of a good answer."""
    return headers(*OK, stream=stream) + frame(DATA, 0, stream, message(data)) + trailers(*WELL, stream=stream)


class Peer:
    """One connection of a client. ``fields`` and ``data``: of the last request. ``frames``: type, flags and stream of all frames that were read."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.file = connection.makefile("rb")
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.frames: list[tuple[int, int, int, int]] = []
        assert self.file.read(len(PREFACE)) == PREFACE

    def send(self, *parts: bytes) -> None:
        self.connection.sendall(b"".join(parts))

    def frame(self) -> tuple[int, int, int, bytes]:
        """Return type, flags, stream and payload of the next frame. Raises EOFError."""
        head = self.file.read(9)
        if len(head) < 9:
            raise EOFError
        payload = self.file.read(int.from_bytes(head[:3], "big"))
        self.frames.append((head[3], head[4], int.from_bytes(head[5:], "big"), len(payload)))
        return head[3], head[4], int.from_bytes(head[5:], "big"), payload

    def until(self, kind: int, flags: int = 0) -> bytes:
        """Return the payload of the next frame of a type, and with these flags."""
        while True:
            found, given, _stream, payload = self.frame()
            if found == kind and given & flags == flags:
                return payload

    def headers(self) -> list[tuple[str, str]]:
        """Return the fields of the next request, of one or more frames."""
        while True:
            kind, flags, _stream, payload = self.frame()
            if kind == HEADERS:
                break
        whole = payload
        while not flags & END_HEADERS:
            kind, flags, _stream, payload = self.frame()
            assert kind == CONTINUATION
            whole += payload
        return [(str(name), str(value)) for name, value in self.decoder.decode(whole)]

    def request(self) -> bytes:
        """Return the message of the next request."""
        self.headers()
        data, flags = b"", 0
        while not flags & END_STREAM:
            kind, given, _stream, payload = self.frame()
            if kind == DATA:
                data, flags = data + payload, given
        assert data[:5] == message(data[5:])[:5]
        return data[5:]


@contextmanager
def http2_server(script: Callable[[Peer], None]) -> Iterator[str]:
    """Run ``script`` for each connection, and close the connection at the end of the script. Yields the address.

    An error of the script is an error of the test. The client may close the connection at any time.
    """
    errors: list[BaseException] = []

    def serve() -> None:
        while True:
            try:
                connection, _peer = server.accept()
            except OSError:
                return  # end of the test
            with connection:
                try:
                    peer = Peer(connection)
                    script(peer)
                    connection.shutdown(socket.SHUT_WR)
                    while peer.file.read(65536):
                        pass
                except (OSError, EOFError):
                    continue  # the client has closed the connection; its side has the assertions
                except BaseException as error:
                    errors.append(error)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    if errors:
        raise errors[0]
