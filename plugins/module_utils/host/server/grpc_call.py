# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes small calls to a gRPC server without a gRPC library. Standard library only, Python 3.9+.

Unary calls with small messages, in sequence over one connection: HTTP/2 frames of RFC 9113, headers as literals of RFC 7541, messages in gRPC's
HTTP/2 mapping. This file does not read headers and trailers of the server, which may be Huffman-coded. A successful call has a message, a failed
call has none.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Sequence
from typing import Union

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import PREFACE, connected, exactly, left
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, tls_failure

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
# More than a node's answers, and less than the initial flow-control window (RFC 9113, section 6.9.2), so no window updates are needed.
_MAX_BYTES = 60_000
_AWAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)

Fields = list[tuple[int, Union[int, bytes]]]


def call(node: Node, questions: Sequence[tuple[str, bytes]], timeout: float) -> list[bytes] | Failure:
    """Return the answers of ``node``, or why one is missing. ``questions``: method (``package.Service/Method``) and message, of 16,000 bytes at most.

    ``timeout`` in seconds, for all questions together.
    """
    deadline = time.monotonic() + timeout
    try:
        with connected(node, deadline) as connection:
            connection.settimeout(left(deadline))
            authority = node.grpc_address
            connection.sendall(PREFACE)
            answers = []
            for number, (method, question) in enumerate(questions):
                stream = 2 * number + 1
                connection.sendall(_request(stream, method, question, authority, node.tls_enabled))
                message = _answer(connection, stream, deadline)
                if message is None:
                    return Failure.at(node.grpc_address, ErrorKind.UNIMPLEMENTED, f"{method} gave no message")
                answers.append(message)
            return answers
    except socket.gaierror as error:
        return Failure.at(node.grpc_address, ErrorKind.UNRESOLVED, f"the host name has no address ({error.strerror})")
    except ConnectionRefusedError:
        return Failure.at(node.grpc_address, ErrorKind.REFUSED, "connection refused, nothing listens there")
    except socket.timeout:
        return Failure.at(node.grpc_address, ErrorKind.TIMEOUT, f"no whole answer within {timeout:g} s")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and tls_failure(error):
            return Failure.at(node.grpc_address, ErrorKind.TLS, tls_failure(error))
        away = isinstance(error, OSError) and error.errno in _AWAY
        return Failure.at(node.grpc_address, ErrorKind.TIMEOUT if away else ErrorKind.UNAVAILABLE, f"no whole answer ({error})")


def fields(message: bytes) -> Fields:
    """Return the fields of a protobuf message in wire format: (number, integer or bytes). Raises ValueError for an invalid message."""
    found: Fields = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            found.append((number, value))
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if at + size > len(message):
            raise ValueError("a field that ends after its message")
        found.append((number, message[at : at + size]))
        at += size
    return found


def field(number: int, value: bytes) -> bytes:
    """Return a field of text, bytes or a message in the wire format of protobuf. ``number``: 15 at most."""
    size, length = len(value), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def varints(data: bytes) -> list[int]:
    """Return the numbers of a packed repeated field. Raises ValueError."""
    found = []
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _request(stream: int, method: str, message: bytes, authority: str, tls: bool) -> bytes:
    # Codes of the static table (RFC 7541, appendix A). 0x83 is :method POST, 0x86 is :scheme http, 0x87 is :scheme https. 0x04 (:path), 0x01
    # (:authority) and 0x0f 0x10 (content-type) are names with a literal value (section 6.2.2).
    block = b"".join(
        [
            b"\x83",
            b"\x87" if tls else b"\x86",
            b"\x04" + _text(f"/{method}"),
            b"\x01" + _text(authority),
            b"\x0f\x10" + _text("application/grpc"),
            b"\x00" + _text("te") + _text("trailers"),
        ]
    )
    return _frame(_HEADERS, _END_HEADERS, stream, block) + _frame(_DATA, _END_STREAM, stream, struct.pack(">BI", 0, len(message)) + message)


def _answer(connection: socket.socket, stream: int, deadline: float) -> bytes | None:
    """Return the message of the server on ``stream``, or None if the stream ends without a message. Raises OSError and ValueError."""
    body = b""
    while True:
        size, kind, flags, on = _header(_whole(connection, 9, deadline))
        if len(body) + size > _MAX_BYTES:
            raise ValueError("an answer that is too long for what was asked")
        payload = _whole(connection, size, deadline)
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            raise ValueError("the server closes its connections")
        elif on == stream and kind == _DATA:
            body += payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
        elif on == stream and kind == _RST_STREAM:
            return None
        if on == stream and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            if not body:
                return None
            if len(body) < 5 or body[0] or struct.unpack(">I", body[1:5])[0] != len(body) - 5:
                raise ValueError("an answer that is no gRPC message")
            return body[5:]


def _header(data: bytes) -> tuple[int, int, int, int]:
    """Return length, type, flags and stream of a frame."""
    high, low, kind, flags, stream = struct.unpack(">BHBBI", data)
    return (high << 16) + low, kind, flags, stream & 0x7FFFFFFF


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def _text(value: str) -> bytes:
    """Return a string literal without Huffman coding (RFC 7541, section 5.2)."""
    data = value.encode("ascii")
    return integer(len(data), 7) + data


def integer(value: int, prefix: int) -> bytes:
    """Return ``value`` in the integer representation of HPACK (RFC 7541, section 5.1). The bits before the ``prefix`` bits are 0."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([value])
    encoded = [most]
    value -= most
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number without an end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _whole(connection: socket.socket, size: int, deadline: float) -> bytes:
    if time.monotonic() >= deadline:
        raise socket.timeout("timed out")  # a server that sends frame after frame never causes a time-out of recv()
    data = exactly(connection, size, deadline)
    if len(data) < size:
        raise ValueError("the server closed the connection")
    return data
