# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses answer, tried from this host. Standard library only, Python 3.9+.

An address answers when it speaks HTTP/2, as every gRPC server does: it replies to the connection preface
with its SETTINGS frame (RFC 9113, section 3.4). A listening socket alone proves nothing: the kernel also
accepts for a process that is stopped or hung, and each such entry holds a server up for 5 s.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology import Node, split_address

WORKERS = 64
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME_HEADER = 9
_SETTINGS = 4


def answers(node: Node, timeout: float) -> bool:
    """Whether the entry's address speaks HTTP/2 (inside TLS verified by its CA, if the entry has TLS)."""
    deadline = time.monotonic() + timeout
    host, port = split_address(node.grpc_address)
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if not node.tls_enabled:
                return _speaks_http2(plain, deadline)
            context = ssl.create_default_context(cafile=node.ca_cert_path)
            context.set_alpn_protocols(["h2"])
            plain.settimeout(_left(deadline))
            with context.wrap_socket(plain, server_hostname=host.rstrip(".")) as wrapped:
                return _speaks_http2(wrapped, deadline)
    except (OSError, ValueError):  # ValueError: a host name that IDNA cannot encode
        return False


def answering(nodes: Iterable[Node], timeout: float) -> set[str]:
    """The addresses (``Node.grpc_address``) that answer; all are tried side by side, each for ``timeout`` seconds."""
    by_address = {node.grpc_address: node for node in nodes}
    rounds = -(-len(by_address) // WORKERS)
    tried = side_by_side(lambda address: answers(by_address[address], timeout), by_address, WORKERS, rounds * timeout + 1.0)
    return {address for address, ok in tried.items() if ok}


def _speaks_http2(connection: socket.socket, deadline: float) -> bool:
    connection.settimeout(_left(deadline))
    connection.sendall(_PREFACE)
    header = b""
    while len(header) < _FRAME_HEADER:
        connection.settimeout(_left(deadline))
        piece = connection.recv(_FRAME_HEADER - len(header))
        if not piece:
            return False
        header += piece
    stream = int.from_bytes(header[5:9], "big")
    return header[3] == _SETTINGS and stream == 0


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())
