# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which hosts reach which port of a node, and whether the server asks for a password. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, Port, Purpose, server_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import USERS_VARIABLE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, STANDALONE


class Reach(str, Enum):
    """Hosts that can connect. ``ANY``: every host with a route. ``HOST``: only the host itself. The host itself reaches every port."""

    ANY = "any"
    MEMBERS = "members"
    CLIENTS = "clients"
    MONITORING = "monitoring"
    HOST = "host"


@dataclass(frozen=True)
class Reachable:
    """One port. ``password``: whether the server asks for a user and a password. ``encrypted``: whether the port speaks TLS.

    TLS alone keeps no client out: the server asks for no certificate of a client.
    """

    purpose: Purpose
    port: int
    reach: tuple[Reach, ...]
    password: bool
    encrypted: bool


#: Kinds and ports with passwords. Health checks need no password (section 7 of the contract).
_WITH_PASSWORD = {LIAISON: (Purpose.GRPC, Purpose.HTTP), STANDALONE: (Purpose.GRPC, Purpose.HTTP)}
# Purpose -> variable that turns TLS on. A data node's HTTP port and the port 18913 of a liaison stay plain (section 7 of the contract).
_TLS = {
    Purpose.GRPC: "BYDB_TLS",
    Purpose.HTTP: "BYDB_HTTP_TLS",
    Purpose.SCHEMA: "BYDB_SCHEMA_SERVER_TLS",
    Purpose.GOSSIP: "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS",
    Purpose.INTERNAL: "BYDB_LIAISON_SERVER_TLS",
}
_REACH = {Audience.MEMBERS: Reach.MEMBERS, Audience.CLIENTS: Reach.CLIENTS, Audience.MONITORING: Reach.MONITORING}


def reachable(kind: str, environment: Mapping[str, Any], firewall: bool) -> list[Reachable]:
    """Return the ports of a node, and which hosts reach each port.

    ``kind``: kind of the node. ``environment``: environment of the server, from which the function reads ports, addresses, TLS and users.
    ``firewall``: whether the firewall of this collection is on. Another firewall may block more.
    """
    users = bool(environment.get(USERS_VARIABLE))
    return [
        Reachable(
            purpose=port.purpose,
            port=port.number,
            reach=_reach(port, firewall),
            password=users and port.purpose in _WITH_PASSWORD.get(kind, ()),
            encrypted=_has_tls(kind, port.purpose, environment),
        )
        for port in server_ports(kind, environment)
    ]


def open_ports(ports: Iterable[Reachable]) -> list[int]:
    """Return the ports that answer every host without a password, sorted."""
    return sorted({each.port for each in ports if Reach.ANY in each.reach and not each.password})


def open_line(ports: Mapping[str, Iterable[int]]) -> str:
    """Return one line for a cluster with open ports; empty without an open port. ``ports``: kind -> open ports of all nodes of this kind."""
    parts = [f"{kind} {', '.join(map(str, sorted(set(found))))}" for kind, found in sorted(ports.items()) if found]
    return fitted("Open to every host without a password: ", "; ".join(parts), ". Set banyandb_firewall: nftables, and run deploy.") if parts else ""


def _reach(port: Port, firewall: bool) -> tuple[Reach, ...]:
    if _is_loopback(port.host):
        return (Reach.HOST,)
    if not firewall:
        return (Reach.ANY,)
    return tuple(_REACH[audience] for audience in port.audiences) or (Reach.HOST,)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _has_tls(kind: str, purpose: Purpose, environment: Mapping[str, Any]) -> bool:
    if purpose is Purpose.HTTP and kind not in _WITH_PASSWORD:
        return False
    value = environment.get(_TLS.get(purpose, ""))
    return str(value).lower() in ("true", "1", "t")  # strconv.ParseBool of Go
