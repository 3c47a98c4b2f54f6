# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute what a run needs of the server on each host: its settings in the inventory, and where clients on the same host reach it. Pure.

Only this module decides the address of a local server. No playbook, role or other module contains one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import LOOPBACK, METRICS_PORT, METRICS_VARIABLE, reachable
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import roots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import (
    DEFAULT_CLUSTER,
    DEFAULT_DATA_DIR,
    DEFAULT_DRAIN,
    DEFAULT_USER,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import GRPC_PORT, HTTP_PORT, LIAISON_PORT


@dataclass(frozen=True)
class LocalServer:
    """The server of a host. Addresses are ``host:port`` with IPv6 hosts in brackets.

    ``internal_address``: where the other nodes reach a liaison. ``cluster``, ``user``, ``drain`` and ``data_roots``: from the host's variables.
    """

    url: str
    http_address: str
    grpc_address: str
    internal_address: str
    metrics_url: str
    client_ports: tuple[int, int]
    cluster: str = DEFAULT_CLUSTER
    user: str = DEFAULT_USER
    drain: str = DEFAULT_DRAIN
    data_roots: tuple[str, ...] = (DEFAULT_DATA_DIR,)


def local_server(role: str, variables: Mapping[str, Any]) -> LocalServer:
    """Return the server of a host.

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
        cluster=str(variables.get("banyandb_cluster") or DEFAULT_CLUSTER),
        user=str(variables.get("banyandb_user") or DEFAULT_USER),
        drain=str(variables.get("banyandb_liaison_drain") or DEFAULT_DRAIN),
        data_roots=_data_roots(role, variables),
    )


def _metrics_address(given: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    host, separator, port = str(given.get(METRICS_VARIABLE) or "").rpartition(":")
    if not separator:
        return f"{LOOPBACK}:{_port(variables.get('banyandb_metrics_port'), METRICS_PORT)}"
    return f"{reachable(host)}:{port}"


def _data_roots(role: str, variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the data directories of a host, the one of ``banyandb_data_dir`` first. Preflight refuses values of other types."""
    given = variables.get("banyandb_storage")
    storage = {name: path for name, path in given.items() if isinstance(path, str)} if isinstance(given, Mapping) else {}
    data_dir = str(variables.get("banyandb_data_dir") or DEFAULT_DATA_DIR)
    return tuple(roots({"banyandb_kind": role, "banyandb_storage": storage, "banyandb_data_dir": data_dir}))


def _port(value: Any, default: int) -> int:
    return default if value in (None, "") else int(value)
