# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions of servers in DNS mode: which nameserver, how and how often, by the rules of Go's resolver (contract, section 2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.dns import Lie

from .conftest import Cluster
from .names import IMPATIENT, PATIENT, ZONE, Finder, Names, SrvName, failed, record, worked_through
from .servers import Server
from .waiting import until


@pytest.fixture
def service(names: Names) -> SrvName:
    return names.srv()


def sees(server: Server, *nodes: Server) -> Callable[[], bool]:
    return lambda: server.sees() == {node.name for node in nodes}


def test_a_truncated_answer_is_asked_for_by_tcp_and_priority_and_weight_make_no_nodes(
    cluster: Cluster, finder: Finder, names: Names, service: SrvName
) -> None:
    first, second, _ = cluster.data
    many = [record(first, priority=number % 7, weight=number) for number in range(60)]
    service.lists(record(second, priority=65535), *many)
    reader = finder("data", 6, service)
    until(sees(reader, first, second), PATIENT, f"{reader} sees both")
    worked_through(reader)
    assert reader.counts()["total_nodes_count"] == 2
    ways = {way for name, _, way in names.first.asked if name == service.name}
    assert ways == {"udp", "tcp"}, "60 records do not fit into 1232 bytes"


def test_a_name_without_the_dot_at_its_end_is_looked_for_in_the_search_list(cluster: Cluster, finder: Finder, names: Names, service: SrvName) -> None:
    node, more = cluster.data[0], f"search nowhere.test {ZONE}\n{IMPATIENT}"
    service.lists(record(node))
    relative = finder("data", 7, service.relative, more=more)
    absolute = finder("data", 8, service.relative + ".", more=more)
    until(sees(relative, node), PATIENT, f"{relative} sees the node")
    asked = [name for name, _, _ in names.first.asked]
    for name in (f"{service.relative}.", f"{service.relative}.nowhere.test."):
        assert name in asked, "tried before the suffix that fits: as it stands, since it has dots, and with the first suffix"
    failed(absolute)
    assert absolute.sees() == set(), "with the dot the name is absolute"


def test_a_changed_resolv_conf_counts_without_a_restart(cluster: Cluster, finder: Finder, names: Names, service: SrvName) -> None:
    node = cluster.data[0]
    service.lists(record(node))
    service.first_lie = Lie.SERVFAIL
    reader = finder("data", 9, service)
    failed(reader)
    assert reader.sees() == set()
    reader.host.ask_for_names_at(names.second.address, more=IMPATIENT)
    until(sees(reader, node), PATIENT, f"{reader} sees the node")


@pytest.mark.parametrize("lie", [Lie.SERVFAIL, Lie.REFUSED, Lie.DROP, Lie.TRUNCATE], ids=lambda lie: lie.name)
def test_the_next_nameserver_is_asked_when_one_fails(cluster: Cluster, finder: Finder, service: SrvName, lie: Lie) -> None:
    node = cluster.data[0]
    service.lists(record(node))
    service.first_lie = lie
    reader = finder("data", 9, service, ask=("first", "second"))
    until(sees(reader, node), PATIENT, f"{reader} sees the node")
    assert service.times("first")


@pytest.mark.parametrize("lie", [Lie.NXDOMAIN, Lie.NO_DATA], ids=lambda lie: lie.name)
def test_no_other_nameserver_is_asked_when_one_says_that_there_is_nothing(cluster: Cluster, finder: Finder, service: SrvName, lie: Lie) -> None:
    service.lists(record(cluster.data[0]))
    service.first_lie = lie
    reader = finder("data", 10, service, ask=("first", "second"))
    failed(reader)
    assert reader.sees() == set()
    assert service.times("second") == []


def test_polls_come_at_the_first_interval_and_later_at_the_steady_one(cluster: Cluster, finder: Finder, service: SrvName) -> None:
    service.lists(record(cluster.data[0]))
    intervals = {"init-interval": "500ms", "init-duration": "8s", "interval": "8s"}
    reader = finder("data", 11, service, **{f"node-discovery-dns-fetch-{flag}": value for flag, value in intervals.items()})

    def gaps() -> list[float]:
        times = service.times()
        return [after - before for before, after in itertools.pairwise(times)]

    until(lambda: len(gaps()) > 2 and min(gaps()[-2:]) > 6, PATIENT, f"{reader} polls every 8 s at last")
    assert min(gaps()) < 4, "and more often before"
