# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS of the contract suite: one zone in a real nameserver, behind two proxies that falsify answers on request.

The zone has ``node1`` to ``node20``, with a second name ``other1``... for each. A test takes new SRV names and falsifies only the
answers for them, so tests do not disturb each other.
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
"""Seconds to wait for a fact that normally takes a few seconds."""

QUICK = {"node-discovery-dns-fetch-init-interval": "1s"}
IMPATIENT = "options timeout:1 attempts:1"
"""For resolv.conf: a question to a silent nameserver costs 1 s instead of 10 s."""


class SrvName:
    """An SRV name of one test, with its current records."""

    def __init__(self, knot: Knot, number: int) -> None:
        self._knot = knot
        self.relative = f"_grpc._tcp.t{number}"
        self.name = f"{self.relative}.{ZONE}"
        self.lie: Lie | None = None
        """The lie of both nameservers. None: the true answer."""
        self.first_lie: Lie | None = None
        """The lie of the first nameserver."""
        self.asked: list[tuple[str, float]] = []
        """The questions for this name: nameserver "first" or "second", and time (time.monotonic)."""

    def __str__(self) -> str:
        return self.name

    def lists(self, *records: str) -> None:
        """Replace all records of this name at once (``record`` makes records). Without records the name does not exist."""
        self._knot.update(ZONE, ("delete", self.relative), *(("add", self.relative, "1", "SRV", record) for record in records))

    def times(self, nameserver: str = "first") -> list[float]:
        """Return the times of the questions to this nameserver."""
        return [when for who, when in self.asked if who == nameserver]

    def answer(self, nameserver: str) -> Lie | None:
        """Record a question to a proxy and return the lie for the answer."""
        self.asked.append((nameserver, time.monotonic()))
        return self.lie or (self.first_lie if nameserver == "first" else None)


def record(server: Server, host: str = "node", priority: int = 0, weight: int = 0) -> str:
    """Return the SRV data of a server under its first name, or ("other") its second."""
    name, port = server.name.split(":")
    return f"{priority} {weight} {port} {name.replace('node', host)}"


class Names:
    """The zone and its nameservers during a ``with`` block: ``first`` and ``second`` on the machine's two addresses."""

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
        """Return a new SRV name without records."""
        service = SrvName(self.knot, len(self._services) + 1)
        self._services[service.name] = service
        return service


Finder = Callable[..., Server]
"""``finder(kind, number, *srv names, **settings)`` starts a server in DNS mode; ``ask``: its nameservers, first and
second, ``more``: further lines of its resolv.conf.
"""


def _grows(servers: tuple[Server, ...], count: str, what: str) -> None:
    """Wait until a count of each server is two more than now: the next increase may belong to an earlier question."""
    before: dict[Server, float] = {}

    def grown(server: Server) -> bool:
        seen = server.counts().get(count, 0)
        return seen >= before.setdefault(server, seen) + 2

    for server in servers:
        until(lambda: grown(server), PATIENT, f"{server} {what}")


def worked_through(*servers: Server) -> None:
    """Wait until each server has applied answers to questions from after this call."""
    _grows(servers, "discovery_count", "asks for its names")


def failed(*servers: Server) -> None:
    """Wait until each server has had a failed question from after this call, and has handled the failure."""
    _grows(servers, "dns_srv_lookup_failed_count", "asks for a name in vain")
    worked_through(*servers)
