# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is wrong with the certificate files of the user, and with the certificates of a cluster in use. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import (
    CA_FILE,
    CERTIFICATE_FILE,
    DAY,
    KEY_FILE,
    Certificate,
    Identity,
    days_left,
    missing,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed, naming

CA_VARIABLE, CERTIFICATE_VARIABLE, KEY_VARIABLE = "banyandb_tls_ca", "banyandb_tls_certificate", "banyandb_tls_key"

#: Days left under which ``status`` fails and ``deploy`` warns.
LEAST_DAYS = 7
#: Characters for the names in a message. The message also needs room for the host and for what to do.
ROOM = 60


class Fault(str, Enum):
    """What is wrong with the files of a user. The first group comes from reading a file, the second group from comparing the files."""

    NOT_GIVEN = "not_given"
    NO_FILE = "no_file"
    NO_PEM = "no_pem"
    DAMAGED = "damaged"
    KEY_ENCRYPTED = "key_encrypted"
    KEY_TYPE = "key_type"

    KEY_MISMATCH = "key_mismatch"
    NO_AUTHORITY = "no_authority"
    NOT_CHAINED = "not_chained"
    NAME_MISSING = "name_missing"
    NO_SERVER_USE = "no_server_use"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    CA_EXPIRED = "ca_expired"
    EXPIRES_SOON = "expires_soon"


#: Faults that a cluster can run with for now.
WARNINGS = frozenset({Fault.EXPIRES_SOON})


@dataclass(frozen=True)
class Finding:
    """One fault of the files of a host. ``variable``: where the file comes from. ``message``: one line with what to do."""

    host: str
    fault: Fault
    variable: str
    message: str

    @property
    def is_warning(self) -> bool:
        """Whether the files work for now."""
        return self.fault in WARNINGS


class Given(NamedTuple):
    """The three files of a host, as read.

    ``chain``: the certificate first, then its issuers up to a CA of ``authorities``; only the certificate when no CA of ``authorities`` signed it.
    ``key``: SHA-256 of the public half of the key. ``authorities``: certificates in the CA file.
    """

    chain: Sequence[Certificate]
    key: str
    authorities: Sequence[Certificate]


def file_findings(host: str, given: Given, wanted: Identity, now: datetime, least_days: int) -> list[Finding]:
    """Return the faults of the files of ``host``, in the order in which a user repairs them.

    ``wanted``: names and addresses that clients use. ``now``: UTC. ``least_days``: EXPIRES_SOON is a finding when fewer days are left.
    """
    certificate, found = given.chain[0], []

    def add(fault: Fault, variable: str, text: str, names: str = "", remedy: str = "") -> None:
        found.append(Finding(host, fault, variable, fitted(f"{host}: {variable}: {text}", names, f". {remedy}")))

    if given.key != certificate.public_key:
        add(Fault.KEY_MISMATCH, KEY_VARIABLE, f"is not the key of {CERTIFICATE_VARIABLE}", "", "Set both to files of one pair.")
    if not any(each.is_authority for each in given.authorities):
        add(Fault.NO_AUTHORITY, CA_VARIABLE, "has no CA certificate (basic constraints CA:TRUE)", "", "Set it to the file of the CA.")
    elif len(given.chain) == 1 and certificate.sha256 not in {each.sha256 for each in given.authorities}:
        add(
            Fault.NOT_CHAINED,
            CERTIFICATE_VARIABLE,
            f"no CA of {CA_VARIABLE} signed it",
            "",
            "Set the CA that signed it, and append intermediate certificates.",
        )
    lacking = missing(certificate, wanted)
    if lacking:
        names = listed(lacking, room=ROOM)
        add(Fault.NAME_MISSING, CERTIFICATE_VARIABLE, "lacks the names ", names, "Let your CA add them as subject alternative names.")
    if not certificate.serves:
        add(Fault.NO_SERVER_USE, CERTIFICATE_VARIABLE, "is not for servers", "", "Let your CA add the extended key usage serverAuth.")
    if now < certificate.not_before:
        remedy = "Correct the clock, or wait until then."
        add(Fault.NOT_YET_VALID, CERTIFICATE_VARIABLE, f"is valid from {_shown(certificate.not_before)}, now is {_shown(now)}", "", remedy)
    if certificate.not_after <= now:
        add(Fault.EXPIRED, CERTIFICATE_VARIABLE, f"expired on {_shown(certificate.not_after)}", "", "Set a new certificate.")
    elif days_left(certificate, now) < least_days:
        text = f"expires in {days_left(certificate, now)} days, on {_shown(certificate.not_after)}, expected {least_days} days or more"
        add(Fault.EXPIRES_SOON, CERTIFICATE_VARIABLE, text, "", "Set a new certificate.")
    for issuer in given.chain[1:]:
        if not issuer.not_before <= now < issuer.not_after:
            text = f"a CA in the chain is valid from {_shown(issuer.not_before)} to {_shown(issuer.not_after)}"
            add(Fault.CA_EXPIRED, CA_VARIABLE, text, "", "Set a CA that is valid now.")
    return found


