# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP connections to ports of this host: who is connected, how long nothing came, and their end. Standard library only, Python 3.9+.

By the kernel's own interface, netlink's sock_diag (sock_diag(7), linux/inet_diag.h): between the look at a connection and its end lie
microseconds, and not the start of a program.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_SOCK_DIAG, _BY_FAMILY, _DESTROY = 4, 20, 21
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ESTABLISHED, _INFO = 1 << 1, 2
_HEADER = struct.Struct("=IHHII")
_REQUEST_V2 = struct.Struct("=BBBBI")
_ID_SIZE, _MESSAGE_SIZE = 48, 72
# tcp_info begins with 8 bytes of flags; the field is the twelfth number after them.
_LAST_DATA_RECEIVED = 8 + 4 * 11


class Unsupported(Exception):
    """The kernel does not end connections on request (CONFIG_INET_DIAG_DESTROY), or this process may not."""


@dataclass(frozen=True)
class Connection:
    """An established one to ``port`` of this host, from another host. ``idle``: seconds since data came last."""

    port: int
    idle: float
    family: int
    identity: bytes


def established(ports: Collection[int]) -> list[Connection]:
    """Those to ``ports`` from other hosts, the longest idle one first. Raises OSError."""
    found = []
    with _netlink() as channel:
        for family in (socket.AF_INET, socket.AF_INET6):
            request = _REQUEST_V2.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _ESTABLISHED) + bytes(_ID_SIZE)
            for message in _asked(channel, _BY_FAMILY, _REQUEST | _DUMP, request):
                connection = _connection(message)
                if connection and connection.port in ports:
                    found.append(connection)
    return sorted(found, key=lambda connection: -connection.idle)


def end(connection: Connection) -> None:
    """End it; the other side gets a TCP reset. One that has ended by itself is no error. Raises Unsupported and OSError."""
    request = _REQUEST_V2.pack(connection.family, socket.IPPROTO_TCP, 0, 0, _ESTABLISHED) + connection.identity
    with _netlink() as channel:
        try:
            for _message in _asked(channel, _DESTROY, _REQUEST | _ACK, request):
                pass
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES):
                raise Unsupported(os.strerror(error.errno)) from None
            if error.errno != errno.ENOENT:
                raise


def _netlink() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    channel.bind((0, 0))
    return channel


def _asked(channel: socket.socket, kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """The bodies of the kernel's answers. Raises OSError for its refusal."""
    channel.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
    while True:
        data = channel.recv(1 << 17)
        offset = 0
        while offset < len(data):
            size, answer, _flags, _sequence, _pid = _HEADER.unpack_from(data, offset)
            payload = data[offset + _HEADER.size : offset + size]
            if answer == _DONE:
                return
            if answer == _ERROR:
                (code,) = struct.unpack_from("=i", payload)
                if code:
                    raise OSError(-code, os.strerror(-code))
                return
            yield payload
            offset += (size + 3) & ~3


def _connection(message: bytes) -> Connection | None:
    """An ``inet_diag_msg`` with its attributes; None for one of the host with itself."""
    family = message[0]
    (port,) = struct.unpack_from(">H", message, 4)
    width = 4 if family == socket.AF_INET else 16
    here, there = (ipaddress.ip_address(message[at : at + width]) for at in (8, 24))
    if here == there or there.is_loopback:
        return None
    offset, idle = _MESSAGE_SIZE, 0.0
    while offset + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, offset)
        if kind == _INFO and size >= 4 + _LAST_DATA_RECEIVED + 4:
            idle = struct.unpack_from("=I", message, offset + 4 + _LAST_DATA_RECEIVED)[0] / 1000
        offset += max((size + 3) & ~3, 4)
    return Connection(port, idle, family, message[4 : 4 + _ID_SIZE])
