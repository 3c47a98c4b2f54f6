# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the ports of a running server from the environment of its process. Pure.

The inventory has the ports after the next restart. The defaults are those of the server (section 5 of the contract).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import GRPC_PORT, HTTP_PORT

GRPC_VARIABLE = "BYDB_GRPC_PORT"
HTTP_VARIABLE = "BYDB_HTTP_PORT"
METRICS_VARIABLE = "BYDB_OBSERVABILITY_LISTENER_ADDR"
METRICS_PORT = 2121
LOOPBACK = "127.0.0.1"
# For each of these hosts Go listens on every address of the machine.
WILDCARDS = ("", "0.0.0.0", "::", "[::]")


@dataclass(frozen=True)
class ServerPorts:
    """The ports of a running server.

    ``clients``: the gRPC port and the HTTP port.
    ``http``: the client port that shows the view.
    ``metrics``: address of the metrics, as ``host:port``.
    """

    clients: tuple[int, int]
    http: int
    metrics: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ServerPorts:
        """Return the ports of a process with this environment.

        Raises ValueError for a value with which the server would not start.
        """
        grpc, http = (int(environment.get(name) or default) for name, default in ((GRPC_VARIABLE, GRPC_PORT), (HTTP_VARIABLE, HTTP_PORT)))
        host, _colon, port = (environment.get(METRICS_VARIABLE) or f":{METRICS_PORT}").rpartition(":")
        return cls((grpc, http), http, f"{reachable(host)}:{int(port)}")


def reachable(host: Any) -> str:
    """Return the host that reaches a listener on ``host`` from the same machine, IPv6 in brackets."""
    text = str(host or "").strip()
    if text in WILDCARDS:
        return LOOPBACK
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def with_port(url: str, port: int) -> str:
    """Return ``url`` (``scheme://host:port``) with another port."""
    return f"{url.rstrip('/').rpartition(':')[0]}:{port}"
