# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address trap: what happens when the address of a known node changes (contract, section 1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .asking import Table
from .conftest import Cluster
from .servers import GRPC, Server, listing
from .waiting import SOON, holds, until

GONE = 2.0
"""Seconds to watch a node that vanished: twice the first interval of the retries."""


@pytest.fixture(scope="module")
def readers(add: Callable[..., Server], standing: Cluster) -> list[Server]:
    """Yield a node of each kind beside the cluster. The test changes their files; no other node lists them."""
    servers = [add("data", 6), add("liaison", 7)]
    for server in servers:
        server.rename(listing(standing.entries))
        server.start()
    for server in servers:
        until(lambda: server.sees() >= standing.names(standing.data), 30, f"{server} sees the data nodes")
        until(lambda: server.watches, SOON, f"{server} watches its file")
    return servers


def by_number(server: Server) -> dict[str, str]:
    """Return the entry of a server with its IP address instead of its name."""
    name, port = server.name.split(":")
    return {name: f"{server.host.address}:{port}"}


def take(readers: list[Server], text: str) -> None:
    """Write the readers' files and wait until the readers have processed them."""
    loads = {reader: reader.loads for reader in readers}
    for reader in readers:
        reader.in_place(text)
    for reader in readers:
        until(lambda: reader.loads > loads[reader], SOON, f"{reader} loads its file")


Views = dict[Server, set[str]]


def views(readers: list[Server], table: str = "") -> Views:
    """Return the nodes that each reader sees."""
    return {reader: reader.sees(table) for reader in readers}


def without(name: str, seen: Views) -> Views:
    return {reader: names - {name} for reader, names in seen.items()}


def test_a_node_whose_address_changes_in_one_write_vanishes_for_good(cluster: Cluster, readers: list[Server]) -> None:
    hot, before = cluster.data[0], views(readers)
    take(readers, listing(cluster.entries | by_number(hot)))
    holds(lambda: views(readers) == without(hot.name, before), GONE, "it is gone and stays so")
    take(readers, listing(cluster.entries))
    holds(lambda: views(readers) == without(hot.name, before), GONE, "the old file does not bring it back")

    take(readers, cluster.but(hot))
    take(readers, listing(cluster.entries | by_number(hot)))
    until(lambda: views(readers) == before, SOON, "a write without it and one with it heal")
    take(readers, cluster.but(hot))
    take(readers, listing(cluster.entries))
    until(lambda: views(readers) == before, SOON, "and so the way back")


def test_addresses_that_all_change_in_one_write_empty_every_table(cluster: Cluster, readers: list[Server]) -> None:
    before = views(readers)
    numbers = {name: address for server in cluster.servers for name, address in by_number(server).items()}
    for text in (listing(numbers), listing(cluster.entries)):
        take(readers, text)
        for reader in readers:
            assert set(reader.tables().values()) == {Table()}
    holds(lambda: not any(views(readers).values()), GONE, "the old file does not heal")

    take(readers, listing({}))
    take(readers, listing(cluster.entries))
    until(lambda: views(readers) == before, SOON, "an empty file and a full one heal")


def test_a_liaison_entered_with_its_public_port_is_known_until_that_is_corrected(cluster: Cluster, readers: list[Server]) -> None:
    liaison, before = cluster.liaisons[1], views(readers)
    public = {liaison.host.name: f"{liaison.host.name}:{GRPC}"}
    take(readers, cluster.but(liaison))
    take(readers, listing(cluster.entries | public))
    until(lambda: views(readers) == before, SOON, "17912 answers too, with the same name")
    take(readers, listing(cluster.entries))
    holds(lambda: views(readers) == without(liaison.name, before), GONE, "corrected in one write, it vanishes")

    take(readers, cluster.but(liaison))
    take(readers, listing(cluster.entries))
    until(lambda: views(readers) == before, SOON, "a write without it and one with it heal")
