# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS of the contract suite: one zone in a real nameserver, behind two proxies that lie when a test wants them to.

The zone has ``node1`` to ``node20``, with a second name ``other1``... for each. A test takes SRV names of its own, and
has lies told about those alone, so tests do not disturb each other.
"""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Callable

from tests.dns import Knot, Lie, LyingProxy

from .network import Network
from .servers import Server
from .waiting import until

ZONE = "contract.test."
PORT = 53
PATIENT = 120.0
"""Seconds to wait for what takes a few."""

QUICK = {"node-discovery-dns-fetch-init-interval": "1s"}
IMPATIENT = "options timeout:1 attempts:1"
"""For resolv.conf: a question that nobody answers costs a second, where it would cost ten."""


class SrvName:
    """An SRV name of one test, with the records that it was given last."""

    def __init__(self, knot: Knot, number: int) -> None:
        self._knot = knot
        self.relative = f"_grpc._tcp.t{number}"
        self.name = f"{self.relative}.{ZONE}"
        self.lie: Lie | None = None
        """What both nameservers say in place of the truth."""
        self.first_lie: Lie | None = None
        """What the first one says."""
        self.asked: list[tuple[str, float]] = []
        """Who was asked for it, "first" or "second", and when (time.monotonic)."""

    def __str__(self) -> str:
        return self.name

    def lists(self, *records: str) -> None:
        """These are its records from now on (``record`` makes them), all at once; without any the name does not exist."""
        self._knot.update(ZONE, ("delete", self.relative), *(("add", self.relative, "1", "SRV", record) for record in records))

    def times(self, nameserver: str = "first") -> list[float]:
        """When this nameserver was asked for it."""
        return [when for who, when in self.asked if who == nameserver]

    def answer(self, nameserver: str) -> Lie | None:
        """For the proxies: note the question, and say how to answer it."""
        self.asked.append((nameserver, time.monotonic()))
        return self.lie or (self.first_lie if nameserver == "first" else None)


def record(server: Server, host: str = "node", priority: int = 0, weight: int = 0) -> str:
    """The SRV data for a server, under its first name or ("other") its second."""
    name, port = server.name.split(":")
    return f"{priority} {weight} {port} {name.replace('node', host)}"


class Names:
    """The zone and its nameservers, from ``with`` to its end: ``first`` and ``second`` on the machine's two addresses."""

    def __init__(self, network: Network, folder: pathlib.Path) -> None:
        hosts = [(host.name, host.address) for host in network.hosts.values()]
        lines = [f"{name.replace('node', kind)} A {address}\n" for kind in ("node", "other") for name, address in hosts]
        self.knot = Knot(folder, {ZONE: "".join(lines)}, ttl=1)
        upstream = (self.knot.address, self.knot.port)
        self.first, self.second = (LyingProxy(upstream, address, PORT) for address in (network.machine, network.second))
        self.first.lie = lambda name, _kind: self._answer("first", name)
        self.second.lie = lambda name, _kind: self._answer("second", name)
        self._services: dict[str, SrvName] = {}

    def _answer(self, nameserver: str, name: str) -> Lie | None:
        service = self._services.get(name)
        return service.answer(nameserver) if service else None

    def __enter__(self) -> Names:
        with contextlib.ExitStack() as stack:
            for server in (self.knot, self.first, self.second):
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def srv(self) -> SrvName:
        """A new SRV name, without records."""
        service = SrvName(self.knot, len(self._services) + 1)
        self._services[service.name] = service
        return service


Finder = Callable[..., Server]
"""``finder(kind, number, *srv names, **settings)`` starts a server in DNS mode; ``ask``: its nameservers, first and
second, ``more``: further lines of its resolv.conf."""


def _grows(servers: tuple[Server, ...], count: str, what: str) -> None:
    """Wait until a count of each server is two more than now: the first one may belong to what was under way."""
    before: dict[Server, float] = {}

    def grown(server: Server) -> bool:
        seen = server.counts().get(count, 0)
        return seen >= before.setdefault(server, seen) + 2

    for server in servers:
        until(lambda: grown(server), PATIENT, f"{server} {what}")


def worked_through(*servers: Server) -> None:
    """Wait until each has worked through answers to questions that it asked after now."""
    _grows(servers, "discovery_count", "asks for its names")


def failed(*servers: Server) -> None:
    """Wait until each has asked for a name in vain after now, and has worked through that."""
    _grows(servers, "dns_srv_lookup_failed_count", "asks for a name in vain")
    worked_through(*servers)
