# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes unary calls to a gRPC server without a gRPC library. Standard library only, Python 3.9+.

The calls run in sequence over one connection of HTTP/2 (RFC 9113). Their form is gRPC's HTTP/2 mapping
(github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Every size has a limit, and each wait ends at the deadline.
"""

from __future__ import annotations

import errno
import math
import socket
import struct
import time
from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import PREFACE, connected
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.hpack import LIST_BYTES, Decoder, HpackError, literal
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, tls_failure

# Largest answer, in bytes. A view has about 500 bytes for each node.
LARGEST = 16 * 1024 * 1024

_FRAME_HEADER = 9
_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(10)
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE, _MAX_HEADER_LIST_SIZE = 0x2, 0x4, 0x5, 0x6
_CANCEL, _REFUSED_STREAM = 0x8, 0x7
# Limits of RFC 9113, sections 4.2, 6.5.2 and 6.9.1.
_FRAME_BYTES, _LARGEST_FRAME, _DEFAULT_WINDOW, _LARGEST_WINDOW = 16_384, (1 << 24) - 1, 65_535, (1 << 31) - 1
# Bytes that the server may send before this client has read them, for the connection and for each stream.
_WINDOW = 1024 * 1024
_PIECE = 65_536
# Indexes of the static table of HPACK.
_AUTHORITY, _METHOD_POST, _PATH, _SCHEME_HTTP, _SCHEME_HTTPS, _CONTENT_TYPE = 1, 3, 4, 6, 7, 31
# The client never uses its dynamic table. Some servers demand that the first header block says so (RFC 7541, section 4.2).
_NO_DYNAMIC_TABLE = b"\x20"
_PREFIX_BYTES = 5
# Milliseconds: grpc-timeout has at most 8 digits.
_LONGEST_TIMEOUT = 99_999_999

_STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED",
)  # fmt: skip
# Every other status is UNAVAILABLE. The gRPC client of the controller has the same kinds.
_KINDS = {
    "DEADLINE_EXCEEDED": ErrorKind.TIMEOUT,
    "PERMISSION_DENIED": ErrorKind.AUTH,
    "UNAUTHENTICATED": ErrorKind.AUTH,
    "UNIMPLEMENTED": ErrorKind.UNIMPLEMENTED,
}
# HTTP statuses that mean UNAVAILABLE (github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
_PASSING_HTTP = (b"429", b"502", b"503", b"504")
_AWAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)
_TEXT = 80

Metadata = Sequence[tuple[str, str]]


def call(
    node: Node,
    questions: Sequence[tuple[str, bytes]],
    timeout: float,
    metadata: Metadata = (),
    server_name: str = "",
    largest: int = LARGEST,
) -> list[bytes] | Failure:
    """Return the answers of ``node``, or why an answer is missing.

    ``questions``: method (``package.Service/Method``) and message. ``timeout`` in seconds, for all questions together; only the lookup of the host
    name may take longer. ``metadata``: name in lower case and printable ASCII, sent with each question. ``server_name``: host name that the
    certificate must have; empty means the host of the address. ``largest``: bytes of one answer.
    """
    address, deadline = node.grpc_address, time.monotonic() + timeout
    established = False
    try:
        with connected(node, deadline, server_name) as plain_or_tls:
            established = True
            connection = _Connection(plain_or_tls, deadline, largest)
            return [connection.ask(node, method, question, metadata, server_name) for method, question in questions]
    except _Failed as failed:
        if failed.silent and not node.tls_enabled and _speaks_tls(address, deadline):
            return Failure.at(address, ErrorKind.TLS, "the port speaks TLS and was asked without")
        return Failure.at(address, failed.kind, failed.what, failed.passing)
    except socket.gaierror as error:
        return Failure.at(address, ErrorKind.UNRESOLVED, f"the host name has no address ({error.strerror})")
    except ConnectionRefusedError:
        return Failure.at(address, ErrorKind.REFUSED, "connection refused, nothing listens there", passing=True)
    except socket.timeout:
        return Failure.at(address, ErrorKind.TIMEOUT, f"no whole answer within {timeout:g} s")
    except OSError as error:  # a certificate that is not trusted is an OSError and a ValueError
        return _lost(node, error, established)
    except ValueError as error:  # ssl refuses the name
        return Failure.at(address, ErrorKind.TLS, f"the server name is invalid ({error})")


def _lost(node: Node, error: OSError, established: bool) -> Failure:
    """Return the failure for an error of the socket. ``established``: the connection, with its TLS handshake, was complete."""
    address = node.grpc_address
    if not established and node.tls_enabled:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR):
            return Failure.at(address, ErrorKind.TLS, f"the CA file {cut(node.ca_cert_path, _TEXT)} is not readable ({error.strerror})")
        if isinstance(error, ConnectionError):
            return Failure.at(address, ErrorKind.TLS, f"the port completes no TLS handshake ({error})")
    if tls_failure(error) and not (established and type(error).__name__ == "SSLEOFError"):
        return Failure.at(address, ErrorKind.TLS, tls_failure(error))
    if error.errno in _AWAY:
        return Failure.at(address, ErrorKind.TIMEOUT, f"no way to the host ({error})")
    return Failure.at(address, ErrorKind.UNAVAILABLE, f"connection lost ({error})", passing=True)


def _speaks_tls(address: str, deadline: float) -> bool:
    # Imported only here: few failures need it.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.tls_probe import speaks_tls

    return speaks_tls(address, deadline)


class _Failed(Exception):
    """The call failed. ``passing``: as in Failure. ``silent``: the server has not answered in HTTP/2, so its port may speak TLS."""

    def __init__(self, kind: str, what: str, passing: bool = False, silent: bool = False) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.passing = passing
        self.silent = silent


def _broken(what: str) -> _Failed:
    return _Failed(ErrorKind.NOT_BANYANDB, f"answers with broken HTTP/2 ({what})")


class _Connection:
    """One connection of HTTP/2 with one stream at a time. Raises _Failed and OSError."""

    def __init__(self, plain_or_tls: socket.socket, deadline: float, largest: int) -> None:
        self._socket = plain_or_tls
        self._deadline = deadline
        self._largest = largest
        self._read = bytearray()
        self._unsent = bytearray()
        self._decoder = Decoder()
        self._greeted = False
        self._goaway: tuple[int, str] | None = None  # last stream of the server, and the reason
        self._frame_bytes = _FRAME_BYTES
        self._first_window = _DEFAULT_WINDOW
        self._send_window = _DEFAULT_WINDOW
        self._consumed = 0
        self._stream = _Stream(-1, 0, "", largest)
        settings = ((_ENABLE_PUSH, 0), (_INITIAL_WINDOW_SIZE, _WINDOW), (_MAX_HEADER_LIST_SIZE, LIST_BYTES))
        self._unsent += PREFACE[:-_FRAME_HEADER]  # without the empty SETTINGS frame
        self._write(_SETTINGS, 0, 0, b"".join(struct.pack(">HI", *setting) for setting in settings))
        self._write(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - _DEFAULT_WINDOW))

    def ask(self, node: Node, method: str, message: bytes, metadata: Metadata, server_name: str) -> bytes:
        """Return the answer of ``method``."""
        self._refuse_if_going_away(self._stream.number + 2)
        stream = self._stream = _Stream(self._stream.number + 2, self._first_window, method, self._largest)
        block = _header_block(node, method, metadata, server_name, self._deadline - time.monotonic())
        self._write_headers(_NO_DYNAMIC_TABLE + block if stream.number == 1 else block)
        rest = memoryview(struct.pack(">BI", 0, len(message)) + message)
        while not stream.ended:
            room = min(self._send_window, stream.send_window, self._frame_bytes)
            if not rest or room <= 0:
                self._step()
                continue
            piece, rest = rest[:room], rest[room:]
            self._send_window -= len(piece)
            stream.send_window -= len(piece)
            self._write(_DATA, 0 if rest else _END_STREAM, stream.number, bytes(piece))
            if len(self._unsent) >= _PIECE:
                self._flush()
        answer = stream.answer()
        if rest:  # the server needs no more of the question
            self._write(_RST_STREAM, 0, stream.number, struct.pack(">I", _CANCEL))
        return answer

    # Sending

    def _write_headers(self, block: bytes) -> None:
        kind = _HEADERS
        for at in range(0, len(block), self._frame_bytes):
            piece = block[at : at + self._frame_bytes]
            self._write(kind, _END_HEADERS if at + len(piece) == len(block) else 0, self._stream.number, piece)
            kind = _CONTINUATION

    def _write(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        self._unsent += struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, number) + payload

    def _flush(self) -> None:
        unsent, self._unsent = memoryview(self._unsent), bytearray()
        while unsent:
            self._socket.settimeout(self._left())
            unsent = unsent[self._socket.send(unsent) :]

    # Receiving

    def _left(self) -> float:
        """Return the seconds until the deadline for the socket's time-out. Raises socket.timeout after the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        return left

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            try:
                self._flush()
                self._socket.settimeout(self._left())
                piece = self._socket.recv(_PIECE)
            except ConnectionError:
                piece = b""
            if not piece and not self._greeted:
                raise self._not_http2(bytes(self._read[:_FRAME_HEADER]))
            if not piece:
                raise _Failed(ErrorKind.UNAVAILABLE, "the server closed the connection", passing=True)
            self._read += piece
        data = bytes(self._read[:size])
        del self._read[:size]
        return data

    def _not_http2(self, start: bytes) -> _Failed:
        if not start:
            return _Failed(ErrorKind.UNAVAILABLE, "closes the connection without a word", passing=True, silent=True)
        return _Failed(ErrorKind.NOT_BANYANDB, f"speaks no HTTP/2, its first bytes are {start!r}", silent=True)

    def _frame(self) -> tuple[int, int, int, bytes]:
        """Return type, flags, stream and payload of the next frame."""
        header = self._exactly(_FRAME_HEADER)
        high, low, kind, flags, number = struct.unpack(">BHBBI", header)
        size, number = (high << 16) + low, number & 0x7FFFFFFF
        if not self._greeted and (kind != _SETTINGS or flags & _ACK or number or size > _FRAME_BYTES):
            raise self._not_http2(header)
        self._greeted = True
        if size > _FRAME_BYTES:
            raise _broken(f"a frame of {size} bytes")
        return kind, flags, number, self._exactly(size)

    def _step(self) -> None:
        """Read one frame, and act on the frame."""
        kind, flags, number, payload = self._frame()
        if kind in (_DATA, _HEADERS, _PRIORITY, _RST_STREAM):
            if not number & 1 or number > self._stream.number:
                raise _broken(f"a frame of type {kind} on stream {number}")
        elif kind in (_SETTINGS, _PING, _GOAWAY) and number:
            raise _broken(f"a frame of type {kind} on stream {number}")
        mine = number == self._stream.number
        if kind == _DATA:
            self._on_data(payload, flags, mine)
        elif kind == _HEADERS:
            # The blocks of earlier streams count too: all blocks share the decoder.
            fields = self._block(payload, flags, number)
            if mine:
                self._stream.on_headers(fields, bool(flags & _END_STREAM))
        elif kind == _RST_STREAM:
            code = _word(payload, "RST_STREAM")
            if mine:
                what = f"{self._stream.method}: the server reset the stream with error {code}"
                raise _Failed(ErrorKind.UNAVAILABLE, what, passing=code == _REFUSED_STREAM)
        elif kind == _SETTINGS:
            self._on_settings(payload, flags)
        elif kind == _PING:
            if len(payload) != 8:
                raise _broken(f"a PING frame of {len(payload)} bytes")
            if not flags & _ACK:
                self._write(_PING, _ACK, 0, payload)
        elif kind == _GOAWAY:
            if len(payload) < 8:
                raise _broken(f"a GOAWAY frame of {len(payload)} bytes")
            last, code = struct.unpack(">II", payload[:8])
            self._goaway = last & 0x7FFFFFFF, f"error {code}{_quoted(payload[8:])}"
            self._refuse_if_going_away(self._stream.number)
        elif kind == _WINDOW_UPDATE:
            self._on_window_update(_word(payload, "WINDOW_UPDATE") & 0x7FFFFFFF, number)
        elif kind in (_PUSH_PROMISE, _CONTINUATION):
            raise _broken(f"a frame of type {kind} out of place")

    def _refuse_if_going_away(self, number: int) -> None:
        """Raise _Failed if the server will not answer the stream."""
        if self._goaway and (number > self._goaway[0] or number > self._stream.number):
            raise _Failed(ErrorKind.UNAVAILABLE, f"the server closes its connections ({self._goaway[1]})", passing=True)

    def _on_data(self, payload: bytes, flags: int, mine: bool) -> None:
        # Padding counts (section 6.9.1). The client returns the window in large steps, as soon as it has read the data.
        self._consumed += len(payload)
        if self._consumed >= _WINDOW // 2:
            self._write(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._consumed))
            self._consumed = 0
        if not mine:
            return
        stream = self._stream
        stream.on_data(_unpadded(payload, flags), bool(flags & _END_STREAM))
        stream.consumed += len(payload)
        if stream.consumed >= _WINDOW // 2 and not stream.ended:
            self._write(_WINDOW_UPDATE, 0, stream.number, struct.pack(">I", stream.consumed))
            stream.consumed = 0

    def _block(self, payload: bytes, flags: int, number: int) -> list[tuple[bytes, bytes]]:
        """Return the fields of a HEADERS frame and of its CONTINUATION frames."""
        payload = _unpadded(payload, flags)
        if flags & _HAS_PRIORITY:
            if len(payload) < 5:
                raise _broken("a HEADERS frame that ends within its priority")
            payload = payload[5:]
        block = bytearray(payload)
        while not flags & _END_HEADERS:
            kind, flags, on, payload = self._frame()
            if kind != _CONTINUATION or on != number:
                raise _broken(f"a frame of type {kind} within a header block")
            block += payload
            if len(block) > LIST_BYTES:
                raise _broken(f"a header block of more than {LIST_BYTES} bytes")
        try:
            return self._decoder.decode(bytes(block))
        except HpackError as error:
            raise _broken(str(error)) from None

    def _on_settings(self, payload: bytes, flags: int) -> None:
        if len(payload) % 6 or (flags & _ACK and payload):
            raise _broken(f"a SETTINGS frame of {len(payload)} bytes")
        for name, value in struct.iter_unpack(">HI", payload):
            if name == _INITIAL_WINDOW_SIZE:
                self._stream.send_window += value - self._first_window
                self._first_window = value
            elif name == _MAX_FRAME_SIZE:
                if not _FRAME_BYTES <= value <= _LARGEST_FRAME:
                    raise _broken(f"SETTINGS_MAX_FRAME_SIZE {value}")
                self._frame_bytes = value
        if max(self._first_window, self._stream.send_window) > _LARGEST_WINDOW:
            raise _broken("a window that is too large")
        if not flags & _ACK:
            self._write(_SETTINGS, _ACK, 0, b"")

    def _on_window_update(self, increment: int, number: int) -> None:
        if not increment or number > self._stream.number:
            raise _broken(f"a window update of {increment} for stream {number}")
        if not number:
            self._send_window += increment
        elif number == self._stream.number:
            self._stream.send_window += increment
        if max(self._send_window, self._stream.send_window) > _LARGEST_WINDOW:
            raise _broken("a window that is too large")


