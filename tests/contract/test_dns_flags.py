# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flags of DNS mode: refused values, TLS with a CA bundle for each name, and the counts (contract, sections 2, 5 and 6)."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from .conftest import Cluster, secured
from .names import PATIENT, ZONE, Finder, Names, failed, record, worked_through
from .servers import GRPC, Server
from .waiting import until

NAME, OTHER = f"_grpc._tcp.here.{ZONE}", f"_grpc._tcp.there.{ZONE}"
PREFIX = "node-discovery-dns-"
REFUSED = {
    "no name": ([], {}, "DNS mode requires non-empty DNS SRV addresses"),
    "TLS without a CA bundle": ([NAME], {"tls": "true"}, "no CA certificate files were provided"),
    "two names and one CA bundle": ([NAME, OTHER], {"tls": "true", "ca-certs": "/ca.pem"}, "(1) must match number of SRV addresses (2)"),
    "a CA bundle that is not there": ([NAME], {"tls": "true", "ca-certs": "/no/such.pem"}, "/no/such.pem"),
    "an interval without a unit": ([NAME], {"fetch-interval": "30"}, "30"),
}


@pytest.mark.parametrize("kind", ["data", "liaison"])
@pytest.mark.parametrize(("names_given", "flags", "message"), REFUSED.values(), ids=REFUSED)
def test_a_server_does_not_start_with(finder: Finder, kind: str, names_given: list[str], flags: dict[str, str], message: str) -> None:
    server = finder(kind, 6 if kind == "data" else 7, *names_given, **{PREFIX + flag: value for flag, value in flags.items()})
    server.exited(within=PATIENT)
    assert server.process.returncode != 0
    assert message in server.log.read_text()


def test_a_ca_bundle_without_certificates_is_refused(finder: Finder, tmp_path: pathlib.Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    server = finder("data", 6, NAME, **{PREFIX + "tls": "true", PREFIX + "ca-certs": str(empty)})
    server.exited(within=PATIENT)
    assert server.process.returncode != 0


def test_each_name_has_a_ca_bundle_of_its_own_which_is_read_at_each_try(
    add: Callable[..., Server], cluster: Cluster, finder: Finder, names: Names, tmp_path: pathlib.Path
) -> None:
    services = [names.srv(), names.srv()]
    nodes = [secured(add, number, tmp_path, f"node{number}.{ZONE}".rstrip(".")) for number in (8, 9)]
    for service, (node, _) in zip(services, nodes, strict=True):
        service.lists(record(node))
    bundles = [tmp_path / "first-ca.pem", tmp_path / "second-ca.pem"]
    for bundle, (_, certificate) in zip(bundles, reversed(nodes), strict=True):
        bundle.write_bytes(certificate.pem)
    tls = {PREFIX + "tls": "true", PREFIX + "ca-certs": ",".join(map(str, bundles)), "node-discovery-grpc-timeout": "1s"}
    reader = finder("data", 10, *services, **tls)
    plain = finder("data", 11, *services, **{"node-discovery-grpc-timeout": "1s"})
    for server in (reader, plain):
        until(lambda: server.counts().get("node_retry_failed_count", 0) >= 4, PATIENT, f"{server} tries both in vain")
        assert server.sees() == set()

    for bundle, (_, certificate) in zip(bundles, nodes, strict=True):
        bundle.write_bytes(certificate.pem)
    until(lambda: reader.sees() == {node.name for node, _ in nodes}, PATIENT, f"{reader} sees both")
    worked_through(plain)
    assert plain.sees() == set()


def test_the_counts_of_dns_discovery(cluster: Cluster, finder: Finder, names: Names) -> None:
    service = names.srv()
    service.lists(record(cluster.data[0]), f"0 0 {GRPC} missing")
    reader = finder("data", 12, service)
    until(lambda: reader.counts().get("node_retry_failed_count", 0) > 0, PATIENT, f"{reader} tries again")
    service.lists()
    failed(reader)
    assert set(reader.counts()) >= {
        "discovery_count",
        "discovery_failed_count",
        "dns_query_count",
        "dns_query_failed_count",
        "dns_srv_lookup_count",
        "dns_srv_lookup_failed_count",
        "grpc_query_count",
        "grpc_query_failed_count",
        "node_retry_count",
        "node_retry_failed_count",
        "retry_queue_size",
        "total_nodes_count",
    }
