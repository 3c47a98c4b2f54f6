# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers in DNS mode when DNS fails, and with several names of which some fail (contract, section 2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from tests.dns import Lie

from .asking import Table
from .conftest import Cluster, finding
from .names import PATIENT, Finder, Names, SrvName, failed, record, worked_through
from .servers import GRPC, HTTP, INTERNAL, METRICS, Server, listing
from .waiting import until

FAILURES = [Lie.NXDOMAIN, Lie.NO_DATA, Lie.SERVFAIL, Lie.REFUSED, Lie.DROP, Lie.TRUNCATE, Lie.GARBAGE, Lie.WRONG_ID]


@dataclasses.dataclass
class Readers:
    """A node of each kind that finds two data nodes by one name."""

    servers: list[Server]
    service: SrvName
    nodes: list[Server]

    def views(self) -> list[dict[str, Table]]:
        return [server.tables() for server in self.servers]

    def see(self, *nodes: Server) -> None:
        for server in self.servers:
            until(lambda: server.sees() == {node.name for node in nodes}, PATIENT, f"{server} sees {nodes}")

    def come_back(self) -> None:
        """Return to true answers: both nodes are in both views, and a change counts."""
        first, second = self.nodes
        self.service.lists(record(first))
        self.service.lie = None
        self.see(first)
        self.service.lists(record(first), record(second))
        self.see(first, second)


@pytest.fixture(scope="module")
def standing_readers(add: Callable[..., Server], standing: Cluster, names: Names) -> Iterator[Readers]:
    service, nodes = names.srv(), standing.data[:2]
    service.lists(*map(record, nodes))
    with finding(add, names) as start:
        yield Readers([start("data", 6, service), start("liaison", 7, service)], service, nodes)


@pytest.fixture
def readers(cluster: Cluster, standing_readers: Readers) -> Readers:
    standing_readers.service.lie = None
    standing_readers.service.lists(*map(record, standing_readers.nodes))
    standing_readers.see(*standing_readers.nodes)
    return standing_readers


@pytest.mark.parametrize("lie", FAILURES, ids=lambda lie: lie.name)
def test_a_name_that_cannot_be_resolved_keeps_its_last_answer(readers: Readers, lie: Lie) -> None:
    before = readers.views()
    readers.service.lie = lie
    failed(*readers.servers)
    assert readers.views() == before
    readers.come_back()


def test_records_that_are_all_deleted_count_as_a_failure_too(readers: Readers) -> None:
    before = readers.views()
    readers.service.lists()
    failed(*readers.servers)
    assert readers.views() == before
    readers.come_back()


def test_half_an_answer_is_believed(readers: Readers) -> None:
    readers.service.lie = Lie.HALF
    for server in readers.servers:
        until(lambda: len(server.sees()) == 1, PATIENT, f"{server} sees half of the nodes")
    readers.come_back()


def test_a_restart_while_dns_fails_loses_the_view(readers: Readers) -> None:
    data, _ = readers.servers
    readers.service.lie = Lie.SERVFAIL
    failed(*readers.servers)
    assert data.sees()
    data.stop()
    data.start()
    until(lambda: data.tables() == {"property": Table()}, PATIENT, f"{data} answers")
    failed(data)
    assert data.tables() == {"property": Table()}, "the node sees no other node"
    readers.come_back()


@pytest.mark.parametrize("lie", [Lie.NXDOMAIN, Lie.DROP], ids=lambda lie: lie.name)
def test_a_liaison_that_starts_while_dns_fails_listens_when_dns_works_again(cluster: Cluster, finder: Finder, names: Names, lie: Lie) -> None:
    service, node = names.srv(), cluster.data[0]
    service.lists(record(node))
    service.lie = lie
    liaison = finder("liaison", 8, service)
    until(lambda: len(service.times()) >= 3, PATIENT, f"{liaison} asks again, 5 s after each answer")
    assert liaison.running
    assert not any(map(liaison.listens, (GRPC, INTERNAL, HTTP, METRICS)))
    service.lie = None
    until(lambda: liaison.sees() == {node.name}, PATIENT, f"{liaison} serves")


