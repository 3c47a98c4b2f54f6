# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a running server loads a changed topology file (contract, section 1)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .asking import Table
from .conftest import Cluster
from .servers import Server, listing
from .waiting import SOON, holds, until

REJECTED = {
    "invalid YAML": "nodes: [{\n",
    "an entry without grpc_address": 'nodes:\n- {"name": "node3"}\n',
    "tls_enabled without ca_cert_path": 'nodes:\n- {"name": "node3", "grpc_address": "node3:17912", "tls_enabled": true}\n',
}
WIPING = {
    "an empty file": "",
    "an empty list": "nodes: []\n",
    "a misspelt top key": 'node:\n- {"name": "node3", "grpc_address": "node3:17912"}\n',
}


@pytest.fixture(params=["data", "liaison"])
def subject(request: pytest.FixtureRequest, cluster: Cluster) -> Server:
    """Return a node of each kind. The test changes its file."""
    return cluster.data[0] if request.param == "data" else cluster.liaisons[0]


def worked_through(server: Server, write: Callable[[str], None], text: str) -> None:
    """Write, and wait until the server has processed its file."""
    loads = server.loads
    write(text)
    until(lambda: server.loads > loads, SOON, f"{server} loads its file")


def counts_after(cluster: Cluster, subject: Server, write: Callable[[str], None]) -> float:
    """Return the seconds from a write until it counts: the minimum of several, because a busy machine may delay some."""
    warm = cluster.data[2]
    times = []
    for _ in range(6):
        write(cluster.but(warm))
        times.append(until(lambda: warm.name not in subject.sees(), SOON, "the node is gone"))
        write(listing(cluster.entries))
        times.append(until(lambda: warm.name in subject.sees(), SOON, "the node is back"))
    return min(times)


def test_a_renamed_file_counts_after_a_second_and_one_written_in_place_sooner(cluster: Cluster, subject: Server) -> None:
    in_place, renamed = (counts_after(cluster, subject, write) for write in (subject.in_place, subject.rename))
    assert in_place > 0.1
    assert renamed > 0.9
    assert in_place < renamed / 2


def test_of_two_renames_in_quick_succession_the_last_one_counts(cluster: Cluster, subject: Server) -> None:
    _, hot, warm = cluster.data
    subject.rename(cluster.but(warm))
    holds(lambda: {hot.name, warm.name} <= subject.sees(), 0.3, "the first one does not count yet")
    subject.rename(cluster.but(hot))
    until(lambda: hot.name not in subject.sees() and warm.name in subject.sees(), SOON, "the second file counts")
    subject.rename(listing(cluster.entries))
    until(lambda: hot.name in subject.sees(), SOON, "the node is back")


@pytest.mark.parametrize("text", REJECTED.values(), ids=REJECTED)
def test_a_rejected_file_leaves_the_view_unchanged(cluster: Cluster, subject: Server, text: str) -> None:
    before = subject.tables()
    worked_through(subject, subject.in_place, text)
    assert subject.tables() == before
    worked_through(subject, subject.in_place, listing(cluster.entries))
    assert subject.tables() == before


def test_a_writer_that_pauses_is_read_half_way(cluster: Cluster, subject: Server) -> None:
    before, text, warm = subject.sees(), cluster.but(cluster.data[2]), cluster.data[2]
    subject.in_place("")
    until(lambda: not subject.sees(), SOON, "the emptied file counts")
    half = len(text) - 20
    worked_through(subject, subject.in_place, text[:half])
    assert not subject.sees(), "half an entry is invalid YAML"
    with subject.topology.open("a") as file:
        file.write(text[half:])
    until(lambda: subject.sees() == before - {warm.name}, SOON, "the rest makes it whole")
    subject.in_place(listing(cluster.entries))
    until(lambda: subject.sees() == before, SOON, "the view is complete again")


def test_invalid_yaml_is_not_counted_as_a_failed_load_but_an_invalid_entry_is(cluster: Cluster) -> None:
    subject = cluster.data[0]
    failed = subject.counts().get("file_load_failed_count", 0)
    worked_through(subject, subject.in_place, REJECTED["invalid YAML"])
    assert subject.counts().get("file_load_failed_count", 0) == failed
    worked_through(subject, subject.in_place, REJECTED["an entry without grpc_address"])
    assert subject.counts()["file_load_failed_count"] == failed + 1
    subject.in_place(listing(cluster.entries))


@pytest.mark.parametrize("text", WIPING.values(), ids=WIPING)
def test_a_file_without_nodes_removes_every_node(cluster: Cluster, subject: Server, text: str) -> None:
    tables = subject.tables().keys()
    subject.in_place(text)
    until(lambda: subject.tables() == dict.fromkeys(tables, Table()), SOON, "every table is empty")
    subject.in_place(listing(cluster.entries))
    until(cluster.whole, SOON, "a full file brings all back")


def test_json_and_unknown_keys_are_taken(cluster: Cluster, subject: Server) -> None:
    warm, before = cluster.data[2], subject.sees()
    others = cluster.entries.items() - warm.entry.items()
    nodes = [{"name": name, "grpc_address": address, "rack": 7} for name, address in others]
    subject.in_place(json.dumps({"nodes": nodes, "owner": "somebody"}))
    until(lambda: subject.sees() == before - {warm.name}, SOON, "the file counts")
    subject.in_place(listing(cluster.entries))
    until(lambda: warm.name in subject.sees(), SOON, "the node is back")


def test_two_entries_with_one_address_are_one_node(cluster: Cluster, subject: Server) -> None:
    before, nodes = subject.tables(), subject.counts()["total_nodes_count"]
    worked_through(subject, subject.in_place, listing(cluster.entries | {"twin": cluster.data[2].name}))
    assert subject.tables() == before
    assert subject.counts()["total_nodes_count"] == nodes
    worked_through(subject, subject.in_place, listing(cluster.entries))
    assert subject.tables() == before


def test_a_removed_node_leaves_registered_and_active_in_one_step(cluster: Cluster) -> None:
    subject, warm = cluster.liaisons[0], cluster.data[2]
    views = set()

    def gone() -> bool:
        table = subject.tables()["tire2"]
        views.add((warm.name in table.registered, warm.name in table.active, warm.name in table.evictable))
        return warm.name not in table.registered

    subject.rename(cluster.but(warm))
    until(gone, SOON, "the node is gone")
    assert views == {(True, True, False), (False, False, False)}
    subject.rename(listing(cluster.entries))
    until(lambda: warm.name in subject.sees(), SOON, "the node is back")


def test_a_full_list_is_taken_by_nodes_that_started_with_an_empty_one(add: Callable[..., Server]) -> None:
    pair = [add("data", 6), add("data", 7)]
    full = listing({name: address for server in pair for name, address in server.entry.items()})
    for server in pair:
        server.rename(listing({}))
        server.start()
    for server in pair:
        until(lambda: server.tables() == {"property": Table()}, SOON, f"{server} answers, and sees no node")
        until(lambda: server.watches, SOON, f"{server} watches its file")
    for server in pair:
        server.rename(full)
    for server in pair:
        until(lambda: server.sees() == {s.name for s in pair}, SOON, f"{server} knows both")
