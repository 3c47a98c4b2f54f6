# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Represent the DNS answers for a service: SRV records (RFC 2782), or one of four other outcomes. Pure.

An empty list never means a failure: each outcome is a type of its own, and only ``Records`` has records.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed

DNS_PORT = 53


@dataclass(frozen=True)
class SrvRecord:
    """One SRV record.

    ``target``: absolute name in lower case and A-labels, with the trailing dot.
    ``ttl``: seconds; the smallest TTL of all records that led to ``addresses`` (aliases of the name, SRV, A, AAAA).
    ``unanswered``: address types (``A``, ``AAAA``) for which DNS gave no answer, while ``addresses`` has the other type.
    """

    target: str
    port: int
    priority: int
    weight: int
    ttl: int
    addresses: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    @property
    def member(self) -> str:
        """``target:port``, by which the server distinguishes nodes (contract, section 2)."""
        return f"{self.target}:{self.port}"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for results and snapshots."""
        return {
            "target": self.target,
            "port": self.port,
            "priority": self.priority,
            "weight": self.weight,
            "ttl": self.ttl,
            "addresses": list(self.addresses),
            "unanswered": list(self.unanswered),
        }


@dataclass(frozen=True)
class TargetProblem:
    """Why a record has no addresses. DNS itself gave the reason, so a second question would not help.

    ``kind``: ``alias`` (RFC 2782 forbids an alias as a target), ``withdrawn`` (a target ``.`` among other targets), ``port`` (the port is 0),
    ``no_data``, ``no_such_name``.
    """

    target: str
    kind: str
    message: str

    def to_mapping(self) -> dict[str, str]:
        """Return plain data for results."""
        return {"target": self.target, "kind": self.kind, "message": self.message}


@dataclass(frozen=True)
class AddressGap:
    """Targets with addresses of one type for which DNS gave no answer for the other type.

    ``address_type``: the type without an answer, ``A`` or ``AAAA``. ``reason``: the question and its outcome, for the first of the ``targets``.
    """

    address_type: str
    targets: tuple[str, ...]
    reason: str

    @property
    def message(self) -> str:
        """Which addresses are missing, and why."""
        first = ", ".join(self.targets[:3]) + (f" and {len(self.targets) - 3} more" if len(self.targets) > 3 else "")
        return f"addresses of type {self.address_type} are left out for {first}: {self.reason}"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for results."""
        return {"address_type": self.address_type, "targets": list(self.targets), "reason": self.reason}


