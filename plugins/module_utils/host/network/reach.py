# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds addresses that respond to this host. Standard library only, Python 3.9+.

An address responds if it speaks HTTP/2, as every gRPC server does: the server answers the connection preface with its SETTINGS frame (RFC 9113,
section 3.4). A listening socket proves nothing, because the kernel also accepts connections for a stopped or hung process. Each such entry delays
a server by 5 s.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.happy_eyeballs import connect
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import verified_name

WORKERS = 64
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME_HEADER = 9
_SETTINGS = 4


def answers(node: Node, timeout: float) -> bool:
    """Return whether the entry's address speaks HTTP/2 within ``timeout`` seconds. With TLS, the entry's CA must have signed the certificate."""
    deadline = time.monotonic() + timeout
    try:
        with connected(node, deadline) as connection:
            return _speaks_http2(connection, deadline)
    except (OSError, ValueError):  # ValueError: a host name that IDNA cannot encode
        return False


def answering(nodes: Iterable[Node], timeout: float) -> set[str]:
    """Return the addresses (``Node.grpc_address``) that respond. Tries all in parallel, each for ``timeout`` seconds."""
    by_address = {node.grpc_address: node for node in nodes}
    rounds = -(-len(by_address) // WORKERS)
    tried = side_by_side(lambda address: answers(by_address[address], timeout), by_address, WORKERS, rounds * timeout + 1.0)
    return {address for address, ok in tried.items() if ok}


@contextlib.contextmanager
def connected(node: Node, deadline: float, server_name: str = "") -> Iterator[socket.socket]:
    """Yield a connection to the entry's address. With TLS, the entry's CA must have signed the certificate.

    ``deadline``: seconds of the monotonic clock. ``server_name``: name that the certificate must have; empty means the host of the address.
    Raises OSError, and ValueError for a host name that IDNA cannot encode.
    """
    host, port = split_address(node.grpc_address)
    with connect(host, port, deadline) as plain:
        if not node.tls_enabled:
            yield plain
            return
        import ssl  # imported only here: the import takes 5 ms on every host

        context = ssl.create_default_context(cafile=node.ca_cert_path)
        context.set_alpn_protocols(["h2"])
        plain.settimeout(left(deadline))
        with context.wrap_socket(plain, server_hostname=server_name or verified_name(host)) as wrapped:
            yield wrapped


def exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Return the next ``size`` bytes, or fewer if the server closes the connection. Raises OSError, and socket.timeout at the deadline."""
    data = b""
    while len(data) < size:
        connection.settimeout(left(deadline))
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def left(deadline: float) -> float:
    """Return the seconds until ``deadline``, at least 0.001. A socket treats 0 as non-blocking mode."""
    return max(0.001, deadline - time.monotonic())


def _speaks_http2(connection: socket.socket, deadline: float) -> bool:
    connection.settimeout(left(deadline))
    connection.sendall(PREFACE)
    header = exactly(connection, _FRAME_HEADER, deadline)
    return len(header) == _FRAME_HEADER and header[3] == _SETTINGS and int.from_bytes(header[5:9], "big") == 0