def test_a_liaison_starts_in_spite_of_a_record_that_is_not_responding(cluster: Cluster, finder: Finder, names: Names) -> None:
    service, node = names.srv(), cluster.data[0]
    service.lists(record(node), f"0 0 {GRPC} nowhere-at-all")
    liaison = finder("liaison", 13, service)
    until(lambda: liaison.sees() == {node.name}, PATIENT, f"{liaison} serves")
    retried = "failed to create property schema registry, retrying"
    assert retried in liaison.log.read_text(), "the first try fails: only after it are all entries known that are not responding"


def test_a_liaison_that_found_no_data_node_running_ignores_it_until_its_record_was_removed(
    add: Callable[..., Server], finder: Finder, names: Names
) -> None:
    service, node = names.srv(), add("data", 11)
    service.lists(record(node))
    node.rename(listing({}))
    liaison = finder("liaison", 12, service)
    until(lambda: len(service.times()) >= 2, PATIENT, f"{liaison} tried the node, and asks again")
    node.start()
    until(lambda: node.tables() == {"property": Table()}, PATIENT, f"{node} answers")
    asked = len(service.times())
    until(lambda: len(service.times()) >= asked + 3, PATIENT, f"{liaison} asks for names again, every 5 s")
    assert liaison.running
    assert not liaison.listens(HTTP), "only the retries try a failed node again, and they run only after the liaison listens"

    service.lists(f"0 0 {GRPC} missing")
    asked = len(service.times())
    until(lambda: len(service.times()) >= asked + 2, PATIENT, f"{liaison} gets the answer without the node")
    service.lists(record(node))
    until(lambda: liaison.sees() == {node.name}, PATIENT, f"{liaison} serves")


# Several names


def test_a_name_that_fails_keeps_its_nodes_while_the_others_are_followed(cluster: Cluster, finder: Finder, names: Names) -> None:
    steady, moving = names.srv(), names.srv()
    first, second, third = cluster.data
    steady.lists(record(first))
    moving.lists(record(second))
    reader = finder("data", 9, steady, moving)
    until(lambda: reader.sees() == {first.name, second.name}, PATIENT, f"{reader} sees the nodes of both names")
    steady.lie = Lie.SERVFAIL
    moving.lists(record(third))
    until(lambda: reader.sees() == {first.name, third.name}, PATIENT, "the other name is followed")
    failed(reader)
    assert reader.sees() == {first.name, third.name}


def test_a_name_that_fails_from_the_start_does_not_block_other_names(cluster: Cluster, finder: Finder, names: Names) -> None:
    away, here = names.srv(), names.srv()
    first, second, _ = cluster.data
    away.lists(record(first))
    here.lists(record(second))
    away.lie = Lie.NXDOMAIN
    servers = [finder("data", 9, away, here), finder("liaison", 10, away, here)]
    for server in servers:
        until(lambda: server.sees() == {second.name}, PATIENT, f"{server} sees the node of the other name")
    away.lie = None
    for server in servers:
        until(lambda: server.sees() == {first.name, second.name}, PATIENT, f"{server} sees the nodes of both names")


def test_a_node_of_two_names_is_one_node_until_neither_has_it(cluster: Cluster, finder: Finder, names: Names) -> None:
    left, right = names.srv(), names.srv()
    first, second, _ = cluster.data
    left.lists(record(first), record(second))
    right.lists(record(second, priority=7, weight=9))
    reader = finder("data", 9, left, right)
    until(lambda: reader.sees() == {first.name, second.name}, PATIENT, f"{reader} sees both")
    worked_through(reader)
    assert reader.counts()["total_nodes_count"] == 2
    left.lists(record(first))
    worked_through(reader)
    assert reader.sees() == {first.name, second.name}, "the other name still has it"
    right.lists(record(first))
    until(lambda: reader.sees() == {first.name}, PATIENT, "no name has it")


def test_a_dot_empties_its_own_name_alone(cluster: Cluster, finder: Finder, names: Names) -> None:
    withdrawn, kept = names.srv(), names.srv()
    first, second, _ = cluster.data
    withdrawn.lists(record(first))
    kept.lists(record(second))
    reader = finder("data", 9, withdrawn, kept)
    until(lambda: reader.sees() == {first.name, second.name}, PATIENT, f"{reader} sees both")
    withdrawn.lie = Lie.DOT
    until(lambda: reader.sees() == {second.name}, PATIENT, "the nodes of the withdrawn name are gone, no others")
