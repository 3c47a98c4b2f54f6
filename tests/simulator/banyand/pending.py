# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points that a liaison still holds: in memory until the flush, then as parts on disk until the data nodes have them.

Measured, section 8: the real server acknowledges points in memory and flushes them after --measure-flush-timeout (5 s). It loses
them when it stops before the flush, even by SIGTERM. A part on disk survives a restart; the next part of its shard sends it too.
When a data node refuses a part in three more tries, the liaison moves the part to `failed-parts`. The part stays there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time

from .log import log
from .points import POINTS, make_private, split_head, with_head, write_whole
from .store import TAKE
from .tasks import background
from .wire import Status

FAILED = "failed-parts"
# Seconds before each further try, and seconds to wait when there is no data node.
_TRIES, _NO_NODE = (1.0, 2.0, 4.0), 2.0
# The real server has no time limit for a part: the wait ends when the channel closes. Second value: tries on a broken connection.
_PART_TIMEOUT, _PART_ATTEMPTS = 600.0, 3


class Pending:
    """The shards with points on this liaison. root: directory of the measures. name: of the node. locate: see Shard."""

    def __init__(self, root, name, flush_timeout, sender, locate):
        self.root, self.name, self.flush_timeout, self.sender, self.locate = root, name, flush_timeout, sender, locate
        self.shards = {}

    def add(self, group, shard, data):
        """Hold records of a shard in memory."""
        if (group, shard) not in self.shards:
            self.shards[group, shard] = Shard(self, group, shard)
        self.shards[group, shard].add(data)


class Shard:
    """One shard. pending: its Pending, whose locate(group, shard) returns the names of the shard's data nodes."""

    def __init__(self, pending, group, shard):
        self.pending, self.group, self.shard = pending, group, shard
        self.folder = os.path.join(pending.root, group, f"shard-{shard}")
        make_private(self.folder)
        self.memory = []
        # The order of the names is the order in which the parts were made.
        self.parts = sorted(name for name in os.listdir(self.folder) if os.path.isfile(os.path.join(self.folder, name, POINTS)))
        self.sending = None
        # Measured: a shard without parts on disk flushes its first points at once.
        self.pause = self.pending.flush_timeout if self.parts else 0.0

    def add(self, data):
        if not self.memory:
            background(self._flush_later(self.pause))
            self.pause = self.pending.flush_timeout
        self.memory.append(data)

    async def _flush_later(self, pause):
        await asyncio.sleep(pause)
        data, self.memory = b"".join(self.memory), []
        name = f"{time.time_ns():016x}"
        head = {"group": self.group, "shard": self.shard, "sender": self.pending.name, "part": name}
        write_whole(os.path.join(self.folder, name, POINTS), with_head(head, data))
        self.parts.append(name)
        if self.sending is None or self.sending.done():
            self.sending = background(self._send_all())

    async def _send_all(self):
        """Send until no part is left. The rounds are serial, so a node that hangs delays the later parts."""
        while self.parts:
            nodes = self.pending.locate(self.group, self.shard)
            if not nodes:
                log("error", "MEASURE", "cannot sync snapshot: no nodes to sync parts", group=self.group, shard=self.shard)
                await asyncio.sleep(_NO_NODE)
                continue
            await self._round(list(self.parts), nodes)

    async def _round(self, parts, nodes):
        make_private(os.path.join(self.folder, FAILED))
        failed = [node for node in nodes if not await self._send(parts, node)]
        if failed:
            for part in parts:
                if not await self._retry(part, failed):
                    self._give_up(part)
        for part in parts:
            self.parts.remove(part)
            shutil.rmtree(os.path.join(self.folder, part))

    async def _retry(self, part, nodes):
        for pause in _TRIES:
            await asyncio.sleep(pause)
            results = [await self._send([part], node) for node in nodes]
            if all(results):
                return True
        return False

    async def _send(self, parts, node):
        """Send parts to a node. Return whether the node took all of them."""
        try:
            for part in parts:
                await self.pending.sender.call(node, TAKE, self._read(part), _PART_TIMEOUT, _PART_ATTEMPTS)
        except Status as status:
            log("error", "MEASURE", "sync error", error=status.message, node=node, group=self.group, shard=self.shard)
            return False
        return True

    def _read(self, part):
        with open(os.path.join(self.folder, part, POINTS), "rb") as file:
            return file.read()

    def _give_up(self, part):
        target = os.path.join(self.folder, FAILED, f"{part}_core")
        shutil.copytree(os.path.join(self.folder, part), target)
        head, _ = split_head(self._read(part))
        log("error", "MEASURE", "parts permanently failed after all retries and have been copied to failed-parts directory", **head)