class _Stream:
    """One call: the response headers, the message and the trailers. ``consumed``: bytes of the window to return. Raises _Failed."""

    def __init__(self, number: int, send_window: int, method: str, largest: int) -> None:
        self.number = number
        self.method = method.rpartition(".")[2]  # without the package, for messages
        self.send_window = send_window
        self.consumed = 0
        self.ended = False
        self._largest = largest
        self._has_headers = False
        self._trailers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def on_headers(self, fields: Sequence[tuple[bytes, bytes]], ends: bool) -> None:
        found = dict(fields)
        self.ended = ends
        if self._has_headers and not ends:
            raise _broken("a second header block that does not end the stream")
        if not self._has_headers:
            status = found.get(b":status", b"")
            if len(status) != 3 or not status.isdigit():
                raise _broken(f"the status {cut(repr(status), _TEXT)}")
            if status.startswith(b"1") and not ends:
                return  # informational (RFC 9113, section 8.1)
            self._has_headers = True
            # A grpc-status wins over the HTTP status, as in gRPC.
            if b"grpc-status" not in found:
                self._check(status, found.get(b"content-type", b""))
        if ends:
            self._trailers = found

    def _check(self, status: bytes, content_type: bytes) -> None:
        """Raise _Failed if the response headers are not those of gRPC."""
        if status in _PASSING_HTTP:
            raise _Failed(ErrorKind.UNAVAILABLE, f"{self.method}: HTTP status {status.decode()}", passing=True)
        subtype = content_type[len(b"application/grpc") :][:1]
        if status == b"200" and content_type.startswith(b"application/grpc") and subtype in (b"", b"+", b";"):
            return
        what = f"HTTP status {status.decode()}, content-type {cut(repr(content_type.decode('latin-1')), _TEXT // 2)}"
        raise _Failed(ErrorKind.NOT_BANYANDB, f"answers HTTP/2, but not as gRPC does ({what})")

    def on_data(self, data: bytes, ends: bool) -> None:
        if not self._has_headers:
            raise _broken("data before the headers")
        self.ended = ends
        self._body += data
        if len(self._body) >= _PREFIX_BYTES:
            compressed, size = struct.unpack(">BI", self._body[:_PREFIX_BYTES])
            if compressed:
                raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.method} answers with a compressed message")
            if size > self._largest:
                raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.method} answers with {size} bytes, more than {self._largest}")
            if len(self._body) > _PREFIX_BYTES + size:
                raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.method} answers with more than one message")

    def answer(self) -> bytes:
        """Return the message of a stream that has ended."""
        code = self._trailers.get(b"grpc-status")
        if code is None:
            raise _Failed(ErrorKind.UNAVAILABLE, f"{self.method} ended without a grpc-status")
        number = int(code) if len(code) <= 2 and code.isdigit() else 2
        if number:
            name = _STATUSES[number] if number < len(_STATUSES) else "UNKNOWN"
            what = f"{self.method} failed with {name}{_quoted(_percent_decoded(self._trailers.get(b'grpc-message', b'')))}"
            raise _Failed(_KINDS.get(name, ErrorKind.UNAVAILABLE), what, passing=name == "UNAVAILABLE")
        if not self._body:
            raise _Failed(ErrorKind.UNIMPLEMENTED, f"{self.method} gave no message")
        if len(self._body) < _PREFIX_BYTES or len(self._body) != _PREFIX_BYTES + struct.unpack(">I", self._body[1:_PREFIX_BYTES])[0]:
            raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.method} answers with an incomplete message")
        return bytes(self._body[_PREFIX_BYTES:])


