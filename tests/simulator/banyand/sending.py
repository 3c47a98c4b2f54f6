# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a liaison reaches other nodes with data and questions (contract, section 8)."""

from __future__ import annotations

import asyncio
import time

from .channel import HEALTH
from .log import log
from .tables import backoff
from .tasks import background
from .wire import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, UNKNOWN, Status

# A call whose connection breaks is made again, as the real server's client library does by its retry policy.
_RETRY_PAUSE, _RETRY_FACTOR = 0.5, 2.0
# How long a node may take to say that it accepts writes, before it is left alone.
_WRITABLE_WAIT = 2.0


class Sender:
    """Calls to the peers of one kind. peers: see tables.py.

    A call waits while a peer that counts as active does not answer: that, and the time until it is evictable, is what long
    restarts hurt by.
    """

    def __init__(self, peers):
        self.peers = peers

    def names(self):
        """Whom shards are spread over: the active nodes, among them those dropped from the topology while healthy."""
        return sorted(name for name, peer in self.peers.active.items() if peer.writable)

    def pick(self, place, copies=1):
        """The nodes of a shard, each once. place: of the shard among all shards. copies: how many nodes to take."""
        names = self.names()
        return sorted({names[(place + copy) % len(names)] for copy in range(copies)}) if names else []

    async def call(self, name, path, request, timeout, attempts):
        """The answer of a node, tried a few times while its connection breaks. Raises Status."""
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
        """A call has failed: a node that is not healthy becomes evictable now, and not by the next periodic check."""
        if status.code in (UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED):
            background(self.peers.check(name))

    async def accepts(self, name):
        """Whether a node takes writes. One that does not say so in time gets no shards until it does."""
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
