# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls of a liaison to other nodes, for data and queries (contract, section 8)."""

from __future__ import annotations

import asyncio
import time

from .channel import HEALTH
from .log import log
from .tables import backoff
from .tasks import background
from .wire import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, UNKNOWN, Status

# The real server's client library repeats a call after its connection breaks (retry policy).
_RETRY_PAUSE, _RETRY_FACTOR = 0.5, 2.0
# Seconds to wait until a node says that it accepts writes.
_WRITABLE_WAIT = 2.0


class Sender:
    """Calls to the peers of one kind. peers: see tables.py.

    A call waits for a peer that counts as active but is not responding, until the peer is evictable. This wait is the cost of long
    restarts.
    """

    def __init__(self, peers):
        self.peers = peers

    def names(self):
        """Return the nodes that get shards: the active nodes, also healthy nodes that the topology dropped."""
        return sorted(name for name, peer in self.peers.active.items() if peer.writable)

    def pick(self, place, copies=1):
        """Return the nodes of a shard, each once. place: of the shard among all shards. copies: number of nodes."""
        names = self.names()
        return sorted({names[(place + copy) % len(names)] for copy in range(copies)}) if names else []

    async def call(self, name, path, request, timeout, attempts):
        """Return the answer of a node. Repeat the call a few times while its connection breaks. Raises Status."""
        peer = self.peers.active.get(name)
        if peer is None:
            raise Status(UNKNOWN, f"client not found for node {name}")
        deadline, pause = time.monotonic() + timeout, _RETRY_PAUSE
        while True:
            attempts -= 1
            try:
                return await peer.channel.call(path, request, deadline - time.monotonic(), wait=True)
            except Status as status:
                if status.code != UNAVAILABLE or not attempts or time.monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause *= _RETRY_FACTOR

    def failed(self, name, status):
        """Handle a failed call: an unhealthy node becomes evictable now, before the next periodic check."""
        if status.code in (UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED):
            background(self.peers.check(name))

    async def accepts(self, name):
        """Return whether a node takes writes. A node that does not confirm in time gets no shards until it does."""
        peer = self.peers.active.get(name)
        if peer is None:
            return False
        if await self._writable(peer):
            return True
        if peer.writable:
            peer.writable = False
            background(self._until_writable(name, peer))
        return False

    @staticmethod
    async def _writable(peer):
        try:
            await peer.channel.call(HEALTH, b"", _WRITABLE_WAIT, wait=True)
            return True
        except Status:
            return False

    async def _until_writable(self, name, peer):
        attempt = 0
        while self.peers.active.get(name) is peer and not peer.writable:
            await asyncio.sleep(backoff(attempt))
            peer.writable = await self._writable(peer)
            attempt += 1
        log("info", self.peers.label, "node takes writes again, or is gone", node=name)
