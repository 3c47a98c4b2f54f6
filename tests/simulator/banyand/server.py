# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three kinds of server: their ports and the order of their start (contract, sections 1 and 3).

A server starts in two phases, like the real server. In `prepare` it opens its roots and waits for the schema server of a META
data node; it loses signals during this wait. After that, `serve` opens the ports, and discovery fills the view.
"""

from __future__ import annotations

import asyncio
import os

from . import messages
from .discovery import NoDiscovery
from .dns_discovery import DnsDiscovery
from .file_discovery import FileDiscovery
from .gateway import Gateway
from .holdings import Holdings
from .identity import join, make_node
from .log import log
from .measures import Measures
from .metrics import DNS_DISCOVERY, FILE_DISCOVERY, Metrics
from .points import make_private, measure_root
from .registry import Registry, SchemaStore
from .schema_sync import SchemaSync
from .security import Credentials, GossipTls, ServerTls, client_context, follow_ca, trust
from .store import Store
from .tables import Peers, Roster
from .tasks import background
from .topology import InvalidFile
from .web import HttpServer, Reply
from .wire import NOT_FOUND, Server, Status

API_VERSION = "0.10"  # of the build that the contract was measured on

# A liaison without a META data node makes this number of tries, with this pause in seconds, then exits (contract, section 1).
REGISTRY_TRIES, REGISTRY_PAUSE = 30, 5.0
# Seconds that each try waits for a known schema server that is not responding.
SCHEMA_WAIT, SCHEMA_POLL = 60.0, 0.5


class StartError(Exception):
    """The server cannot start. The message says why."""


class PortTaken(Exception):
    """A required port is in use. The message has the port. The real server then stops with exit code 0."""


def _is_schema_node(node):
    return messages.META in node.roles and node.property_schema_grpc_address != ""


def _schema_address(node):
    return node.property_schema_grpc_address


class _Process:
    """The shared part of the three kinds. flags: see flags.py."""

    command = ""

    def __init__(self, flags):
        self.flags = flags
        self.mode = flags["node-discovery-mode"]
        self.metrics = Metrics(DNS_DISCOVERY if self.mode == "dns" else FILE_DISCOVERY)
        self.pages = [self.metrics]
        self.servers = []
        self.node = self.identity()
        self.discovery = None
        self.schema = None
        self.registry = Registry(lambda: self.schema)
        self.starting = None
        self.following = []

    # Defined by each kind

    def identity(self):
        raise NotImplementedError

    def roots(self):
        """Return the directories that this kind creates."""
        raise NotImplementedError

    def tables(self):
        """Return table name -> object with an `async table()`."""
        return {}

    async def listen(self):
        raise NotImplementedError

    # Start and stop

    async def prepare(self):
        """Do everything before the ports open. Raises StartError."""
        for root in self.roots():
            make_private(os.path.abspath(root))
        if self.mode == "none":
            self.discovery = NoDiscovery(self.node)
        else:
            self.discovery = {"file": FileDiscovery, "dns": DnsDiscovery}[self.mode](self.flags, self.metrics)
        await self.reach_schema_server()

    async def reach_schema_server(self):
        """Wait until a META data node's schema server answers. A META data node uses its own."""
        tls = client_context(self.flags, "schema-property-client")
        for attempt in range(1, REGISTRY_TRIES + 1):
            interval = self.flags["schema-property-client-health-check-interval"] or 10.0
            schema = Peers("PROPERTY-SCHEMA-REGISTRY", _is_schema_node, _schema_address, interval, tls)
            try:
                await self._try_schema_server(schema)
            except (StartError, InvalidFile, OSError) as error:
                schema.close()
                message = "failed to create property schema registry, retrying..."
                log("warn", "METADATA", message, attempt=attempt, error=str(error))
                await asyncio.sleep(REGISTRY_PAUSE)
                continue
            self.schema = schema
            self.discovery.handlers.append(schema)
            self.follow_ca("schema-property-client", schema.reconnect)
            return
        raise StartError(f"failed to create property schema registry after {REGISTRY_TRIES} attempts")

    async def _try_schema_server(self, schema):
        if _is_schema_node(self.node):
            await schema.added(self.node)
        else:
            nodes = await self.discovery.nodes(messages.META)
            for node in nodes:
                await schema.added(node)
            if not any(_is_schema_node(node) for node in nodes):
                raise StartError(f"no property schema nodes found among {len(nodes)} meta nodes")
        for _ in range(int(SCHEMA_WAIT / SCHEMA_POLL)):
            if schema.active:
                return
            await asyncio.sleep(SCHEMA_POLL)
        raise StartError(f"no schema servers reachable after {SCHEMA_WAIT:.0f}s")

    async def serve(self):
        """Open the ports and start discovery. Raises PortTaken."""
        await self.listen()
        # Not earlier: the node's own entry answers at once, and a restarted data node has its full view after 0.1 s (section 1).
        self.starting = background(self._start_discovery())
        for flag, routes in (("observability-listener-addr", {"/metrics": self.get_metrics}), ("pprof-listener-addr", {})):
            host, _, port = self.flags[flag].rpartition(":")
            await self._listen_http(routes, host.strip("[]"), port)

    async def _start_discovery(self):
        try:
            await self.discovery.start()
        except (InvalidFile, OSError) as error:
            # Measured, section 1: the process continues, and discovery is off until a restart.
            log("error", "METADATA", "failed to start node discovery", error=str(error))

    async def stop(self):
        """Close everything, but first wait for discovery's question in progress."""
        if self.starting is not None:
            await self.starting
            await self.discovery.close()
        for server in self.servers:
            server.close()

    # Ports

    async def listen_grpc(self, services, host, port, tls=None):
        server = Server(services)
        try:
            await server.listen(host, port, tls.context if tls else None)
        except (OSError, OverflowError) as error:
            raise PortTaken(f"Failed to listen on {host}:{port}: {error}") from None
        self.servers.append(server)
        self._follow(tls)
        log("info", self.command.upper(), "Listening to", addr=f"{host}:{port}")

    async def _listen_http(self, routes, host, port, tls=None, needed=False):
        server = HttpServer(routes)
        try:
            await server.listen(host, int(port), tls.context if tls else None)
        except (OSError, OverflowError, ValueError) as error:
            message = f"Failed to listen on {host}:{port}: {error}"
            if needed:
                raise PortTaken(message) from None
            log("error", self.command.upper(), message)  # the process continues
            return
        self.servers.append(server)
        self._follow(tls)

    def _follow(self, tls):
        if tls:
            self.following.append(background(tls.follow()))

    def follow_ca(self, prefix, use):
        """Use replaced CAs of one kind of client."""
        if self.flags[prefix + "-tls"]:
            self.following.append(background(follow_ca(self.flags[prefix + "-ca-cert"], use)))

    def _gateway(self, address, tls=None):
        gateway = Gateway(address, tls)
        self.servers.append(gateway)
        return gateway

    async def _listen_queue(self, services, host, grpc_port, http_port, tls):
        """Open the gRPC port for other nodes and the HTTP port beside it. The HTTP port is plaintext and connects in plaintext."""
        await self.listen_grpc(services, host, grpc_port, tls)
        gateway = self._gateway(join(host or "localhost", grpc_port))
        routes = {"/api/v1/cluster/state": gateway.cluster_state, "/api/healthz": gateway.health, "/metrics": self.get_metrics}
        await self._listen_http(routes, host, http_port)

    # Answers

    def services(self, *, view=True, api_version=False, revision=True, identity=True):
        """Return the gRPC methods of one port. view: True for this process's tables, False for none, None for no such service."""
        table = {"/grpc.health.v1.Health/Check": self.check_health}
        if identity:
            table["/banyandb.database.v1.NodeQueryService/GetCurrentNode"] = self.get_current_node
        if view is not None:
            answer = self.get_cluster_state if view else self.get_no_cluster_state
            table["/banyandb.database.v1.ClusterStateService/GetClusterState"] = answer
        if revision:
            table["/banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision"] = self.get_max_revision
        if api_version:
            table["/banyandb.common.v1.Service/GetAPIVersion"] = self.get_api_version
        return table

    async def read_tables(self):
        return {name: await source.table() for name, source in self.tables().items()}

    async def check_health(self, request, metadata):
        if messages.decode(messages.HealthCheckRequest, request).service:
            raise Status(NOT_FOUND, "unknown service")
        return messages.HealthCheckResponse(status=messages.SERVING).SerializeToString()

    async def get_current_node(self, request, metadata):
        return messages.GetCurrentNodeResponse(node=self.node).SerializeToString()

    async def get_cluster_state(self, request, metadata):
        return messages.GetClusterStateResponse(route_tables=await self.read_tables()).SerializeToString()

    async def get_no_cluster_state(self, request, metadata):
        return b""

    async def get_max_revision(self, request, metadata):
        return messages.GetMaxRevisionResponse(max_mod_revision=await self.registry.max_revision()).SerializeToString()

    async def get_api_version(self, request, metadata):
        response = messages.GetAPIVersionResponse()
        response.version.version = API_VERSION
        return response.SerializeToString()

    async def get_metrics(self, headers):
        page = "".join(metrics.text() for metrics in self.pages)
        return Reply(200, page.encode(), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")


def _schema_folder(flags):
    return os.path.join(flags["schema-server-root-path"], "schema-property", "data", "_schema", "shard-0")


def _schema_roots(flags):
    roots = [os.path.join(flags["property-root-path"], "property", "data")]
    return [*roots, _schema_folder(flags)] if flags["has-meta-role"] else roots


async def _listen_schema(process, tls):
    """The schema server of a META data node, which answers before the process itself is ready. Returns the keys of the objects on its disk."""
    flags = process.flags
    store = SchemaStore(_schema_folder(flags))
    store.load()
    services = {**process.services(view=None, revision=False, identity=False), **store.services()}
    await process.listen_grpc(services, flags["schema-server-grpc-host"], flags["schema-server-grpc-port"], tls)
    return {*store.objects}


class Data(_Process):
    command = "data"

    def __init__(self, flags):
        super().__init__(flags)
        self.roster = Roster()
        self.tls = ServerTls.of(flags, "")
        self.schema_tls = ServerTls.of(flags, "schema-server-")
        self.gossip_tls = GossipTls.of(flags)
        self.sync = SchemaSync(flags["schema-property-client-sync-interval"] if flags["has-meta-role"] else 0, self.registry)
        self.store = Store(measure_root(flags), self.sync)

    def identity(self):
        flags = self.flags
        roles = [messages.META, messages.DATA] if flags["has-meta-role"] else [messages.DATA]
        return make_node(
            flags,
            roles,
            flags["grpc-port"],
            gossip_port=flags["property-repair-gossip-grpc-port"],
            schema_port=flags["schema-server-grpc-port"],
        )

    def roots(self):
        return [os.path.join(self.flags["stream-root-path"], "stream", "data"), *_schema_roots(self.flags)]

    def tables(self):
        return {"property": self.roster}

    async def prepare(self):
        if self.flags["has-meta-role"]:
            self.sync.own.update(await _listen_schema(self, self.schema_tls))
        self.store.load()
        await super().prepare()
        self.discovery.handlers.append(self.roster)

    async def listen(self):
        flags = self.flags
        services = {**self.services(), **self.store.services(), **Holdings(self.store, self.node).services()}
        services["/banyandb.cluster.v1.NodeSchemaStatusService/GetKeyRevisions"] = self.sync.key_revisions
        await self._listen_queue(services, flags["grpc-host"], flags["grpc-port"], flags["http-port"], self.tls)
        await self.listen_grpc({}, flags["property-repair-gossip-grpc-host"], flags["property-repair-gossip-grpc-port"], self.gossip_tls)


class _Front(_Process):
    """The public ports of a liaison or a standalone server."""

    def __init__(self, flags):
        super().__init__(flags)
        self.tls = ServerTls.of(flags, "")
        self.http_tls = ServerTls.of(flags, "http-", "http/1.1")
        self.gateway_tls = trust(flags["http-grpc-cert-file"]) if flags["http-grpc-cert-file"] else None
        self.credentials = Credentials.of(flags)

    def identity(self):
        raise NotImplementedError

    def public_services(self):
        return self.services(api_version=True)

    def more_routes(self, gateway):
        """Return the further routes of the public HTTP port."""
        return {}

    async def listen(self):
        flags, guard = self.flags, self.credentials
        watch = guard.watch()
        if watch:
            self.following.append(background(guard.follow(watch)))
        services = guard.protect_services(self.public_services())
        gateway = self._gateway(flags["http-grpc-addr"], self.gateway_tls)
        ca_cert = flags["http-grpc-cert-file"]
        if ca_cert:

            async def use():
                gateway.use(trust(ca_cert))

            self.following.append(background(follow_ca(ca_cert, use)))
        routes = guard.protect_routes(
            {
                "/api/v1/cluster/state": gateway.cluster_state,
                "/api/v1/common/api/version": gateway.api_version,
                **self.more_routes(gateway),
                "/api/healthz": gateway.health_text,
            }
        )
        await self.listen_grpc(services, flags["grpc-host"], flags["grpc-port"], self.tls)
        await self._listen_http(routes, flags["http-host"], flags["http-port"], self.http_tls, needed=True)


class Liaison(_Front):
    command = "liaison"

    def __init__(self, flags):
        super().__init__(flags)
        self.internal_tls = ServerTls.of(flags, "liaison-server-")
        self.liaisons = self._peers("liaison", messages.LIAISON)
        self.data_nodes = self._peers("data", messages.DATA)
        self.measures = Measures(flags, self.node.metadata.name, self.registry, self.liaisons, self.data_nodes)
        self.pages.append(self.measures.metrics)

    def _peers(self, kind, role):
        interval = self.flags[f"{kind}-client-health-check-interval"]
        tls = client_context(self.flags, f"{kind}-client")
        label = f"SERVER-QUEUE-PUB-{kind.upper()}"
        return Peers(label, lambda node: role in node.roles, lambda node: node.grpc_address, interval, tls)

    def identity(self):
        flags = self.flags
        return make_node(flags, [messages.LIAISON], flags["liaison-server-grpc-port"], http_port=flags["http-port"])

    def roots(self):
        return [os.path.join(self.flags[f"{kind}-root-path"], kind, "data") for kind in ("measure", "stream", "trace")]

    def tables(self):
        return {"tire1": self.liaisons, "tire2": self.data_nodes}  # the real server's spelling

    async def prepare(self):
        await super().prepare()
        self.discovery.handlers += [self.liaisons, self.data_nodes]
        self.follow_ca("liaison-client", self.liaisons.reconnect)
        self.follow_ca("data-client", self.data_nodes.reconnect)

    async def listen(self):
        flags = self.flags
        host = flags["liaison-server-grpc-host"]
        ports = flags["liaison-server-grpc-port"], flags["liaison-server-http-port"]
        services = {**self.services(view=False), **self.measures.internal_services()}
        await self._listen_queue(services, host, *ports, self.internal_tls)
        await super().listen()

    def public_services(self):
        return {**super().public_services(), **self.measures.services()}

    def more_routes(self, gateway):
        return {"/api/v1/group/schema/lists": gateway.groups, "/api/v1/group/content/": gateway.group_content}


class Standalone(_Front):
    command = "standalone"

    def __init__(self, flags):
        super().__init__(flags)
        GossipTls.of(flags)  # it has no such port, and checks the flags all the same (measured)

    def identity(self):
        flags = self.flags
        roles = [messages.META, messages.DATA, messages.LIAISON] if flags["has-meta-role"] else [messages.DATA, messages.LIAISON]
        return make_node(flags, roles, flags["grpc-port"], http_port=flags["http-port"], schema_port=flags["schema-server-grpc-port"])

    def roots(self):
        return _schema_roots(self.flags)

    async def prepare(self):
        await _listen_schema(self, ServerTls.of(self.flags, "schema-server-"))
        await super().prepare()


KINDS = {kind.command: kind for kind in (Data, Liaison, Standalone)}
