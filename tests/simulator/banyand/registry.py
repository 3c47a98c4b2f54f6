# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema: groups and measures. META data nodes keep the schema on disk. Other processes ask them on demand.

The real server pushes changes. In the simulator a process without work does nothing. A process asks all META data nodes in reach and takes
the newest version of each object. It sends this version to the META data nodes that lack it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time

from .points import write_whole
from .wire import ALREADY_EXISTS, NOT_FOUND, UNAVAILABLE, Status

_READ = "/simulator.Schema/Read"
_WRITE = "/simulator.Schema/Write"
_FILE = "objects.json"
# Seconds to wait for a META data node. Health checks find a META data node that is not responding.
_TIMEOUT = 1.0
# Nanoseconds, as in the real revision of the schema that the real server makes for itself.
OWN_REVISION = 1_700_000_000_000_000_000
# Groups that the real server makes for itself (measured); times in days. CATALOG_PROPERTY is 3, CATALOG_STREAM is 1.
OWN_GROUPS = (
    {"name": "_deletion_task", "catalog": 3, "replicas": 0, "interval": 0, "ttl": 0},
    {"name": "_property_gossip", "catalog": 1, "replicas": 1, "interval": 1, "ttl": 3},
)
GROUP = "group/"


def _encode(objects):
    return json.dumps({key: [revision, base64.b64encode(data).decode()] for key, (revision, data) in objects.items()}).encode()


def _decode(text):
    return {key: (revision, base64.b64decode(data)) for key, (revision, data) in json.loads(text or b"{}").items()}


def _newer(objects, than):
    """Return the objects that the second mapping lacks or has in an older revision."""
    return {key: value for key, value in objects.items() if key not in than or than[key][0] < value[0]}


class SchemaStore:
    """The objects of a META data node in a directory: key -> (revision, bytes)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, _FILE)
        self.objects = {}

    def load(self):
        """Read the objects of an earlier process."""
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self.objects = _decode(file.read())

    def services(self):
        return {_READ: self.read, _WRITE: self.write}

    async def read(self, request, metadata):
        return _encode(self.objects)

    async def write(self, request, metadata):
        news = _newer(_decode(request), self.objects)
        if news:
            self.objects.update(news)
            write_whole(self.path, _encode(self.objects))
        return b""


class Registry:
    """The schema that one process knows. peers: a function that returns the Peers of the META data nodes' schema servers."""

    def __init__(self, peers):
        self.peers = peers
        self.objects = {}

    async def refresh(self):
        """Ask the META data nodes for changes."""
        channels = [peer.channel for peer in self.peers().active.values()]
        known = await asyncio.gather(*(self._read(channel) for channel in channels))
        for objects in known:
            self.objects.update(_newer(objects or {}, self.objects))
        lagging = [(channel, _newer(self.objects, objects)) for channel, objects in zip(channels, known) if objects is not None]
        await asyncio.gather(*(self._write(channel, news) for channel, news in lagging if news))

    async def max_revision(self):
        """Return the highest revision that this process knows."""
        await self.refresh()
        return max([OWN_REVISION, *(revision for revision, _ in self.objects.values())])

    async def find(self, key):
        """Return the bytes of an object. Raises Status."""
        if key not in self.objects:
            await self.refresh()
        if key not in self.objects:
            raise Status(NOT_FOUND, "banyandb: resource not found")
        return self.objects[key][1]

    async def create(self, key, encode):
        """Make an object and return its revision. encode: a function that returns the object's bytes for a revision. Raises Status."""
        await self.refresh()
        if key in self.objects:
            raise Status(ALREADY_EXISTS, "banyandb: resource already exists")
        revision = time.time_ns()
        news = {key: (revision, encode(revision))}
        taken = await asyncio.gather(*(self._write(peer.channel, news) for peer in self.peers().active.values()))
        if not any(taken):
            raise Status(UNAVAILABLE, "no active schema server")
        self.objects.update(news)
        return revision

    @staticmethod
    async def _read(channel):
        try:
            return _decode(await channel.call(_READ, b"", _TIMEOUT))
        except Status:
            return None

    @staticmethod
    async def _write(channel, news):
        try:
            await channel.call(_WRITE, _encode(news), _TIMEOUT)
            return True
        except Status:
            return False
