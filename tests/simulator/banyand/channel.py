# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gRPC channel that behaves like the real server's client library, and the two ways the server uses the channel.

The channel connects at its first use. During the first attempt, calls wait. After a failed attempt, calls fail at once until a
later attempt succeeds (after 1 s, 1.6 s, ...). A refused peer and a silent peer cost the same time: the caller tries until its time-out.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time

from . import messages
from .resolver import resolve, split_address
from .tasks import background
from .wire import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, ClientConnection, Status

HEALTH = "/grpc.health.v1.Health/Check"
CURRENT_NODE = "/banyandb.database.v1.NodeQueryService/GetCurrentNode"
CLUSTER_STATE = "/banyandb.database.v1.ClusterStateService/GetClusterState"

_CONNECT_TIMEOUT = 20.0
_BACKOFF, _BACKOFF_FACTOR, _BACKOFF_JITTER, _BACKOFF_MAX = 1.0, 1.6, 0.2, 120.0


def client_tls(ca_cert_path):
    """Return a TLS context that trusts one CA bundle. Raises OSError or ssl.SSLError when the file is not usable."""
    context = ssl.create_default_context(cafile=ca_cert_path)
    context.set_alpn_protocols(["h2"])
    return context


class Channel:
    """A channel to one address. Close the channel after its use."""

    def __init__(self, address, tls=None):
        self.address = address
        self.tls = tls
        self.connection = None
        self.failure = None
        self.changed = asyncio.Event()
        self.task = None
        self.closed = False

    def close(self):
        self.closed = True
        self.changed.set()
        if self.task is not None:
            self.task.cancel()
        if self.connection is not None:
            self.connection.transport.close()

    async def call(self, path, request, timeout, metadata=(), wait=False):
        """Make a unary call and return the response message. Raises Status. `timeout` in seconds; `metadata`: pairs of name and value.

        wait: wait for a connection through any number of failed attempts, as gRPC's "wait for ready" does. Such a call ends with
        CANCELLED when the channel closes.
        """
        deadline = time.monotonic() + timeout
        while self.connection is None or self.connection.closed.done():
            if self.closed:
                raise Status(CANCELLED, "grpc: the client connection is closing")
            if self.task is None or self.task.done():
                self.failure = None
                self.task = background(self._keep_connected())
            if self.failure is not None and not wait:
                raise Status(UNAVAILABLE, self.failure)
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), max(deadline - time.monotonic(), 0))
            except asyncio.TimeoutError:
                raise Status(DEADLINE_EXCEEDED, "context deadline exceeded") from None
        return await self.connection.call(path, request, deadline - time.monotonic(), metadata)

    async def _keep_connected(self):
        """Connect, with a pause after each failure, and return when an established connection ends."""
        backoff = _BACKOFF
        while True:
            try:
                connection = await self._connect()
            except (OSError, OverflowError, ValueError, asyncio.TimeoutError) as error:
                self.failure = f"connection error: {error or 'timed out'}"
                self.changed.set()
                await asyncio.sleep(backoff * (1 + _BACKOFF_JITTER * random.uniform(-1, 1)))
                backoff = min(backoff * _BACKOFF_FACTOR, _BACKOFF_MAX)
                continue
            self.failure, self.connection = None, connection
            self.changed.set()
            await connection.closed
            self.connection = None
            self.changed.set()
            return

    async def _connect(self):
        host, port = split_address(self.address)
        loop = asyncio.get_running_loop()
        error = OSError("no addresses")
        for ip in await resolve(host):
            scheme = "https" if self.tls else "http"
            # A certificate contains the host name without the final dot of an absolute name.
            extra = {"ssl": self.tls, "server_hostname": host.rstrip(".")} if self.tls else {}
            connection = ClientConnection(self.address, scheme)
            try:
                await asyncio.wait_for(self._handshake(loop, connection, ip, port, extra), _CONNECT_TIMEOUT)
                return connection
            except OSError as failed:
                error = failed
        raise error

    @staticmethod
    async def _handshake(loop, connection, ip, port, extra):
        await loop.create_connection(lambda: connection, ip, port, **extra)
        try:
            await connection.ready
        except asyncio.CancelledError:
            connection.transport.abort()
            raise
        if connection.closed.done():
            raise ConnectionError('desc = "error reading server preface: EOF"')

    async def healthy(self, timeout):
        """Return whether the health service answers SERVING within `timeout` seconds."""
        try:
            reply = await self.call(HEALTH, messages.HealthCheckRequest().SerializeToString(), timeout)
            return messages.decode(messages.HealthCheckResponse, reply).status == messages.SERVING
        except Status:
            return False


class Unreachable(Exception):
    """A listed address did not return its identity. The message says why."""


async def fetch_node(address, tls, timeout):
    """Ask an address for its node, as discovery does. `timeout` in seconds. Raises Unreachable.

    The function asks the health service every 0.5 s until the time-out. An address that is not responding costs 5.0 s (refused) or
    5.5 s (silent) by default (contract, section 1: about 5 s each). An address that starts during this time is accepted.
    """
    deadline = time.monotonic() + timeout
    channel = Channel(address, tls)
    try:
        while True:
            if time.monotonic() > deadline:
                raise Unreachable(f"failed to connect to {address}: health check timeout reached")
            try:
                await channel.call(HEALTH, messages.HealthCheckRequest().SerializeToString(), timeout)
                break
            except Status:
                await asyncio.sleep(0.5)
        try:
            request = messages.GetCurrentNodeRequest().SerializeToString()
            reply = await channel.call(CURRENT_NODE, request, deadline - time.monotonic())
            return messages.decode(messages.GetCurrentNodeResponse, reply).node
        except Status as status:
            raise Unreachable(f"failed to get current node from {address}: {status.message}") from None
    finally:
        channel.close()
