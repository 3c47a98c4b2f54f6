# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of the schema a data node has loaded (measured).

A META data node loads at its start what its own schema server has on disk. It hears at once of objects that are made later. Objects that others
made before, it loads in the fifth round of --schema-property-client-sync-interval. A data node without the META role has all before it serves.
"""

from __future__ import annotations

import time

from . import messages

_FULL_ROUND = 5


class SchemaSync:
    """interval: seconds of a round. registry: see registry.py."""

    def __init__(self, interval, registry):
        self.registry = registry
        self.own = set()  # keys of the objects on the node's own disk at the start
        self.started = time.time_ns()
        self.whole_at = time.monotonic() + _FULL_ROUND * interval

    async def has(self, key):
        """Return whether the node has loaded an object. key: as in registry.py."""
        if not self._loaded(key):
            await self.registry.refresh()
        return self._loaded(key)

    def _loaded(self, key):
        return key in self.own or time.monotonic() >= self.whole_at or self._revision(key) > self.started

    def _revision(self, key):
        return self.registry.objects.get(key, (0,))[0]

    async def key_revisions(self, request, metadata):
        await self.registry.refresh()
        answer = messages.GetKeyRevisionsResponse()
        for key in messages.decode(messages.GetKeyRevisionsRequest, request).keys:
            name = f"{key.kind}/{key.group}/{key.name}"
            revision = self._revision(name) if self._loaded(name) else 0
            answer.revisions.add(key=key, mod_revision=revision, present=bool(revision))
        return answer.SerializeToString()
