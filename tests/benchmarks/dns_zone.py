# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SRV names whose targets all have an IPv4 and an IPv6 address, with the expected answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

PORT = 17912
NEAR = "near.bench."
"""Zone of the targets, and of names beside them: their server gives the addresses along with the SRV records."""
FAR = "far.bench."
"""Zone of the same names without the targets: a client must ask for every address."""
FIRST_V4 = ipaddress.IPv4Address("10.0.0.0")
FIRST_V6 = ipaddress.IPv6Address("2001:db8::")


@dataclass(frozen=True)
class Target:
    """A host that an SRV record leads to."""

    host: str
    v4: str
    v6: str


@dataclass(frozen=True)
class Zone:
    """``services`` SRV names of ``each`` targets, no target twice."""

    services: int
    each: int

    def names(self, zone: str) -> list[str]:
        return [f"_s{number:03d}._tcp.{zone}" for number in range(self.services)]

    def targets(self) -> list[Target]:
        """All, in the order of the names."""
        count = range(self.services * self.each)
        return [Target(f"node{number:05d}.{NEAR}", str(FIRST_V4 + number + 1), str(FIRST_V6 + number + 1)) for number in count]

    def said(self) -> set[str]:
        """Return every record as text, without its owner: the complete answer that a client must find."""
        return {text for target in self.targets() for text in (f"0 0 {PORT} {target.host}", target.v4, target.v6)}

    def master_files(self) -> dict[str, str]:
        """Zone -> its records, as Knot takes them."""
        addresses = "".join(f"{target.host} A {target.v4}\n{target.host} AAAA {target.v6}\n" for target in self.targets())
        return {NEAR: "".join(self._srv(NEAR)) + addresses, FAR: "".join(self._srv(FAR))}

    def _srv(self, zone: str) -> Iterator[str]:
        targets = self.targets()
        for at, name in enumerate(self.names(zone)):
            yield from (f"{name} SRV 0 0 {PORT} {target.host}\n" for target in targets[at * self.each : (at + 1) * self.each])
