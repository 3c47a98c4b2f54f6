# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries: the nodes from DNS and files, their responses, and the result after failures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.registry import (
    DnsNodeRegistry,
    FallbackNodeRegistry,
    OverrideNodeRegistry,
    StaticNodeRegistry,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import SrvTerms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Candidate, Sighting, names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServer
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity
from tests.dns import Lie, LyingProxy

from .conftest import ZONE

DATA = f"_data._tcp.{ZONE}"
NODES = ["node1.example.test", "node2.example.test", "node3.example.test"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def registry(proxy: LyingProxy, directory: Path | str = "", clock: Clock | None = None, **more: object) -> DnsNodeRegistry:
    terms = SrvTerms(nameservers=(NameServer(proxy.address, proxy.port),), timeout=0.5, attempts=1)
    return DnsNodeRegistry([DATA], terms, None, str(directory), clock=clock or Clock(), **more)  # type: ignore[arg-type]


def seen(sighting: Sighting) -> list[str]:
    return [node.name for node in sighting.nodes]


def asked(proxy: LyingProxy) -> int:
    return sum(1 for name, kind, _way in proxy.asked if (name, kind) == (DATA, "SRV"))


def test_targets_of_the_names_are_nodes(proxy: LyingProxy) -> None:
    sighting = registry(proxy).look()
    assert seen(sighting) == NODES
    assert sighting.nodes[0].candidate == Candidate("node1.example.test", 17912, DATA, ("192.0.2.1", "2001:db8::1"))
    assert (sighting.apart, sighting.warnings, sighting.complete) == ((), (), True)


def test_a_candidate_that_is_not_responding_is_apart_with_the_reason(proxy: LyingProxy) -> None:
    asked_at: list[dict[str, str]] = []

    def ask(endpoints: Mapping[str, str]) -> dict[str, Identity | Failure]:
        asked_at.append(dict(endpoints))
        silent = Failure.at("192.0.2.2:17912", ErrorKind.TIMEOUT, "no answer")
        return {name: silent if "node2" in name else Identity(f"{name}:17912", roles=("ROLE_DATA",)) for name in endpoints}

    dns = registry(proxy)
    dns.ask = ask
    sighting = dns.look()
    assert seen(sighting) == [NODES[0], NODES[2]]
    assert [(each.name, each.failure.kind) for each in sighting.apart] == [(NODES[1], "timeout")]
    assert asked_at == [
        {NODES[0]: "192.0.2.1:17912", NODES[1]: "192.0.2.2:17912", NODES[2]: "[2001:db8::3]:17912"},
        {NODES[1]: "192.0.2.22:17912"},
    ]


def test_a_node_that_answers_at_its_second_address_alone_is_a_node(proxy: LyingProxy) -> None:
    def ask(endpoints: Mapping[str, str]) -> dict[str, Identity | Failure]:
        silent = Failure.at("192.0.2.1:17912", ErrorKind.TIMEOUT, "no answer")
        return {name: silent if address == "192.0.2.1:17912" else Identity(f"{name}:17912") for name, address in endpoints.items()}

    dns = registry(proxy)
    dns.ask = ask
    assert (seen(dns.look()), dns.look().apart) == (NODES, ())


@pytest.mark.parametrize("node_name", [":17912", "node1", "", "node1:0", "node 1:17912"])
def test_a_node_with_an_odd_name_is_set_apart_and_the_others_stand(proxy: LyingProxy, node_name: str) -> None:
    dns = registry(proxy)
    dns.ask = lambda endpoints: {name: Identity(node_name if "node1" in name else f"{name}:17912") for name in endpoints}
    sighting = dns.look()
    assert seen(sighting) == NODES[1:]
    (apart,) = sighting.apart
    assert apart.failure.kind == "not_banyandb"
    assert f"node1.example.test:17912: the node calls itself {node_name!r}, expected host:port" in apart.failure.message


def test_a_record_that_no_host_can_ask_is_set_apart_and_named_once(proxy: LyingProxy) -> None:
    dns = registry(proxy)
    dns.services = [f"_zero._tcp.{ZONE}"]
    dns.ask = lambda endpoints: {name: Identity("node1:17912") for name in endpoints}
    sighting = dns.look()
    assert [(node.name, node.candidate.port) for node in sighting.nodes] == [("node1.example.test", 17912)]
    assert [each.failure.message.count("node1.example.test") for each in sighting.apart] == [1]
    assert "has port 0" in sighting.apart[0].failure.message
    assert sighting.warnings == ()


def test_an_answer_is_remembered_for_its_ttl(proxy: LyingProxy) -> None:
    clock = Clock()
    dns = registry(proxy, clock=clock)
    for now, questions in ((1000.0, 1), (1014.0, 1), (1015.1, 2), (1030.0, 2)):
        clock.now = now
        dns.look()
        assert asked(proxy) == questions


def test_an_answer_to_another_process_is_used_for_its_ttl_when_wanted(proxy: LyingProxy, tmp_path: Path) -> None:
    registry(proxy, tmp_path).look()
    clock = Clock()
    for now, wanted, questions in ((1014.9, True, 1), (1014.9, False, 2), (1029.8, True, 2), (1029.9, True, 3), (1000.0, True, 4)):
        clock.now = now
        assert seen(registry(proxy, tmp_path, clock, within_ttl=wanted).look()) == NODES
        assert asked(proxy) == questions, now


def test_a_failure_is_remembered_for_the_least_time_only(proxy: LyingProxy) -> None:
    clock = Clock()
    dns = registry(proxy, clock=clock)
    proxy.lie = Lie.SERVFAIL
    dns.look()
    clock.now += 4.9
    dns.look()
    assert asked(proxy) == 1
    clock.now += 0.2
    proxy.lie = None
    assert seen(dns.look()) == NODES


@pytest.mark.parametrize("lie", [Lie.SERVFAIL, Lie.DROP, Lie.TRUNCATE, Lie.NXDOMAIN, Lie.NO_DATA, Lie.DOT])
def test_the_last_good_set_is_held_for_any_later_answer_of_dns(proxy: LyingProxy, tmp_path: Path, lie: Lie) -> None:
    registry(proxy, tmp_path).look()
    proxy.lie = lie
    sighting = registry(proxy, tmp_path).look()
    assert seen(sighting) == NODES
    assert not sighting.complete
    assert re.search(r"using the answer of 0 s ago \(3 records, zone serial [0-9]+\), because: ", sighting.warnings[0])


def test_a_set_that_is_too_old_is_not_held(proxy: LyingProxy, tmp_path: Path) -> None:
    registry(proxy, tmp_path).look()
    proxy.lie = Lie.SERVFAIL
    late = Clock()
    late.now += 3601
    sighting = registry(proxy, tmp_path, late, max_age=3600).look()
    assert (seen(sighting), sighting.complete) == ([], False)
    assert "the last good answer is 1 h 1 s old and not used, at most 1 h was asked for" in sighting.warnings[0]
    assert "SERVFAIL" in sighting.warnings[1]


def write(path: Path, *nodes: str) -> None:
    path.write_text("nodes:\n" + "".join(f'- {{"name": "{name}", "grpc_address": "{name}:17912"}}\n' for name in nodes), encoding="utf-8")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "topology.yml"
    write(path, "a", "b")
    static = StaticNodeRegistry(str(path), None)
    assert seen(static.look()) == ["a", "b"]
    write(path, "a", "b", "c")
    assert seen(static.look()) == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"nodes: [", b"nodes: 5", b"\xff", b"nodes:\n- {name: a}\n", None])
