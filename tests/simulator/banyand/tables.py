# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Route tables: the registered, active and evictable peers (contract, section 3).

Peers keeps a connection to every node that discovery added. One lock covers each change, each health check and each reading
of the table, as in the real server. This design causes the other measured facts:
- A periodic health check finds a peer that stops (10 s apart by default: evictable after 5-8 s). Peers then tries it again after
1 s, 2 s, ... 20 s (after a short stop it is active again 0.3-0.8 s after its first answer).
- A healthy peer that the topology drops keeps its connection; only the table hides it. If the peer stops while dropped and the topology
adds it again, it is `evictable` for good (section 8: stuck). To free it, drop it and add it again.
"""

from __future__ import annotations

import asyncio
import random

from . import messages
from .channel import Channel
from .log import log
from .tasks import background

HEALTH_CHECK_TIMEOUT = 2.0
_BACKOFF, _BACKOFF_MAX, _BACKOFF_JITTER = 1.0, 20.0, 0.2


def backoff(attempt):
    """Return the seconds until the next try, after `attempt` tries."""
    pause = min(_BACKOFF * 2**attempt, _BACKOFF_MAX)
    return min(pause * (1 + _BACKOFF_JITTER * random.uniform(-1, 1)), _BACKOFF_MAX)


class _Peer:
    def __init__(self, node, channel):
        self.node = node
        self.channel = channel
        self.task = None
        self.writable = True


class Peers:
    """The peers of one kind.

    label: for the log. concerns: a function that returns whether a node is of this kind. address_of: returns the address to connect to.
    interval: seconds between health checks, 0 for none. tls: a function that returns the TLS context, or None.
    """

    def __init__(self, label, concerns, address_of, interval, tls=None):
        self.label = label
        self.concerns = concerns
        self.address_of = address_of
        self.tls = tls
        self.registered = {}
        self.active = {}
        self.evictable = {}
        self.lock = asyncio.Lock()
        self.tasks = set()
        if interval > 0:
            self._run(self._check_periodically(interval))

    def close(self):
        for task in self.tasks:
            task.cancel()
        for peer in self.active.values():
            peer.channel.close()

    async def table(self):
        """Return the current RouteTable."""
        async with self.lock:
            return messages.RouteTable(
                registered=list(self.registered.values()),
                active=[name for name in self.active if name in self.registered],
                evictable=[name for name in self.evictable if name in self.registered],
            )

    async def added(self, node):
        """Handle a node that discovery found, or found again."""
        name, address = node.metadata.name, self.address_of(node)
        if not self.concerns(node) or not name or not address:
            return
        async with self.lock:
            before = self.registered.get(name)
            self.registered[name] = node
            if before is not None and self.address_of(before) != address:
                self._forget(name)
            if name in self.active or name in self.evictable:
                return
            peer = _Peer(node, self._channel(node))
            if await peer.channel.healthy(HEALTH_CHECK_TIMEOUT):
                self.active[name] = peer
            else:
                self._evict(name, peer)

    async def removed(self, node):
        """Handle a node that discovery removed: remove the peer that is registered under the node's name."""
        name = node.metadata.name
        async with self.lock:
            self.registered.pop(name, None)
            if name in self.evictable:
                self._forget(name)
            elif name in self.active and not await self._drop_unhealthy(name, self.active[name]):
                self._run(self._drop_later(name, self.active[name]))

    async def reconnect(self):
        """Close every connection and connect again, as after a change of the CA file.

        The real server closes its connections first, and has new ones before a call fails (measured: none of 6,725 writes during a rotation).
        The simulator is slower, so it connects first.
        """
        peers = {name: _Peer(node, self._channel(node)) for name, node in self.registered.items()}
        healthy = await asyncio.gather(*(peer.channel.healthy(HEALTH_CHECK_TIMEOUT) for peer in peers.values()))
        async with self.lock:
            for (name, peer), answers in zip(peers.items(), healthy):
                if self.registered.get(name) is not peer.node:
                    peer.channel.close()
                    continue
                self._forget(name)
                if answers:
                    self.active[name] = peer
                else:
                    self._evict(name, peer)

    async def check(self, name):
        """Handle a failed call to this node: an unhealthy node becomes evictable."""
        async with self.lock:
            peer = self.active.get(name)
            if peer is not None and not await peer.channel.healthy(HEALTH_CHECK_TIMEOUT):
                self._evict(name, peer)

    def _channel(self, node):
        return Channel(self.address_of(node), self.tls() if self.tls else None)

    def _run(self, work):
        task = background(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _forget(self, name):
        peer = self.evictable.pop(name, None)
        if peer is not None and peer.task is not None:
            peer.task.cancel()
        peer = self.active.pop(name, None)
        if peer is not None:
            peer.channel.close()

    def _evict(self, name, peer):
        peer.channel.close()
        self.active.pop(name, None)
        self.evictable[name] = peer
        peer.task = self._run(self._reconnect(name, peer))
        log("info", self.label, "node is unhealthy, move it to evict queue", node=name)

    async def _drop_unhealthy(self, name, peer):
        if await peer.channel.healthy(HEALTH_CHECK_TIMEOUT):
            return False
        log("info", self.label, "node is unhealthy, removing from active", node=name)
        peer.channel.close()
        if self.active.get(name) is peer:
            del self.active[name]
        return True

    async def _drop_later(self, name, peer):
        """Keep a healthy connection of a removed node until the node returns or becomes unhealthy."""
        attempt = 0
        while True:
            await asyncio.sleep(backoff(attempt))
            async with self.lock:
                if name in self.registered or await self._drop_unhealthy(name, peer):
                    return
            attempt += 1

    async def _reconnect(self, name, peer):
        attempt = 0
        while True:
            await asyncio.sleep(backoff(attempt))
            channel = self._channel(peer.node)
            if await self._answers(channel):
                async with self.lock:
                    if self.evictable.get(name) is peer:
                        del self.evictable[name]
                        self.active[name] = _Peer(peer.node, channel)
                        log("info", self.label, "node is healthy, move it back to active queue", node=name)
                    else:
                        channel.close()
                return
            if name not in self.registered:
                return  # stays evictable, and no task tries it again: the stuck node of section 8
            attempt += 1

    @staticmethod
    async def _answers(channel):
        healthy = False
        try:
            healthy = await channel.healthy(HEALTH_CHECK_TIMEOUT)
        finally:
            if not healthy:
                channel.close()
        return healthy

    async def _check_periodically(self, interval):
        loop = asyncio.get_running_loop()
        due = loop.time() + interval
        while True:
            await asyncio.sleep(max(due - loop.time(), 0))
            for name in list(self.active):
                await self.check(name)
            while due <= loop.time():
                due += interval


class Roster:
    """The table of a data node: all data nodes that discovery added. active and evictable are always empty (section 3)."""

    def __init__(self):
        self.registered = {}

    async def added(self, node):
        if node.property_repair_gossip_grpc_address and node.metadata.name:
            self.registered[node.metadata.name] = node

    async def removed(self, node):
        self.registered.pop(node.metadata.name, None)

    async def table(self):
        return messages.RouteTable(registered=list(self.registered.values()))
