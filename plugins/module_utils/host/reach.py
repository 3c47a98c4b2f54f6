# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses answer, tried from this host. Standard library only, Python 3.9+.

An address answers when it speaks HTTP/2, as every gRPC server does: it replies to the connection preface
with its SETTINGS frame (RFC 9113, section 3.4). A listening socket alone proves nothing: the kernel also
accepts for a process that is stopped or hung, and each such entry holds a server up for 5 s.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping

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
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                return _speaks_http2(wrapped, deadline)
    except (OSError, ValueError):  # ValueError: a host name that IDNA cannot encode
        return False


def answering(nodes: Iterable[Node], timeout: float) -> set[str]:
    """The addresses (``Node.address_key``) that answer; all are tried side by side, each for ``timeout`` seconds.

    Threads are daemons: a name look-up under a silent nameserver cannot be interrupted, only left behind.
    """
    by_address: Mapping[str, Node] = {node.address_key: node for node in nodes}
    todo: queue.SimpleQueue[Node] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    for node in by_address.values():
        todo.put(node)

    def work() -> None:
        while True:
            try:
                node = todo.get_nowait()
            except queue.Empty:
                return
            done.put((node.address_key, answers(node, timeout)))

    for _ in range(min(WORKERS, len(by_address))):
        threading.Thread(target=work, daemon=True).start()
    rounds = -(-len(by_address) // WORKERS)
    deadline = time.monotonic() + rounds * timeout + 1.0
    found: set[str] = set()
    for _ in by_address:
        try:
            address, ok = done.get(timeout=_left(deadline))
        except queue.Empty:
            break
        if ok:
            found.add(address)
    return found


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
