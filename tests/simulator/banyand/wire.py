# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gRPC over HTTP/2 on h2 and asyncio: only what the simulator needs.

A service table maps `/package.Service/Method` to `async handler(request: bytes, metadata: dict) -> bytes`. A handler
fails by raising Status. The texts for unknown services and methods are those of the real server (recorded answers).
A handler marked `@streaming` starts when the client opens the stream. Its first argument is an async function instead of the request.
The function returns all messages after the client has closed its side: the real server answers the only stream here (the write of
points) at that time. The handler returns a list of messages.
"""

from __future__ import annotations

import asyncio
import struct
from urllib.parse import quote, unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from .tasks import background

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16


class Status(Exception):
    """A failed gRPC call: code (number) and message."""

    def __init__(self, code, message):
        super().__init__(f"gRPC status {code}: {message}")
        self.code = code
        self.message = message


def frame(message):
    """Return a message with gRPC's five bytes before it."""
    return struct.pack(">BI", 0, len(message)) + message


def unframe(data):
    """Return the first message of a stream's data. Raises Status when it is incomplete or compressed."""
    messages = unframe_all(data)
    if not messages:
        raise Status(INTERNAL, "message is missing")
    return messages[0]


def unframe_all(data):
    """Return all messages of a stream's data. Raises Status when one is incomplete or compressed."""
    messages, start = [], 0
    while start < len(data):
        if len(data) < start + 5:
            raise Status(INTERNAL, "message is cut short")
        compressed, length = struct.unpack_from(">BI", data, start)
        start += 5
        if compressed or len(data) < start + length:
            raise Status(INTERNAL, "message is compressed or cut short")
        messages.append(bytes(data[start : start + length]))
        start += length
    return messages


def streaming(handler):
    """Mark the handler of a stream; see the top of this file."""
    handler.streaming = True
    return handler


def is_streaming(handler):
    return getattr(handler, "streaming", False)


class _Connection(asyncio.Protocol):
    """The shared part of client and server: bytes to and from h2, and the wait for a send window."""

    client_side = False

    def __init__(self):
        self.h2 = H2Connection(H2Configuration(client_side=self.client_side, header_encoding="utf-8", validate_inbound_headers=False))
        self.transport = None
        self.window = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data):
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            if isinstance(event, DataReceived):
                self.on_event(event)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (WindowUpdated, RemoteSettingsChanged)):
                self.window.set()
                self.on_event(event)
            else:
                self.on_event(event)
        self.flush()

    def connection_lost(self, exc):
        self.window.set()

    def flush(self):
        data = self.h2.data_to_send()
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    async def send(self, stream_id, data, end_stream):
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if room <= 0:
                self.window.clear()
                await self.window.wait()
                if self.transport.is_closing():
                    raise ConnectionError("connection closed")
                continue
            part, view = view[:room], view[room:]
            self.h2.send_data(stream_id, bytes(part), end_stream=end_stream and not view)
            self.flush()


