# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity that a node reports, and the time for which other nodes keep it (contract, sections 1 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import asking
from .conftest import Cluster
from .servers import Server, listing
from .waiting import SOON, holds, until


def identities(server: Server) -> dict[str, tuple[dict[str, str], list[str], str]]:
    """Return node name -> labels, roles, gRPC address of all nodes that are registered in a server's view."""
    tables: dict[str, dict[str, Any]] = asking.state(server.host.address)["routeTables"]
    nodes = [node for table in tables.values() for node in table["registered"]]
    return {n["metadata"]["name"]: (n["labels"], n["roles"], n["grpcAddress"]) for n in nodes}


def test_a_restarted_node_keeps_its_old_identity_in_others_until_it_is_dropped_and_added(cluster: Cluster, add: Callable[..., Server]) -> None:
    node, readers = add("data", 6, **{"node-labels": "type=hot"}), [add("data", 7), add("liaison", 8)]
    node.rename(listing(cluster.data_entries | node.entry))
    node.start()
    until(lambda: node.name in node.sees(), SOON, f"{node} sees itself")
    for reader in readers:
        reader.rename(listing(cluster.data_entries | node.entry))
        reader.start()
    before = ({"type": "hot"}, ["ROLE_META", "ROLE_DATA"], node.name)
    for reader in readers:
        until(lambda: identities(reader).get(node.name) == before, SOON, f"{reader} knows it as hot")
        until(lambda: reader.watches, SOON, f"{reader} watches its file")

    renamed = f"{node.host.address}:17912"
    after = ({"type": "warm"}, ["ROLE_DATA"], renamed)
    node.stop()
    node.settings = {"node-labels": "type=warm", "has-meta-role": "false", "node-host": node.host.address}
    node.start()
    until(lambda: identities(node).get(renamed) == after, SOON, f"{node} knows itself as warm, without META, by another name")
    for reader in readers:
        reader.in_place(listing(cluster.data_entries | node.entry | {"twin": node.name}))
    for reader in readers:
        holds(lambda: identities(reader)[node.name] == before, 2, f"{reader} keeps what it heard")
        assert renamed not in identities(reader)

    for reader in readers:
        reader.rename(listing(cluster.data_entries))
    for reader in readers:
        until(lambda: node.name not in identities(reader), SOON, f"{reader} drops it")
        reader.rename(listing(cluster.data_entries | node.entry))
    for reader in readers:
        until(lambda: identities(reader).get(renamed) == after, SOON, f"{reader} learns the new identity")


def test_the_view_shows_what_a_node_reports_not_what_the_file_says(cluster: Cluster, add: Callable[..., Server]) -> None:
    reader, hot = add("liaison", 9), cluster.data[0]
    expected = {hot.name: ({"type": "hot"}, ["ROLE_META", "ROLE_DATA"], hot.name)}
    reader.rename(listing({"some-name": f"{hot.host.address}:17912"}))
    reader.start()
    until(lambda: identities(reader) == expected, SOON, f"{reader} knows {hot} by its own name")


def test_labels_are_shown_unchanged(add: Callable[..., Server]) -> None:
    """All labels are text: the server does not read a boolean, a number or a null."""
    node = add("data", 10, **{"node-labels": "bool=true,capital=True,float=1.0,big=1e+16,none=null,empty="})
    node.rename(listing(node.entry))
    node.start()
    shown = {"bool": "true", "capital": "True", "float": "1.0", "big": "1e+16", "none": "null", "empty": ""}
    until(lambda: node.name in identities(node) and identities(node)[node.name][0] == shown, SOON, f"{node} shows its labels")
