# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute where the server on a host listens, for clients on the same host. Pure.

Only this module decides the address of a local server. No playbook, role or other module contains one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import GRPC_PORT, HTTP_PORT, LIAISON_PORT

METRICS_PORT = 2121
LOOPBACK = "127.0.0.1"
# For each of these hosts Go listens on every address of the machine.
WILDCARDS = ("", "0.0.0.0", "::", "[::]")


@dataclass(frozen=True)
class LocalServer:
    """The addresses of a server, as ``host:port`` with IPv6 hosts in brackets.

    ``internal_address``: where the other nodes reach a liaison.
    """

    url: str
    http_address: str
    grpc_address: str
    internal_address: str
    metrics_url: str
    client_ports: tuple[int, int]


def local_server(role: str, variables: Mapping[str, Any]) -> LocalServer:
    """Return where the server of a host listens.

    A data node has one host for gRPC and HTTP (``grpc-host``, read in the server's banyand/queue/sub/server.go). A liaison and a standalone server
    have one host for each.

    ``role``: kind of the node. ``variables``: public variables; a missing variable means its default.
    Raises GivenEnvironmentError, and ValueError for a port that is no number.
    """
    given = given_environment(variables)
    grpc_host = reachable(given.get("BYDB_GRPC_HOST"))
    http_host = grpc_host if role == DATA else reachable(given.get("BYDB_HTTP_HOST"))
    grpc_port = _port(given.get("BYDB_GRPC_PORT") or variables.get("banyandb_grpc_port"), GRPC_PORT)
    http_port = _port(given.get("BYDB_HTTP_PORT") or variables.get("banyandb_http_port"), HTTP_PORT)
    internal_port = _port(given.get("BYDB_LIAISON_SERVER_GRPC_PORT"), LIAISON_PORT)
    return LocalServer(
        url=f"http://{http_host}:{http_port}",
        http_address=f"{http_host}:{http_port}",
        grpc_address=f"{grpc_host}:{grpc_port}",
        internal_address=f"{reachable(given.get('BYDB_LIAISON_SERVER_GRPC_HOST'))}:{internal_port}",
        metrics_url=f"http://{_metrics_address(given, variables)}",
        client_ports=(grpc_port, http_port),
    )


def reachable(host: Any) -> str:
    """Return the host that reaches a listener on ``host`` from the same machine, IPv6 in brackets."""
    text = str(host or "").strip()
    if text in WILDCARDS:
        return LOOPBACK
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def _metrics_address(given: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    host, separator, port = str(given.get("BYDB_OBSERVABILITY_LISTENER_ADDR") or "").rpartition(":")
    if not separator:
        return f"{LOOPBACK}:{_port(variables.get('banyandb_metrics_port'), METRICS_PORT)}"
    return f"{reachable(host)}:{port}"


def _port(value: Any, default: int) -> int:
    return default if value in (None, "") else int(value)
