# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small HTTP/1.1 server for GET requests."""

from __future__ import annotations

import asyncio
import json
import time

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_IDLE_TIMEOUT = 60.0
# The key of the path beside the headers. Header names have no colon.
PATH = ":path"


class Reply:
    """A reply: status, body (bytes), content type, and further headers."""

    def __init__(self, status, body, content_type="application/json", headers=()):
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


def json_reply(value, status=200, headers=()):
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers=headers)


def text_reply(text, status=200, headers=()):
    return Reply(status, text.encode(), "text/plain; charset=utf-8", headers)


class HttpServer:
    """routes: path -> `async handler(headers: dict) -> Reply`. A path with a final slash covers all names below it."""

    def __init__(self, routes):
        self.routes = routes
        self.listener = None
        self.writers = set()

    async def listen(self, host, port, ssl=None):
        """Open the port. Raises OSError when the port is in use."""
        self.listener = await asyncio.start_server(self._serve, host or None, port, ssl=ssl, backlog=512)

    def close(self):
        if self.listener is not None:
            self.listener.close()
        for writer in list(self.writers):
            writer.close()

    async def _serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client closed the connection, or does not speak HTTP
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, reader, writer):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _IDLE_TIMEOUT)
        request, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = request.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if int(headers.get("content-length") or 0):
            await reader.readexactly(int(headers["content-length"]))
        path = target.partition("?")[0]
        headers[PATH] = path
        handler = self.routes.get(path) or self.routes.get(path.rpartition("/")[0] + "/")
        if handler is None and not path.startswith("/api/"):
            reply = text_reply("404 page not found\n", 404)
        elif handler is None:
            reply = json_reply({"code": 5, "message": "Not Found", "details": []}, 404)
        elif method not in ("GET", "HEAD"):
            reply = json_reply({"code": 12, "message": "Method Not Allowed", "details": []}, 501)
        else:
            reply = await handler(headers)
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        answer = [
            f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
            time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            *(f"{name}: {value}" for name, value in reply.headers),
        ]
        if not keep:
            answer.append("Connection: close")
        writer.write(("\r\n".join(answer) + "\r\n\r\n").encode("latin-1") + (b"" if method == "HEAD" else reply.body))
        await writer.drain()
        return keep
