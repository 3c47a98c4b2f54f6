# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the TCP ports of a server, and the peers that need each port. Pure.

The ports of each kind were measured with the real server (``ss -ltn`` of a running process). A standalone server has no port for property gossip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import (
    GOSSIP_PORT,
    LIAISON_HTTP_PORT,
    METRICS_PORT,
    PPROF_PORT,
    SCHEMA_PORT,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import GRPC_PORT, HTTP_PORT, LIAISON_PORT, is_port


class Audience(str, Enum):
    """Peers that need a port. ``MEMBERS``: the nodes of the same cluster."""

    MEMBERS = "members"
    CLIENTS = "clients"
    MONITORING = "monitoring"


class Purpose(str, Enum):
    """What a server serves on a port. ``INTERNAL``: what a liaison serves to the other nodes. ``PROFILES``: Go's pprof."""

    GRPC = "grpc"
    HTTP = "http"
    SCHEMA = "schema"
    GOSSIP = "gossip"
    INTERNAL = "internal"
    INTERNAL_HTTP = "internal_http"
    METRICS = "metrics"
    PROFILES = "profiles"


class Port(NamedTuple):
    """A port of a server. ``host``: the address on which the server listens; empty for every address of the machine.

    ``audiences``: the peers that need the port; empty for a port that only the host itself needs.
    """

    purpose: Purpose
    number: int
    host: str
    audiences: tuple[Audience, ...]

    def to_list(self) -> list[Any]:
        """Return the port as values that a fact can keep; of() reads them."""
        return [self.purpose.value, self.number, self.host, [audience.value for audience in self.audiences]]

    @classmethod
    def of(cls, values: Sequence[Any]) -> Port:
        purpose, number, host, audiences = values
        return cls(Purpose(purpose), number, host, tuple(map(Audience, audiences)))


_MEMBERS = (Audience.MEMBERS,)
_CLIENTS = (Audience.CLIENTS,)
# Members also reach the public gRPC port of a liaison: a node asks the port for the node's identity, when a topology lists the port.
_CLIENTS_AND_MEMBERS = (Audience.MEMBERS, Audience.CLIENTS)
# Kind -> purpose -> variable with the host, variable with the port, default port, peers that need the port (sections 3 and 5 of the contract).
_OF_KIND: dict[str, dict[Purpose, tuple[str, str, int, tuple[Audience, ...]]]] = {
    DATA: {
        Purpose.GRPC: ("BYDB_GRPC_HOST", "BYDB_GRPC_PORT", GRPC_PORT, _MEMBERS),
        Purpose.HTTP: ("BYDB_GRPC_HOST", "BYDB_HTTP_PORT", HTTP_PORT, ()),
        Purpose.SCHEMA: ("BYDB_SCHEMA_SERVER_GRPC_HOST", "BYDB_SCHEMA_SERVER_GRPC_PORT", SCHEMA_PORT, _MEMBERS),
        Purpose.GOSSIP: ("BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_HOST", "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_PORT", GOSSIP_PORT, _MEMBERS),
    },
    LIAISON: {
        Purpose.GRPC: ("BYDB_GRPC_HOST", "BYDB_GRPC_PORT", GRPC_PORT, _CLIENTS_AND_MEMBERS),
        Purpose.HTTP: ("BYDB_HTTP_HOST", "BYDB_HTTP_PORT", HTTP_PORT, _CLIENTS),
        Purpose.INTERNAL: ("BYDB_LIAISON_SERVER_GRPC_HOST", "BYDB_LIAISON_SERVER_GRPC_PORT", LIAISON_PORT, _MEMBERS),
        Purpose.INTERNAL_HTTP: ("BYDB_LIAISON_SERVER_GRPC_HOST", "BYDB_LIAISON_SERVER_HTTP_PORT", LIAISON_HTTP_PORT, ()),
    },
    STANDALONE: {
        Purpose.GRPC: ("BYDB_GRPC_HOST", "BYDB_GRPC_PORT", GRPC_PORT, _CLIENTS_AND_MEMBERS),
        Purpose.HTTP: ("BYDB_HTTP_HOST", "BYDB_HTTP_PORT", HTTP_PORT, _CLIENTS),
        Purpose.SCHEMA: ("BYDB_SCHEMA_SERVER_GRPC_HOST", "BYDB_SCHEMA_SERVER_GRPC_PORT", SCHEMA_PORT, ()),
    },
}
# Purpose -> variable with host and port, default port, peers that need the port. Every kind has these ports.
_OF_EVERY_KIND: dict[Purpose, tuple[str, int, tuple[Audience, ...]]] = {
    Purpose.METRICS: ("BYDB_OBSERVABILITY_LISTENER_ADDR", METRICS_PORT, (Audience.MONITORING,)),
    Purpose.PROFILES: ("BYDB_PPROF_LISTENER_ADDR", PPROF_PORT, ()),
}


def server_ports(kind: str, environment: Mapping[str, Any]) -> list[Port]:
    """Return the ports of a server with this environment. A value that is no port is left out: the server does not start with such a value.

    ``kind``: kind of the node. ``environment``: what server_environment.environment() returns, or the environment of a running process. A missing
    variable means the default of the server.
    """
    listed = [
        (purpose, _text(environment, host), _text(environment, variable) or str(default), audiences)
        for purpose, (host, variable, default, audiences) in _OF_KIND[kind].items()
    ]
    for purpose, (variable, default, audiences) in _OF_EVERY_KIND.items():
        host, _colon, port = (_text(environment, variable) or f":{default}").rpartition(":")
        listed.append((purpose, host, port, audiences))
    return [Port(purpose, int(port), host.strip("[]"), audiences) for purpose, host, port, audiences in listed if is_port(port)]


def _text(environment: Mapping[str, Any], name: str) -> str:
    value = environment.get(name)
    return "" if value is None else str(value).strip()
