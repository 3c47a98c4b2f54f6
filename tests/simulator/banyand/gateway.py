# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP gateway: it asks for each answer over gRPC, with the gRPC address and the TLS settings of the server.

A data node with TLS answers 503 here, because its gateway connects to its own TLS port in plaintext (measured, section 7).
"""

from __future__ import annotations

from urllib.parse import unquote

from . import messages
from .channel import CLUSTER_STATE, HEALTH, Channel
from .web import PATH, Reply, json_reply, text_reply
from .wire import DEADLINE_EXCEEDED, NOT_FOUND, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, Status

_API_VERSION = "/banyandb.common.v1.Service/GetAPIVersion"
_GROUPS = "/banyandb.database.v1.GroupRegistryService/"
_TIMEOUT = 30.0
_HTTP_STATUS = {DEADLINE_EXCEEDED: 504, NOT_FOUND: 404, UNAUTHENTICATED: 401, UNAVAILABLE: 503, UNIMPLEMENTED: 501}
_FROM_GRPC = (("Grpc-Metadata-Content-Type", "application/grpc"),)


def _failure(status):
    return json_reply({"code": status.code, "message": status.message, "details": []}, _HTTP_STATUS.get(status.code, 500))


class Gateway:
    """The handlers of one HTTP port. address: the gRPC port that the gateway asks. tls: see channel.py."""

    def __init__(self, address, tls=None):
        self.channel = Channel(address, tls)

    def close(self):
        self.channel.close()

    def use(self, tls):
        """Connect again with other CAs."""
        self.channel.close()
        self.channel = Channel(self.channel.address, tls)

    async def cluster_state(self, headers):
        try:
            reply = await self.channel.call(CLUSTER_STATE, b"", _TIMEOUT, _credentials(headers))
            state = messages.decode(messages.GetClusterStateResponse, reply)
        except Status as status:
            return _failure(status)
        return json_reply(messages.as_json(state), headers=_FROM_GRPC)

    async def groups(self, headers):
        try:
            reply = await self.channel.call(_GROUPS + "List", b"", _TIMEOUT, _credentials(headers))
            groups = messages.decode(messages.GroupListResponse, reply)
        except Status as status:
            return _failure(status)
        return json_reply(messages.as_json(groups), headers=_FROM_GRPC)

    async def group_content(self, headers):
        """Answer a path that ends with the name of a group."""
        request = messages.GroupInspectRequest(group=unquote(headers[PATH].rpartition("/")[2]))
        try:
            reply = await self.channel.call(_GROUPS + "Inspect", request.SerializeToString(), _TIMEOUT, _credentials(headers))
            content = messages.decode(messages.GroupInspectResponse, reply)
        except Status as status:
            return _failure(status)
        return json_reply(messages.as_json(content), headers=_FROM_GRPC)

    async def api_version(self, headers):
        try:
            reply = await self.channel.call(_API_VERSION, b"", _TIMEOUT, _credentials(headers))
            version = messages.decode(messages.GetAPIVersionResponse, reply).version
        except Status as status:
            return _failure(status)
        return json_reply({"version": {"version": version.version, "revision": version.revision}}, headers=_FROM_GRPC)

    async def health(self, headers):
        """Answer as a data node's port and a liaison's internal port do."""
        try:
            await self.channel.call(HEALTH, b"", _TIMEOUT)
        except Status as status:
            return _failure(status)
        return Reply(200, b'{"status":"SERVING"}\n')

    async def health_text(self, headers):
        """Answer as the public port of a liaison or standalone server does."""
        try:
            await self.channel.call(HEALTH, b"", 5.0)
        except Status as status:
            return text_reply(f"gRPC health check failed: {status.message}\n", 503)
        return text_reply("SERVING")


def _credentials(headers):
    """Return the credentials that the guard of this port (security.py) found, as gRPC metadata."""
    return [(name, headers[name]) for name in ("username", "password") if name in headers]
