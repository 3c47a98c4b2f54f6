# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which connections of a liaison follow its own flag, and which follow the entry of the topology (contract, section 7)."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

from .conftest import Cluster, secured
from .servers import Server, listing
from .waiting import SOON, holds, until


def test_one_flag_of_a_liaison_decides_for_all_data_nodes_and_the_entry_only_for_the_question_for_the_name(
    add: Callable[..., Server], cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    node, certificate = secured(add, 6, tmp_path, "node6")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.pem)
    entry = {"name": node.host.name, "grpc_address": node.name, "tls_enabled": True, "ca_cert_path": str(ca)}
    mixed = f"{listing(cluster.data_entries)}- {json.dumps(entry)}\n"
    flags = {"data-client-tls": "true", "data-client-ca-cert": str(ca)}
    plain_nodes, everybody = cluster.names(cluster.data), cluster.names([*cluster.data, node])

    for number, settings, used in ((7, {}, plain_nodes), (8, flags, {node.name})):
        liaison = add("liaison", number, **settings, **{"data-client-health-check-interval": "1s"})
        liaison.rename(mixed)
        liaison.start()

        def uses_one_kind(liaison: Server = liaison, used: set[str] = used) -> bool:
            table = liaison.tables()["tire2"]
            return (set(table.registered), set(table.active), set(table.evictable)) == (everybody, used, everybody - used)

        until(uses_one_kind, SOON, f"{liaison} registers all data nodes and uses {used}")
        holds(uses_one_kind, 3, "the health checks change nothing")
        liaison.kill()
    node.kill()
