# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes in a view in DNS mode, and the effect of a changed answer (contract, section 2)."""

from __future__ import annotations

import json

import pytest

from .asking import Table
from .conftest import Cluster
from .names import PATIENT, ZONE, Finder, Names, SrvName, record, worked_through
from .servers import GRPC, Server
from .waiting import DidNotHold, until

READERS = (("data", 6), ("liaison", 7))


@pytest.fixture
def service(names: Names) -> SrvName:
    return names.srv()


def read(finder: Finder, expected: set[str], *services: SrvName, **settings: str) -> list[Server]:
    """Start a node of each kind in DNS mode and wait until they see the expected nodes."""
    servers = [finder(kind, number, *services, **settings) for kind, number in READERS]
    see(servers, expected, "at first")
    return servers


def see(servers: list[Server], expected: set[str], what: str) -> None:
    for server in servers:
        until(lambda: server.sees() == expected, PATIENT, f"{what}, {server} sees {sorted(expected)}")


def keep(servers: list[Server], expected: set[str], what: str) -> None:
    """Check that the servers see the expected nodes, now and after they have applied the present answer of DNS."""
    worked_through(*servers)
    for server in servers:
        if server.sees() != expected:
            raise DidNotHold(f"{what}, {server} sees {sorted(server.sees())} and not {sorted(expected)}")


def test_records_that_come_and_go_are_followed(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    first, second, third = cluster.data
    service.lists(record(first), record(second))
    readers = read(finder, {first.name, second.name}, service)
    service.lists(record(first), record(second), record(third))
    see(readers, {first.name, second.name, third.name}, "a record more")
    service.lists(record(second))
    see(readers, {second.name}, "two records less")


def test_liaisons_and_data_nodes_may_share_a_name_and_each_sees_those_of_its_kind(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    service.lists(*map(record, cluster.servers))
    data, liaison = (finder(kind, number, service) for kind, number in READERS)
    see([data], cluster.names(cluster.data), "of all nodes")
    see([liaison], cluster.names(cluster.servers), "of all nodes")
    until(lambda: set(liaison.tables()["tire2"].active) == cluster.names(cluster.data), PATIENT, f"{liaison} is connected to all")


def test_nodes_that_are_found_by_their_own_records_see_themselves(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    hosts = [f"0 0 {port} node{number}" for port, (_, number) in zip((17912, 18912), READERS, strict=True)]
    service.lists(record(cluster.data[0]), *hosts)
    data, liaison = (finder(kind, number, service) for kind, number in READERS)
    see([data], {cluster.data[0].name, data.name}, "with its own record")
    see([liaison], {cluster.data[0].name, data.name, liaison.name}, "with its own record")


def test_a_record_with_the_target_dot_removes_every_node(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    first, second, _ = cluster.data
    service.lists(record(first), record(second))
    readers = read(finder, {first.name, second.name}, service)
    service.lists("0 0 0 .")
    for reader in readers:
        until(lambda: set(reader.tables().values()) == {Table()}, PATIENT, f"{reader} sees no node")
    service.lists(record(first), record(second))
    see(readers, {first.name, second.name}, "with the old records")


def test_a_node_whose_target_changes_vanishes_for_good(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    first, second, _ = cluster.data
    both = {first.name, second.name}
    service.lists(record(first), record(second))
    readers = read(finder, both, service)
    service.lists(record(first), record(second, "other"))
    see(readers, {first.name}, "another target for the same node")
    keep(readers, {first.name}, "another target for the same node")
    service.lists(record(first), record(second))
    keep(readers, {first.name}, "the old target again")

    service.lists(record(first))
    keep(readers, {first.name}, "no record at all")
    service.lists(record(first), record(second, "other"))
    see(readers, both, "the new target after an answer without the node")


def test_of_two_targets_of_a_node_none_may_be_taken_away(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    first, second, _ = cluster.data
    both = {first.name, second.name}
    service.lists(record(first), record(second), record(second, "other"))
    readers = read(finder, both, service)
    service.lists(record(first), record(second))
    see(readers, {first.name}, "one target of two less")
    keep(readers, {first.name}, "one target of two less")


def test_a_target_without_an_address_is_tried_again_without_end_and_blocks_no_other(
    cluster: Cluster, finder: Finder, names: Names, service: SrvName
) -> None:
    first, second, third = cluster.data
    service.lists(record(first), f"0 0 {GRPC} nowhere")
    readers = read(finder, {first.name}, service, **{"node-discovery-grpc-timeout": "1s"})
    for reader in readers:
        # One retry in about 1.5 s. With file mode's doubling pause the tenth retry would come after 17 minutes.
        until(lambda: reader.counts().get("node_retry_failed_count", 0) >= 10, PATIENT, f"{reader} tries again and again")
        assert f"nowhere.{ZONE}:{GRPC}" in tried(reader), "the address is target:port, with the trailing dot"
        assert reader.counts()["retry_queue_size"] == 1
    service.lists(record(first), record(third), f"0 0 {GRPC} nowhere")
    see(readers, {first.name, third.name}, "meanwhile")

    names.knot.update(ZONE, ("add", "nowhere", "1", "A", second.host.address))
    see(readers, {first.name, second.name, third.name}, "the target has an address now")


def tried(server: Server) -> set[str]:
    """Return the addresses in the server's log."""
    lines = (line for line in server.log.read_text().splitlines() if '"address"' in line)
    return {json.loads(line)["address"] for line in lines}


def test_a_new_record_that_is_not_responding_delays_a_removal(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    first, second, _ = cluster.data
    service.lists(record(first), record(second))
    reader = finder("data", 6, service)
    see([reader], {first.name, second.name}, "at first")
    service.lists(record(first), f"0 0 {GRPC} missing")
    until(lambda: second.name not in reader.sees(), PATIENT, "the other is gone")
    assert f"missing.{ZONE}:{GRPC}" in tried(reader), "only after the new one was tried in vain"