def files_of_others(directory: str, found: Mapping[str, Any]) -> list[str]:
    """Return a message for each file that this collection did not write. A deployment must not replace such a file.

    ``directory``: directory of the files on the host. ``found``: ``tls`` as the module ``host_info`` returned it.
    """
    paths = {"ca": f"{directory}/{CA_FILE}", "certificate": f"{directory}/{CERTIFICATE_FILE}", "key": f"{directory}/{KEY_FILE}"}
    remedy = ". Move it away, then run this again."
    problems = [
        fitted("", path, ": expected a file, found a link or a directory" + remedy)
        if found[name]["what"] == "other"
        else fitted("", path, ": has no certificate, so this collection did not write it" + remedy)
        for name, path in paths.items()
        if found[name]["what"] == "other" or not found[name]["readable"]
    ]
    if found["key"]["what"] == "file" and found["ca"]["what"] == found["certificate"]["what"] == "absent":
        problems.append(fitted("", paths["key"], ": a key without node.crt and ca.crt, so this collection did not write it" + remedy))
    return problems


def waits_for_restart(found: Mapping[str, Any] | None, order: Mapping[str, Any] | None = None) -> bool:
    """Return whether a server serves another certificate than its file has until its restart, now or when ``order`` is carried out.

    ``found``: ``tls`` as the module ``host_info`` returned it. ``order``: as certificate_orders returns it.
    """
    if not found or not found["kept"]:
        return False
    if order and (order["issuer"] or "certificate_changed" in order["reasons"]):
        return True
    return any(pem.strip() not in found["certificate"]["text"] for pem in found["kept"])


class Expiry(NamedTuple):
    """When the certificates of a cluster end. ``lines``: for a person. ``failing``: hosts with too few days left, or without a certificate."""

    lines: list[str]
    failing: list[str]


def expiry(ends: Mapping[str, datetime | None], now: datetime, least_days: Mapping[str, int]) -> Expiry:
    """Return the line of ``status`` on the certificates of a cluster, and a line for each group of hosts that must act.

    ``ends``: host -> first end of the certificates that its server serves, in UTC; None if no port serves one. ``least_days``: host -> least days.
    """
    known = sorted((end, host) for host, end in ends.items() if end is not None)
    lines = []
    if known:
        end, host = known[0]
        days = (end - now) // DAY
        left = f"the first expires in {days} day{'' if days == 1 else 's'}" if end > now else "the first has expired"
        lines.append(fitted(f"  certificates: {left}, on {_shown(end)} (", host, ")"))
    silent = [host for host, end in ends.items() if end is None]
    short = [host for end, host in known if end < now + least_days[host] * DAY]
    if short:
        most = max(least_days[host] for host in short)
        remedy = f": the certificate expires in fewer than {most} days. Run skywalking.banyandb.certificates."
        lines.append(naming("  fail: ", short, remedy))
    if silent:
        lines.append(naming("  fail: ", silent, ": no TLS port serves a certificate. Look into the log of the server."))
    return Expiry(lines, [*short, *silent])


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
