# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Discovery of the other nodes: the shared part. file_discovery.py and dns_discovery.py have the modes.

A handler is an object with `async added(node)` and `async removed(node)`. Discovery calls its handlers in the order of their
registration.

The design of the real server causes the facts of sections 1 and 2, and the simulator has the same design:
- The key of the cache is the *address in the list*. Discovery never reads a cached identity again.
- Discovery processes the list serially: new addresses first, then deletions.
- A deletion passes the *node name* to the handlers. When the address of a node changes in one step, discovery first adds the node
under the new address and then removes it by its name: the node disappears for good.
"""

from __future__ import annotations

import asyncio
import time

from .channel import Unreachable
from .log import log

RETRY_TICK = 1.0


class Discovery:
    """The cache of nodes by address, and the handlers."""

    def __init__(self):
        self.cache = {}
        self.handlers = []

    async def nodes(self, role):
        """Return the cached nodes with this role."""
        return [node for node in self.cache.values() if role in node.roles]

    async def start(self):
        """Pass the known nodes to the handlers."""
        for handler in self.handlers:
            for node in list(self.cache.values()):
                await handler.added(node)

    async def close(self):
        """Stop the work of start()."""

    async def _added(self, node):
        for handler in self.handlers:
            await handler.added(node)

    async def _removed(self, node):
        for handler in self.handlers:
            await handler.removed(node)


class NoDiscovery(Discovery):
    """Mode `none`: a node knows only itself."""

    def __init__(self, current):
        super().__init__()
        self.cache[current.grpc_address] = current


class Backoff:
    """Pauses before an address is tried again: first, first * factor, ... up to `longest` seconds."""

    def __init__(self, first, factor, longest):
        self.first, self.factor, self.longest = first, factor, longest


class _Retry:
    """An address that is not responding."""

    def __init__(self, backoff):
        self.backoff = backoff
        self.pause = backoff.first
        self.due = time.monotonic() + self.pause

    def postpone(self):
        self.pause = min(self.pause * self.backoff.factor, self.backoff.longest)
        self.due = time.monotonic() + self.pause


class AskingDiscovery(Discovery):
    """A mode with a list of addresses, which asks each address for its node. module: for the log. metrics: see metrics.py."""

    def __init__(self, module, metrics, backoff):
        super().__init__()
        self.module = module
        self.metrics = metrics
        self.backoff = backoff
        self.retries = {}
        self.closing = asyncio.Event()

    async def _ask(self, address):
        """Return the node at an address. Raises Unreachable."""
        raise NotImplementedError

    def _connected(self):
        """Record that an address has answered for the first time."""

    async def _pause(self, seconds):
        """Wait. Return True when the process stops during the pause."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
            return True
        except asyncio.TimeoutError:
            return False

    async def _admit(self, address):
        """Ask a new address. When the address is not responding, add it to the retry queue and return the reason."""
        try:
            node = await self._ask(address)
        except Unreachable as error:
            self.retries[address] = _Retry(self.backoff)
            self.metrics.count("node_retry_count")
            self.metrics.set("retry_queue_size", len(self.retries))
            log("warn", self.module, "Failed to fetch node metadata, adding to retry queue", address=address, error=str(error))
            return error
        self.cache[address] = node
        await self._added(node)
        self._connected()
        return None

    async def _drop_all_but(self, addresses):
        """Remove all other nodes, by node name and after the additions: the address trap (measured, sections 1 and 2)."""
        gone = {address: self.cache.pop(address) for address in list(self.cache) if address not in addresses}
        for node in gone.values():
            await self._removed(node)
        for address in [address for address in self.retries if address not in addresses]:
            del self.retries[address]
        self.metrics.set("total_nodes_count", len(self.cache))
        self.metrics.set("retry_queue_size", len(self.retries))

    async def _follow_retries(self):
        tick = time.monotonic() + RETRY_TICK
        while not await self._pause(max(tick - time.monotonic(), 0)):
            now = time.monotonic()
            for address, retry in [item for item in self.retries.items() if item[1].due <= now]:
                await self._try_again(address, retry)
            # A missed tick counts at once. Several missed ticks count as one, as with a ticker of Go.
            tick += RETRY_TICK * max(1, (time.monotonic() - tick) // RETRY_TICK)

    async def _try_again(self, address, retry):
        try:
            node = await self._ask(address)
        except Unreachable as error:
            retry.postpone()
            self.retries[address] = retry
            self.metrics.count("node_retry_failed_count")
            log("warn", self.module, "Node metadata fetch retry failed", address=address, error=str(error), next=retry.pause)
            return
        self.cache.setdefault(address, node)
        self.retries.pop(address, None)
        await self._added(node)
        log("info", self.module, "Node metadata fetched successfully after retry", address=address, name=node.metadata.name)
        self.metrics.count("node_retry_success_count")
        self._connected()
        self.metrics.set("retry_queue_size", len(self.retries))
