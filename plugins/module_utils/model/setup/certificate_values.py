# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe what a certificate says, and the names that the certificate of a node needs. Pure.

These values hold no key and no PEM text, so a message or a log may show them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

#: Names of the files in the directory of a host. The server and its clients read them.
CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.crt", "node.crt", "node.key"

#: The curve of every key that this collection makes, as ``cryptography`` and RFC 5480 name it (NIST P-256).
CURVE = "secp256r1"

#: Hosts under which a node reaches itself. A liaison's gateway asks for ``localhost`` (section 7 of the contract).
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

DAY = timedelta(days=1)


class Identity(NamedTuple):
    """Names and addresses by which a node is reached. ``names``: DNS names in lower case. ``addresses``: IP addresses in canonical form."""

    names: frozenset[str]
    addresses: frozenset[str]


class Certificate(NamedTuple):
    """What an X.509 certificate says (RFC 5280).

    ``names``, ``addresses``: its subject alternative names, in the form of Identity. ``not_before``, ``not_after``: in UTC.
    ``key_id``, ``issuer_key_id``: subject and authority key identifier in hexadecimal; empty without the extension.
    ``public_key``: SHA-256 of the SubjectPublicKeyInfo; ``sha256``: SHA-256 of the whole certificate in DER; both in hexadecimal.
    ``key_type``: curve of an EC key, else the name of the algorithm. ``serves``: may be the certificate of a TLS server.
    """

    names: frozenset[str]
    addresses: frozenset[str]
    serial: int
    not_before: datetime
    not_after: datetime
    key_id: str
    issuer_key_id: str
    public_key: str
    sha256: str
    key_type: str = CURVE
    serves: bool = True
    is_authority: bool = False


def identity(hosts: Iterable[str]) -> Identity:
    """Return the Identity of a node that is reached by ``hosts``: DNS names and IP addresses, IPv6 with or without brackets.

    A name outside ASCII becomes its IDNA form. A name without an IDNA form is left out, because no client can resolve this name.
    """
    names, addresses = set(), set()
    for host in hosts:
        address = _address(host)
        if address:
            addresses.add(address)
            continue
        try:
            name = host if host.isascii() else host.encode("idna").decode("ascii")
        except UnicodeError:
            continue
        name = name.lower().rstrip(".")
        # IA5String has no room for control characters in a name. A space makes no name that DNS resolves.
        if name and name.isprintable() and " " not in name:
            names.add(name)
    return Identity(frozenset(names), frozenset(addresses))


def node_identity(inventory_name: str, node_host: str, others: Iterable[str] = ()) -> Identity:
    """Return the Identity of a node: its node host, its inventory name, ``others``, and the names of the local machine."""
    return identity([inventory_name, node_host, *others, *LOCAL_HOSTS])


def missing(certificate: Certificate, wanted: Identity) -> tuple[str, ...]:
    """Return the names and addresses of ``wanted`` that the certificate lacks, sorted. A wildcard covers one label (RFC 6125, section 6.4.3)."""
    names = {name for name in wanted.names if not covers(certificate, name)}
    return tuple(sorted(names | (wanted.addresses - certificate.addresses)))


def covers(certificate: Certificate, name: str) -> bool:
    """Return whether the certificate is valid for the DNS name ``name``."""
    _label, dot, parent = name.partition(".")
    return name in certificate.names or (bool(dot) and f"*.{parent}" in certificate.names)


def days_left(certificate: Certificate, now: datetime) -> int:
    """Return the whole days until the certificate expires; negative when the certificate has expired. ``now``: in UTC."""
    return (certificate.not_after - now) // DAY


def is_due(certificate: Certificate, now: datetime) -> bool:
    """Return whether less than a third of the certificate's life is left. ``now``: in UTC."""
    return 3 * (certificate.not_after - now) < certificate.not_after - certificate.not_before


def _address(host: str) -> str:
    """Return an IP address in canonical form without its zone; empty for a name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return ""
