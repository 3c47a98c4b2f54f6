# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Discovery in mode `file` (contract, section 1): the file, its watch, its poll."""

from __future__ import annotations

import asyncio
import os
import time

from .channel import Unreachable, client_tls, fetch_node
from .discovery import AskingDiscovery, Backoff
from .log import log
from .tasks import background
from .topology import InvalidEntry, InvalidFile, parse_topology
from .watch import WRITE, FileWatch

# Measured, section 1: 1.01 s after a rename, 0.21 s after a write in place.
SETTLE_AFTER_RENAME = 1.0
SETTLE_AFTER_WRITE = 0.2
# After a longer absence of the file, discovery stops watching for good (measured with 6 s).
READD_TRIES, READD_PAUSE = 5, 0.5

_MODULE = "METADATA-DISCOVERY-FILE"


class FileDiscovery(AskingDiscovery):
    """flags: the values of the `node-discovery-*` flags. Discovery processes the file in its own order, under one lock."""

    def __init__(self, flags, metrics):
        retry = "node-discovery-file-retry-"
        super().__init__(_MODULE, metrics, Backoff(flags[retry + "initial-interval"], flags[retry + "multiplier"], flags[retry + "max-interval"]))
        self.path = os.path.abspath(flags["node-discovery-file-path"])
        self.timeout = flags["node-discovery-grpc-timeout"]
        self.poll = flags["node-discovery-file-fetch-interval"]
        self.entries = {}
        self.watch = FileWatch(self.path)
        self.reload = asyncio.Lock()
        self.tasks = []

    async def nodes(self, role):
        await self.load()
        return await super().nodes(role)

    async def start(self):
        """Load the file, then watch, poll and retry. Raises InvalidFile or OSError: discovery is then off until a restart."""
        await super().start()
        await self.load()
        self.watch.add()
        self.tasks = [background(run()) for run in (self._follow_watch, self._follow_poll, self._follow_retries)]

    async def close(self):
        """Stop, but first wait for the question in progress, as the real server does."""
        self.closing.set()
        if self.tasks:
            await asyncio.wait(self.tasks)
        self.watch.close()

    # Loading

    async def load(self):
        """Read the file and apply it. Raises InvalidFile or OSError: the cache is then unchanged."""
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
                continue  # known: discovery never asks again, even after a change of the node
            if entry.address in self.retries:
                old = before.get(entry.address)
                if old is None or old[1:] == entry[1:]:
                    continue  # in the retry queue
                del self.retries[entry.address]
            await self._admit(entry.address)
        await self._drop_all_but(self.entries)

    def _connected(self):
        self.metrics.count("node_connected_count")

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

    # The watch, the poll and the retries

    async def _follow_watch(self):
        while not self.closing.is_set():
            event = asyncio.ensure_future(self.watch.events.get())
            closing = asyncio.ensure_future(self.closing.wait())
            await asyncio.wait({event, closing}, return_when=asyncio.FIRST_COMPLETED)
            closing.cancel()
            if not event.done():
                event.cancel()
                return
            if event.result() != WRITE:
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