@dataclass(frozen=True)
class Records:
    """The name has SRV records.

    ``ttl``: the smallest TTL of the records. ``server``: the server that answered. ``serial``: serial of the zone, when known.
    ``unconfirmed``: why TCP gave no answer after a long answer by UDP, which may be incomplete; empty when the answer is complete.
    """

    name: str
    records: tuple[SrvRecord, ...]
    server: str
    problems: tuple[TargetProblem, ...] = ()
    serial: int | None = None
    gaps: tuple[AddressGap, ...] = ()
    unconfirmed: str = ""
    kind = "records"

    @property
    def ttl(self) -> int:
        return min((record.ttl for record in self.records), default=0)

    @property
    def message(self) -> str:
        """The number of records, and the problems of their targets."""
        return "; ".join([f"{self.name}: {len(self.records)} SRV records", *(problem.message for problem in self.problems)])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is missing although the records are usable."""
        gaps = (f"{self.name}: {gap.message}" for gap in self.gaps)
        return (*gaps, self.unconfirmed) if self.unconfirmed else tuple(gaps)

    @property
    def members(self) -> frozenset[str]:
        return frozenset(record.member for record in self.records)


@dataclass(frozen=True)
class Missing:
    """No records. The type is the reason; ``message`` says what happened, where, and what to do."""

    name: str
    message: str


@dataclass(frozen=True)
class NoData(Missing):
    """The name has no SRV records, or its single target ``.`` says that the service is withdrawn."""

    withdrawn: bool = False
    kind = "no_data"


@dataclass(frozen=True)
class NoSuchName(Missing):
    """NXDOMAIN: the zone does not have the name."""

    kind = "no_such_name"


@dataclass(frozen=True)
class ServerFailure(Missing):
    """A server responded without an answer to the question.

    ``code``: DNS response code (``SERVFAIL``, ``REFUSED``, ...), ``TRUNCATED`` when TCP gave no complete answer, ``MALFORMED``, or
    ``DISAGREEMENT`` of two servers.
    """

    code: str = ""
    kind = "server_failure"


@dataclass(frozen=True)
class NoAnswer(Missing):
    """No server responded in time."""

    kind = "no_answer"


# Python 3.9 has no `|` between classes.
Outcome = Union[Records, NoData, NoSuchName, ServerFailure, NoAnswer]
KINDS = (Records.kind, NoData.kind, NoSuchName.kind, ServerFailure.kind, NoAnswer.kind)


@dataclass(frozen=True)
class Standing:
    """The records to use after an outcome: the outcome's own records, or the last good records.

    ``age``: age of the last good records in seconds; None for fresh records. ``warnings``: for the user.
    ``serial``: serial of the zone when the server gave the records; None when unknown.
    """

    outcome: Outcome
    records: tuple[SrvRecord, ...] = ()
    age: float | None = None
    warnings: tuple[str, ...] = ()
    serial: int | None = None


def stand(outcome: Outcome, last: Records | None, age: float, max_age: float, hold: bool = False) -> Standing:
    """Return the records to use after ``outcome``.

    The last good records replace a missing answer, up to ``max_age`` seconds. A denial (no data, no such name) is an answer: the last good records
    do not replace it, unless ``hold`` is true.

    ``last``: last good records; None without any. ``age``: their age in seconds.
    """
    if isinstance(outcome, Records):
        return Standing(outcome, outcome.records, warnings=outcome.warnings, serial=outcome.serial)
    if last is None or (isinstance(outcome, (NoData, NoSuchName)) and not hold):
        return Standing(outcome)
    if age > max_age:
        old = f"{outcome.name}: the last good answer is {duration(age)} old and not used, at most {duration(max_age)} was asked for"
        return Standing(outcome, warnings=(old,))
    zone = "" if last.serial is None else f", zone serial {last.serial}"
    warning = fitted(f"{outcome.name}: using the answer of {duration(age)} ago ({len(last.records)} records{zone}), because: ", outcome.message, "")
    return Standing(outcome, last.records, age, (warning,), last.serial)


def duration(seconds: float) -> str:
    """Return seconds as text with the two largest units: ``90`` -> ``1 min 30 s``."""
    rest = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size or (unit == "s" and not parts):
            parts.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join(parts[:2])


def membership(records: Iterable[SrvRecord]) -> tuple[SrvRecord, ...]:
    """Return the records sorted by target and port, without copies. The order in the answer of the server does not matter."""
    return tuple(
        sorted(
            set(records),
            key=lambda record: (record.target, record.port, record.priority, record.weight, record.ttl, record.addresses, record.unanswered),
        )
    )


def disagreements(first: Mapping[str, Standing], second: Mapping[str, Standing]) -> list[str]:
    """Return why the answers of two consecutive looks may be incomplete, one sentence for each name.

    A server that silently shortens an answer gives other records each time, or sometimes fails.

    ``first`` and ``second``: name -> standing.
    """
    found = []
    for name, standing in first.items():
        if not isinstance(standing.outcome, Records):
            continue  # a failure has its own message
        again = second[name].outcome
        if standing.outcome.unconfirmed:
            found.append(standing.outcome.unconfirmed)
        elif not isinstance(again, Records):
            found.append(f"{name}: a second look gave no records ({again.message})")
        elif again.members != standing.outcome.members:
            found.append(
                f"{name}: two looks gave {len(standing.outcome.members)} and {len(again.members)} nodes, different in "
                f"{listed(sorted(again.members ^ standing.outcome.members), 1)}. Set banyandb_srv_tcp: always"
            )
    return found


class NameServerError(ValueError):
    """The collection cannot ask this name server; the message says what was expected."""


@dataclass(frozen=True)
class NameServer:
    """A name server: IP address and port."""

    address: str
    port: int = DNS_PORT

    @classmethod
    def parse(cls, text: str) -> NameServer:
        """Return the name server in ``text``.

        Valid forms: ``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1`` and ``[2001:db8::1]:5353``. Raises NameServerError.
        """
        expected = f"name server '{text}': expected an address, address:port or [IPv6 address]:port. Write an IP address, not a name"
        address, port = text, str(DNS_PORT)
        if text.startswith("["):
            address, closed, rest = text[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")):
                raise NameServerError(expected)
            port = rest[1:] if rest else port
        elif text.count(":") == 1:
            address, _colon, port = text.partition(":")
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            raise NameServerError(expected) from None
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise NameServerError(f"name server '{text}': expected a port from 1 to 65535, got '{port}'")
        return cls(address, int(port))

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class RecordsError(ValueError):
    """The plain data are no SRV records; the message names the key."""


def record_from_mapping(data: Mapping[str, Any]) -> SrvRecord:
    """Return the record that SrvRecord.to_mapping() gave. Raises RecordsError."""
    for key, kind in (("target", str), ("port", int), ("priority", int), ("weight", int), ("ttl", int), ("addresses", list)):
        if not isinstance(data.get(key), kind) or isinstance(data.get(key), bool):
            raise RecordsError(f"{key} is {data.get(key)!r}, expected {kind.__name__}")
    if not all(isinstance(address, str) for address in data["addresses"]):
        raise RecordsError(f"addresses is {data['addresses']!r}, expected a list of str")
    unanswered = data.get("unanswered", [])
    if not isinstance(unanswered, list) or not all(kind in ("A", "AAAA") for kind in unanswered):
        raise RecordsError(f"unanswered is {unanswered!r}, expected a list of A and AAAA")
    return SrvRecord(data["target"], data["port"], data["priority"], data["weight"], data["ttl"], tuple(data["addresses"]), tuple(unanswered))