def _header_block(node: Node, method: str, metadata: Metadata, server_name: str, seconds: float) -> bytes:
    """Return the request headers. ``seconds``: until the deadline."""
    host, _colon, port = node.grpc_address.rpartition(":")
    milliseconds = max(1, min(_LONGEST_TIMEOUT, math.ceil(seconds * 1000)))
    indexed = (_METHOD_POST, _SCHEME_HTTPS if node.tls_enabled else _SCHEME_HTTP)
    return b"".join(
        [
            bytes(0x80 | index for index in indexed),
            literal(_PATH, f"/{method}"),
            literal(_AUTHORITY, f"{server_name or host}:{port}"),
            literal(_CONTENT_TYPE, "application/grpc"),
            literal("te", "trailers"),
            literal("grpc-timeout", f"{milliseconds}m"),
            *(literal(name, value, secret=True) for name, value in metadata),
        ]
    )


def _unpadded(payload: bytes, flags: int) -> bytes:
    """Return the payload of a DATA or HEADERS frame without its padding (RFC 9113, section 6.1)."""
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise _broken("a frame with more padding than bytes")
    return payload[1 : len(payload) - payload[0]]


def _word(payload: bytes, name: str) -> int:
    """Return the number that is the whole payload."""
    if len(payload) != 4:
        raise _broken(f"a {name} frame of {len(payload)} bytes")
    return int.from_bytes(payload, "big")


def _percent_decoded(text: bytes) -> bytes:
    """Return the text of a grpc-message. An invalid escape stays unchanged, as gRPC demands."""
    first, *others = text.split(b"%")
    decoded = [first]
    for piece in others:
        digits = piece[:2]
        is_escape = len(digits) == 2 and all(digit in b"0123456789abcdefABCDEF" for digit in digits)
        decoded.append(bytes([int(digits, 16)]) + piece[2:] if is_escape else b"%" + piece)
    return b"".join(decoded)


def _quoted(text: bytes) -> str:
    """Return a text of the server for a message: one short line after a colon, or nothing."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 8 * _TEXT].decode("utf-8", "replace"))
    line = " ".join(line.split())
    return f": {cut(line, _TEXT)}" if line else ""
