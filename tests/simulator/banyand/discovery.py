# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Discovery: who the other nodes are, by file (contract, section 1) or not at all.

A handler is anything with `async added(node)` and `async removed(node)`. Discovery tells its handlers one after the
other, in the order in which they were registered.

The facts of section 1 come out of how this is built, as they do in the real server:
- the cache is keyed by the *address in the file*; a cached identity is never read again;
- the file is worked through serially, in its own order, under one lock; new entries first, then deletions;
- a deletion tells the handlers the *node name*, so a node whose address changed in one write is first added under the
  new address and then taken away by its name: it vanishes and stays gone.
"""

from __future__ import annotations

import asyncio
import os
import time

from .channel import Unreachable, client_tls, fetch_node
from .log import log
from .tasks import background
from .topology import InvalidEntry, InvalidFile, parse_topology
from .watch import REMOVE, FileWatch

# Measured, section 1: 1.01 s after a rename, 0.21 s after a write in place.
SETTLE_AFTER_RENAME = 1.0
SETTLE_AFTER_WRITE = 0.2
# A file that is absent for longer than this is no longer watched, for good (measured with 6 s).
READD_TRIES, READD_PAUSE = 5, 0.5
RETRY_TICK = 1.0

_MODULE = "METADATA-DISCOVERY-FILE"


class Discovery:
    """What all modes share: the cache of nodes by address, and the handlers."""

    def __init__(self):
        self.cache = {}
        self.handlers = []

    async def nodes(self, role):
        """The cached nodes that have a role."""
        return [node for node in self.cache.values() if role in node.roles]

    async def start(self):
        """Tell the handlers what is known already."""
        for handler in self.handlers:
            for node in list(self.cache.values()):
                await handler.added(node)

    async def close(self):
        """Stop what start began."""

    async def _added(self, node):
        for handler in self.handlers:
            await handler.added(node)

    async def _removed(self, node):
        for handler in self.handlers:
            await handler.removed(node)


class NoDiscovery(Discovery):
    """Mode `none`: a node knows itself."""

    def __init__(self, current):
        super().__init__()
        self.cache[current.grpc_address] = current


class _Retry:
    """An address that did not answer: tried again after 1, 2, 4 s ... up to 2 min."""

    def __init__(self, pause):
        self.pause = pause
        self.due = time.monotonic() + pause

    def postpone(self, factor, longest):
        self.pause = min(self.pause * factor, longest)
        self.due = time.monotonic() + self.pause


class FileDiscovery(Discovery):
    """Mode `file`. flags: the values of the `node-discovery-*` flags. metrics: see metrics.py."""

    def __init__(self, flags, metrics):
        super().__init__()
        self.path = os.path.abspath(flags["node-discovery-file-path"])
        self.timeout = flags["node-discovery-grpc-timeout"]
        self.poll = flags["node-discovery-file-fetch-interval"]
        self.retry_first = flags["node-discovery-file-retry-initial-interval"]
        self.retry_longest = flags["node-discovery-file-retry-max-interval"]
        self.retry_factor = flags["node-discovery-file-retry-multiplier"]
        self.metrics = metrics
        self.entries = {}
        self.retries = {}
        self.watch = FileWatch(self.path)
        self.reload = asyncio.Lock()
        self.tasks = []
        self.closing = asyncio.Event()

    async def nodes(self, role):
        await self.load()
        return await super().nodes(role)

    async def start(self):
        """Load, then watch, poll and retry. Raises InvalidFile or OSError; discovery is then off until a restart."""
        await super().start()
        await self.load()
        self.watch.add()
        self.tasks = [background(run()) for run in (self._follow_watch, self._follow_poll, self._follow_retries)]

    async def close(self):
        """Stop. What is being asked at this moment is waited for, as the real server does."""
        self.closing.set()
        if self.tasks:
            await asyncio.wait(self.tasks)
        self.watch.close()

    async def _pause(self, seconds):
        """Wait; True when the process stops meanwhile."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
            return True
        except asyncio.TimeoutError:
            return False

    # Loading

    async def load(self):
        """Read the file and follow it. Raises InvalidFile or OSError, the cache is then as before."""
        async with self.reload:
            began = time.monotonic()
            try:
                with open(self.path, "rb") as file:
                    content = file.read()
                await self._apply(parse_topology(content))
            except (InvalidEntry, OSError):
                self.metrics.count("file_load_failed_count")
                raise
            finally:
                self.metrics.count("file_load_count")
                self.metrics.observe("file_load_duration", time.monotonic() - began)

    async def _apply(self, entries):
        before, self.entries = self.entries, {entry.address: entry for entry in entries}
        for entry in entries:
            if entry.address in self.cache:
                continue  # known: never asked again, whatever it has become
            if entry.address in self.retries:
                old = before.get(entry.address)
                if old is None or old[1:] == entry[1:]:
                    continue  # the retry queue has it
                del self.retries[entry.address]
            try:
                node = await self._ask(entry.address)
            except Unreachable as error:
                self._retry_later(entry.address, error)
                continue
            self.cache[entry.address] = node
            await self._added(node)
            self.metrics.count("node_connected_count")
        # By node name, after the additions: the address trap (measured, section 1).
        gone = {address: self.cache.pop(address) for address in list(self.cache) if address not in self.entries}
        for node in gone.values():
            await self._removed(node)
        for address in [address for address in self.retries if address not in self.entries]:
            del self.retries[address]
        self.metrics.set("total_nodes_count", len(self.cache))
        self.metrics.set("retry_queue_size", len(self.retries))

    async def _ask(self, address):
        entry = self.entries.get(address)
        if entry is None:
            raise Unreachable(f"no node configuration found for address {address}")
        tls = None
        if entry.tls:
            try:
                tls = client_tls(entry.ca_cert_path)
            except (OSError, ValueError) as error:
                raise Unreachable(f"failed to use {entry.ca_cert_path} for {address}: {error}") from None
        return await fetch_node(address, tls, self.timeout)

    # The three things that follow the file

    async def _follow_watch(self):
        while not self.closing.is_set():
            event = asyncio.ensure_future(self.watch.events.get())
            closing = asyncio.ensure_future(self.closing.wait())
            await asyncio.wait({event, closing}, return_when=asyncio.FIRST_COMPLETED)
            closing.cancel()
            if not event.done():
                event.cancel()
                return
            if event.result() == REMOVE:
                await self._watch_again()
            else:
                await asyncio.sleep(SETTLE_AFTER_WRITE)
            await self._reload("fsnotify")

    async def _watch_again(self):
        self.watch.remove()
        await asyncio.sleep(SETTLE_AFTER_RENAME)
        for _ in range(READD_TRIES):
            try:
                self.watch.add()
                return
            except OSError:
                await asyncio.sleep(READD_PAUSE)
        log("error", _MODULE, "Failed to re-add file to watcher after retries", file=self.path)

    async def _follow_poll(self):
        due = time.monotonic() + self.poll
        while not await self._pause(max(due - time.monotonic(), 0)):
            await self._reload("periodic")
            while due <= time.monotonic():
                due += self.poll

    async def _reload(self, why):
        try:
            await self.load()
            log("info", _MODULE, f"Configuration file reloaded successfully ({why})", nodes=len(self.cache))
        except (InvalidFile, OSError) as error:
            log("warn", _MODULE, f"Failed to reload configuration file ({why})", error=str(error))

    async def _follow_retries(self):
        while not await self._pause(RETRY_TICK):
            now = time.monotonic()
            for address, retry in [item for item in self.retries.items() if item[1].due <= now]:
                await self._try_again(address, retry)

    def _retry_later(self, address, error):
        self.retries[address] = _Retry(self.retry_first)
        self.metrics.count("node_retry_count")
        self.metrics.set("retry_queue_size", len(self.retries))
        log("warn", _MODULE, "Failed to fetch node metadata, adding to retry queue", address=address, error=str(error))

    async def _try_again(self, address, retry):
        try:
            node = await self._ask(address)
        except Unreachable as error:
            retry.postpone(self.retry_factor, self.retry_longest)
            self.retries[address] = retry
            self.metrics.count("node_retry_failed_count")
            log("warn", _MODULE, "Node metadata fetch retry failed", address=address, error=str(error), next=retry.pause)
            return
        self.cache.setdefault(address, node)
        self.retries.pop(address, None)
        await self._added(node)
        log("info", _MODULE, "Node metadata fetched successfully after retry", address=address, name=node.metadata.name)
        self.metrics.count("node_retry_success_count")
        self.metrics.count("node_connected_count")
        self.metrics.set("retry_queue_size", len(self.retries))