def test_an_invalid_file_leaves_the_last_good_one_standing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "topology.yml"
    write(path, "a", "b")
    static = StaticNodeRegistry(str(path), None)
    static.look()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for _look in range(2):
        sighting = static.look()
        assert (seen(sighting), sighting.complete) == (["a", "b"], False)
        assert sighting.warnings[0].startswith(f"{path}: ") or str(path) in sighting.warnings[0]
        assert "the 2 entries that it had stand" in sighting.warnings[0]
    write(path, "c")
    assert seen(static.look()) == ["c"]
    assert static.look().warnings == ()


def test_a_file_stands_in_when_dns_fails_and_nothing_is_remembered(proxy: LyingProxy, tmp_path: Path) -> None:
    write(tmp_path / "topology.yml", "a")
    static = StaticNodeRegistry(str(tmp_path / "topology.yml"), None)
    assert seen(FallbackNodeRegistry(registry(proxy), static).look()) == NODES
    proxy.lie = Lie.SERVFAIL
    sighting = FallbackNodeRegistry(registry(proxy), static).look()
    assert (seen(sighting), sighting.complete) == (["a"], False)
    assert "SERVFAIL" in sighting.warnings[0]


def test_entries_of_an_override_stand_beside_those_of_dns(proxy: LyingProxy, tmp_path: Path) -> None:
    write(tmp_path / "topology.yml", "a", "node1.example.test")
    sighting = OverrideNodeRegistry(registry(proxy), StaticNodeRegistry(str(tmp_path / "topology.yml"), None)).look()
    assert seen(sighting) == ["a", *NODES]
    assert sighting.nodes[1].candidate.source == str(tmp_path / "topology.yml")


def test_a_host_with_several_ports_is_named_with_each() -> None:
    assert list(names([Candidate("a", 1, "x"), Candidate("b", 2, "x"), Candidate("b", 1, "y"), Candidate("a", 1, "y")])) == ["a", "b:1", "b:2"]
