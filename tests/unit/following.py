# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server in memory that follows a topology file by section 1 of the contract, and nodes whose addresses respond.

The addresses are real sockets on loopback. The server is a function of the file and faster than a real server.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def _answer(listening: socket.socket) -> None:
    """Send the first frame of a gRPC server to each connection, until the socket is shut down."""
    with suppress(OSError):
        while True:
            peer, _ = listening.accept()
            with peer, suppress(OSError):
                peer.settimeout(2.0)
                peer.recv(1024)
                peer.sendall(SETTINGS)


class Network:
    """Nodes on loopback: the node at each address, and the identity that it reports."""

    def __init__(self) -> None:
        self.identities: dict[str, Identity] = {}
        self._listening: dict[str, socket.socket] = {}

    def node(self, name: str, node_name: str = "", **labels: str) -> Node:
        """Add a node that responds at a new address. Its reported name is ``node_name``, by default its address."""
        listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=_answer, args=(listening,), daemon=True).start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        self._listening[address] = listening
        self.identities[address] = Identity(node_name or address, address, ("ROLE_DATA",), tuple(sorted(labels.items())))
        return Node(name, address)

    def relabel(self, node: Node, node_name: str = "", **labels: str) -> None:
        """Restart the node with other labels, or under another node name."""
        before = self.identities[node.grpc_address]
        after = before._replace(labels=tuple(sorted(labels.items())), node_name=node_name or before.node_name)
        self.identities[node.grpc_address] = after

    def silence(self, node: Node) -> None:
        """Stop the node: its address refuses connections."""
        with self._listening.pop(node.grpc_address) as listening:
            listening.shutdown(socket.SHUT_RDWR)

    def answers(self, address: str) -> bool:
        return address in self._listening

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        for listening in self._listening.values():
            with listening:
                listening.shutdown(socket.SHUT_RDWR)


@dataclass
class Server:
    """A data node that follows ``path``: it processes the file ``delay`` seconds after it saw a change.

    It adds new addresses first and then drops the old entries *by node name*. It reads an identity only once and
    an unchanged file only once. ``delay`` None: it has lost its watch.
    """

    path: Path
    network: Network
    delay: float | None = 0.05
    failure: Failure | None = None
    texts: list[str] = field(default_factory=list)
    asked: int = 0
    _cache: dict[str, Identity] = field(default_factory=dict)
    _table: dict[str, Identity] = field(default_factory=dict)
    _seen: tuple[int, int] = (0, 0)
    _due: float | None = None

    def ask(self) -> View | Failure:
        """Return its present view."""
        self.asked += 1
        if self.path.exists() and self.delay is not None:
            status = os.stat(self.path)
            if (status.st_ino, status.st_mtime_ns) != self._seen:
                self._seen = status.st_ino, status.st_mtime_ns
                self._due = time.monotonic() + self.delay
            if self._due is not None and time.monotonic() >= self._due:
                self._due = None
                self.load()
        return self.failure or View({"property": RouteTable(tuple(self._table.values()))})

    def load(self) -> None:
        """Process the file, as at a start or a poll."""
        text = self.path.read_text()
        self.texts.append(text)
        addresses = [entry["grpc_address"] for entry in yaml.safe_load(text)["nodes"]]
        for address in addresses:
            if address not in self._cache and self.network.answers(address):
                self._cache[address] = self._table[self.network.identities[address].node_name] = self.network.identities[address]
        for address in set(self._cache) - set(addresses):
            self._table.pop(self._cache.pop(address).node_name, None)

    @property
    def lists(self) -> list[list[str]]:
        """Return the entry names of each file that it has processed."""
        return [[entry["name"] for entry in yaml.safe_load(text)["nodes"]] for text in self.texts]
