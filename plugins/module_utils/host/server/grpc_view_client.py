# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries a server over gRPC for cluster state and health. Standard library only, Python 3.9+.

Only gRPC shows the view of a data node with TLS (the contract, section 7). Import this file only for such a server: every host compiles each imported
file at each execution.
"""

from __future__ import annotations

import os.path
import time
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import read_ca
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_call import call
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, TopologyError, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import wire_messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, Terms, TermsError, pause_before
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View

Answer = TypeVar("Answer")

STATE_METHOD = "banyandb.database.v1.ClusterStateService/GetClusterState"
HEALTH_METHOD = "grpc.health.v1.Health/Check"


class GrpcClient:
    """A client for repeated queries to one server, in the form of view_client.ViewClient.

    ``address``: ``host:port`` of the gRPC port. ``ca_path``: file with the CA that signed the server's certificate; None means no TLS.
    ``tls_server_name``: name that the certificate must have; None means the host of the address. ``username`` and ``password``: sent with each query
    when the user name is not empty. ``timeout``: seconds for each query. ``retries``: number of retries after a passing failure. Raises TermsError.
    """

    def __init__(
        self,
        address: str,
        ca_path: str | None = None,
        tls_server_name: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 5.0,
        retries: int = 0,
    ) -> None:
        ca = read_ca(ca_path) if ca_path else ""
        self.terms = Terms(
            timeout,
            retries=retries,
            tls=bool(ca_path),
            ca=ca,
            tls_server_name=tls_server_name or "",
            username=username or "",
            password=password or "",
        )
        try:
            if tls_server_name:
                split_address(f"{tls_server_name}:1", "tls_server_name:")
            self.node = Node("server", address, bool(ca_path), os.path.abspath(ca_path) if ca_path else "")
        except TopologyError as error:
            raise TermsError(str(error)) from None
        self.address = address
        self._metadata = (("username", self.terms.username), ("password", self.terms.password)) if self.terms.username else ()

    def cluster_state(self) -> View | Failure:
        """Return the cluster view of the server, or a failure."""
        return self._asked(STATE_METHOD, wire_messages.view)

    def health(self) -> str | Failure:
        """Return the health of the server, or a failure. A healthy server reports ``SERVING``."""
        return self._asked(HEALTH_METHOD, wire_messages.health)

    def _asked(self, method: str, decode: Callable[[bytes], Answer]) -> Answer | Failure:
        """Query, and retry after a passing failure."""
        attempt = 0
        while True:
            said = call(self.node, [(method, b"")], self.terms.timeout, self._metadata, self.terms.tls_server_name)
            if not isinstance(said, Failure):
                break
            attempt += 1
            if not said.passing or attempt > self.terms.retries:
                return said
            time.sleep(pause_before(attempt, self.address))
        try:
            return decode(said[0])
        except ValueError as error:
            return Failure.at(self.address, ErrorKind.NOT_BANYANDB, f"{method.rpartition('.')[2]} answers with something else ({error})")
