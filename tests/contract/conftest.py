# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared parts of the contract suite: the hosts, the server under test, and one standing cluster."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.unit.peers import Certificate

from .asking import Calls
from .names import IMPATIENT, QUICK, Finder, Names, SrvName
from .network import Network
from .servers import GRPC, Server, listing
from .waiting import SOON, until

ROOT = pathlib.Path(__file__).parents[2]


def entries(servers: list[Server]) -> dict[str, str]:
    """Return the lines of these servers in a topology: entry name -> address."""
    return {name: address for server in servers for name, address in server.entry.items()}


def secured(add: Callable[..., Server], number: int, folder: pathlib.Path, name: str) -> tuple[Server, Certificate]:
    """Return a data node with TLS on its gRPC port, and its certificate for ``name``."""
    certificate = Certificate(folder, name, address=None)
    server = add("data", number, tls="true", **{"cert-file": str(certificate.path), "key-file": str(certificate.key_path)})
    server.rename(listing({}))
    server.start()
    until(lambda: server.listens(GRPC), 30, f"{server} listens")
    return server, certificate


class Cluster:
    """2 liaisons and 3 data nodes with the names and labels of the recorded cluster. Every node knows every node.

    ``first``: number of their first host. ``settings``: of the liaisons.
    """

    def __init__(self, add: Callable[..., Server], first: int = 1, **settings: str) -> None:
        self.liaisons = [add("liaison", number, **settings) for number in (first, first + 1)]
        labels = {first + 2: "type=hot", first + 3: "type=hot", first + 4: "type=warm"}
        self.data = [add("data", number, **{"node-labels": label}) for number, label in labels.items()]
        self.servers = self.liaisons + self.data
        self.data_entries = entries(self.data)
        self.entries = self.data_entries | entries(self.liaisons)
        self.start()

    def start(self) -> None:
        """Start the cluster in stages: no node gets an entry that is not responding yet (contract, section 1)."""
        for server in self.servers:
            server.kill()
        for server in self.data:
            server.rename(listing({}))
            server.start()
        for server in self.data:
            until(lambda: server.tables() is not None, 30, f"{server} answers")
        # One after the other: when two first liaisons start at the same time, one may exit, because both make
        # the server's internal schema ("failed to create internal deletion task ...: resource already exists").
        for server in self.liaisons:
            server.rename(listing(self.data_entries))
            server.start()
            until(lambda: server.tables() is not None, 30, f"{server} answers")
        for server in self.servers:
            until(lambda: server.watches, SOON, f"{server} watches its file")
            server.rename(listing(self.entries))
        until(self.whole, SOON, "every node sees what it should")

    def whole(self) -> bool:
        """Return whether every node runs, has the full list, watches its file and sees every node that its kind sees."""
        data, liaisons = self.names(self.data), self.names(self.liaisons)
        return all(
            server.running
            and server.watches
            and server.topology.read_text().strip() == listing(self.entries).strip()
            and {name: (set(t.registered), set(t.active)) for name, t in server.tables().items()}
            == ({"property": (data, set())} if server in self.data else {"tire1": (liaisons, liaisons), "tire2": (data, data)})
            for server in self.servers
        )

    @staticmethod
    def names(servers: list[Server]) -> set[str]:
        return {server.name for server in servers}

    def but(self, *left_out: Server) -> str:
        """Return the full list without some nodes."""
        gone = entries(list(left_out))
        return listing({name: address for name, address in self.entries.items() if name not in gone})


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with Network() as hosts:
        yield hosts


@pytest.fixture(scope="session")
def binary() -> str:
    """Return the server under test: BANYANDB_SERVER, or the simulator."""
    given = os.environ.get("BANYANDB_SERVER")
    if given is not None:
        return str(pathlib.Path(given).resolve(strict=True))
    words = [sys.executable, "-m", "tests.simulator", "path"]
    return subprocess.run(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout.strip()


@pytest.fixture(scope="session")
def calls() -> Calls:
    return Calls(ROOT / "protos")


def _adder(network: Network, binary: str, folder: pathlib.Path, added: list[Server]) -> Callable[..., Server]:
    def add(kind: str, number: int, **settings: str) -> Server:
        server = Server(binary, kind, network.hosts[number], folder / network.hosts[number].name, settings)
        added.append(server)
        return server

    return add


@pytest.fixture(scope="session")
def standing(network: Network, binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Yield the standing cluster on node1 to node5. Tests take it as ``cluster``."""
    added: list[Server] = []
    try:
        yield Cluster(_adder(network, binary, tmp_path_factory.mktemp("cluster"), added))
    finally:
        for server in added:
            server.kill()


@pytest.fixture
def cluster(standing: Cluster) -> Iterator[Cluster]:
    """Yield the standing cluster, complete, and repair it after a failed test."""
    yield standing
    try:
        until(standing.whole, SOON, "the test leaves the cluster as it found it")
    except AssertionError:
        standing.start()
        raise


@pytest.fixture(scope="module")
def add(network: Network, binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Yield ``add(kind, number, **settings)``, which makes servers of the module on node6 to node20. Their end is a kill after the module."""
    added: list[Server] = []
    yield _adder(network, binary, tmp_path_factory.mktemp("servers"), added)
    for server in added:
        server.kill()


@pytest.fixture(scope="session")
def names(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    with Names(network, tmp_path_factory.mktemp("names")) as zone:
        yield zone


@contextlib.contextmanager
def finding(add: Callable[..., Server], names: Names) -> Iterator[Finder]:
    """Yield ``start(kind, number, *srv names, **settings)``, which starts servers in DNS mode on node6 to node20. End them after the module."""
    started: list[Server] = []

    def start(kind: str, number: int, *found_by: SrvName | str, ask: tuple[str, ...] = ("first",), more: str = IMPATIENT, **settings: str) -> Server:
        flags = {"mode": "dns", "dns-srv-addresses": ",".join(map(str, found_by))}
        server = add(kind, number, **{f"node-discovery-{flag}": value for flag, value in flags.items()}, **QUICK | settings)
        server.host.ask_for_names_at(*(getattr(names, nameserver).address for nameserver in ask), more=more)
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.kill()
            server.host.ask_for_names_at("127.0.0.1")


@pytest.fixture
def finder(add: Callable[..., Server], names: Names) -> Iterator[Finder]:
    """Yield ``finding`` for one test."""
    with finding(add, names) as start:
        yield start