class _ServerConnection(_Connection):
    def __init__(self, services, connections):
        super().__init__()
        self.services = services
        self.connections = connections
        self.requests = {}
        self.tasks = {}

    def connection_made(self, transport):
        super().connection_made(transport)
        self.connections.add(self)

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.connections.discard(self)
        for task in self.tasks.values():
            task.cancel()

    def on_event(self, event):
        if isinstance(event, RequestReceived):
            body, ended = self.requests[event.stream_id] = bytearray(), asyncio.Event()
            task = background(self.answer(event.stream_id, dict(event.headers), body, ended))
            self.tasks[event.stream_id] = task
            task.add_done_callback(lambda _: self.tasks.pop(event.stream_id, None))
        elif isinstance(event, DataReceived):
            if event.stream_id in self.requests:
                self.requests[event.stream_id][0].extend(event.data)
        elif isinstance(event, StreamEnded):
            if event.stream_id in self.requests:
                self.requests.pop(event.stream_id)[1].set()
        elif isinstance(event, StreamReset):
            self.requests.pop(event.stream_id, None)
            if event.stream_id in self.tasks:
                self.tasks[event.stream_id].cancel()

    async def answer(self, stream_id, headers, body, ended):
        try:
            try:
                replies = await self.handle(headers, body, ended)
            except Status as status:
                self.fail(stream_id, status)
                return
            self.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
            await self.send(stream_id, b"".join(map(frame, replies)), end_stream=False)
            self.h2.send_headers(stream_id, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True)
            self.flush()
        except (ProtocolError, ConnectionError):
            pass  # the client closed the connection

    async def handle(self, headers, body, ended):
        """Return the replies to a call. body: the data so far, complete when `ended` is set."""
        path = headers.get(":path", "")
        handler = self.services.get(path)

        async def requests():
            await ended.wait()
            return unframe_all(body)

        if is_streaming(handler):
            return await handler(requests, headers)
        await ended.wait()
        if handler is None:
            service, _, method = path.lstrip("/").rpartition("/")
            if any(known.startswith(f"/{service}/") for known in self.services):
                raise Status(UNIMPLEMENTED, f"unknown method {method} for service {service}")
            raise Status(UNIMPLEMENTED, f"unknown service {service}")
        return [await handler(unframe(body), headers)]

    def fail(self, stream_id, status):
        self.h2.send_headers(
            stream_id,
            [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", str(status.code)),
                ("grpc-message", quote(status.message, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")),
            ],
            end_stream=True,
        )
        self.flush()


class Server:
    """A listening gRPC server. services: the table described at the top of this file."""

    def __init__(self, services):
        self.services = services
        self.connections = set()
        self.listener = None

    async def listen(self, host, port, ssl=None):
        """Open the port. Raises OSError when the port is in use."""
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(lambda: _ServerConnection(self.services, self.connections), host or None, port, ssl=ssl, backlog=512)

    def close(self):
        if self.listener is not None:
            self.listener.close()
        for connection in list(self.connections):
            try:
                connection.h2.close_connection()
                connection.flush()
            except ProtocolError:
                pass
            connection.transport.close()


class ClientConnection(_Connection):
    """One HTTP/2 connection to a server. `ready` is done when the server's settings have arrived, `closed` when the connection has ended."""

    client_side = True

    def __init__(self, authority, scheme):
        super().__init__()
        loop = asyncio.get_running_loop()
        self.authority = authority
        self.scheme = scheme
        self.ready = loop.create_future()
        self.closed = loop.create_future()
        self.calls = {}

    def on_event(self, event):
        if isinstance(event, RemoteSettingsChanged):
            if not self.ready.done():
                self.ready.set_result(None)
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()
        call = self.calls.get(getattr(event, "stream_id", None))
        if call is None:
            return
        if isinstance(event, (ResponseReceived, TrailersReceived)):
            call["headers"].update(event.headers)
        elif isinstance(event, DataReceived):
            call["body"].extend(event.data)
        elif isinstance(event, StreamEnded) and not call["done"].done():
            call["done"].set_result(None)
        elif isinstance(event, StreamReset) and not call["done"].done():
            call["done"].set_exception(Status(UNAVAILABLE, "stream was reset"))

    def connection_lost(self, exc):
        super().connection_lost(exc)
        for call in self.calls.values():
            if not call["done"].done():
                call["done"].set_exception(Status(UNAVAILABLE, "connection closed"))
        for future in (self.ready, self.closed):
            if not future.done():
                future.set_result(None)

    async def call(self, path, request, timeout, metadata=()):
        """Make a call and return the response message. Raises Status. `timeout` in seconds; `metadata`: pairs of name and value."""
        done = asyncio.get_running_loop().create_future()
        call = {"headers": {}, "body": bytearray(), "done": done}
        try:
            stream_id = self.h2.get_next_available_stream_id()
            self.calls[stream_id] = call
            self.h2.send_headers(
                stream_id,
                [
                    (":method", "POST"),
                    (":scheme", self.scheme),
                    (":path", path),
                    (":authority", self.authority),
                    ("te", "trailers"),
                    ("content-type", "application/grpc"),
                    ("user-agent", "banyandb-simulator"),
                    *metadata,
                ],
            )
            await self.send(stream_id, frame(request), end_stream=True)
        except (ProtocolError, ConnectionError) as error:
            raise Status(UNAVAILABLE, str(error)) from None
        try:
            await asyncio.wait_for(done, max(timeout, 0))
        except asyncio.TimeoutError:
            try:
                self.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
                self.flush()
            except ProtocolError:
                pass
            raise Status(DEADLINE_EXCEEDED, "context deadline exceeded") from None
        finally:
            self.calls.pop(stream_id, None)
        code = call["headers"].get("grpc-status", "")
        code = int(code) if code.isdigit() else UNKNOWN
        if code != OK:
            raise Status(code, unquote(call["headers"].get("grpc-message", "")))
        return unframe(call["body"])
