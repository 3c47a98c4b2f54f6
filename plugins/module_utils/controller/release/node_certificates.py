# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller which certificate each host gets, and make its files.

The CA directory and what the hosts hold decide. No run needs a memory of an earlier run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import certificate_authority as authority
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import (
    ReadingError,
    certificate_values,
    certificates,
    given_files,
    held,
    pem_of,
    private_key,
    read_source,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import file_findings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import Action, Order, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import Identity, node_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import WILDCARDS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_USER
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, naming

OWN_CA, FILES = "own_ca", "files"
# Beside the inventory. Ansible does not read a hidden directory as an inventory.
CA_DIRECTORY = ".banyandb-ca"
# Stands for the CA that the first deployment makes.
FIRST = "first"


class TlsSettings(NamedTuple):
    """The settings of one host. ``identity``: names and addresses by which the host is reached. Days are whole days."""

    source: str
    ca_dir: str
    passphrase: str
    ca_days: int
    certificate_days: int
    user: str
    ca: str
    certificate: str
    key: str
    least_days: int
    identity: Identity

    def __repr__(self) -> str:
        return f"TlsSettings({self.source}, {self.ca_dir})"


@dataclass
class Decisions:
    """What the hosts get. ``orders``: host -> order as plain values, for hosts whose files change. ``problems`` and ``warnings``: messages."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class NodeFiles(NamedTuple):
    """The texts of the files of a host, empty for a file that stays. ``key`` is secret."""

    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __repr__(self) -> str:
        return "<files of a node>"


def now() -> datetime:
    """Return the time of the controller, in UTC."""
    return datetime.now(timezone.utc)


def settings_of(host: str, variables: Mapping[str, Any]) -> TlsSettings:
    """Return the settings of a host. ``variables``: its variables; a missing variable means its default. Raises ValueError for a wrong number."""
    node_host = str(variables.get("banyandb_node_host") or variables.get("ansible_host") or host)
    beside_inventory = os.path.join(str(variables.get("inventory_dir") or os.getcwd()), CA_DIRECTORY)
    return TlsSettings(
        str(variables.get("banyandb_tls_source") or OWN_CA),
        os.path.abspath(os.path.expanduser(str(variables.get("banyandb_ca_dir") or beside_inventory))),
        str(variables.get("banyandb_ca_passphrase") or ""),
        _days(host, variables, "banyandb_ca_days", 3650),
        _days(host, variables, "banyandb_certificate_days", 365),
        str(variables.get("banyandb_user") or DEFAULT_USER),
        str(variables.get("banyandb_tls_ca") or ""),
        str(variables.get("banyandb_tls_certificate") or ""),
        str(variables.get("banyandb_tls_key") or ""),
        _days(host, variables, "banyandb_certificate_least_days", 7),
        node_identity(host, node_host, _listens_at(variables)),
    )


def decide(settings: Mapping[str, TlsSettings], found: Mapping[str, Mapping[str, Any] | None], now: datetime) -> Decisions:
    """Return what each host gets. Changes nothing.

    ``settings``: host -> settings, for every host with TLS, also outside of the run. ``found``: host -> ``tls`` as the module ``host_info`` returned
    it; None or no entry for a host that was not looked at. ``now``: UTC.
    """
    decisions = Decisions()
    for host, each in settings.items():
        if each.source == FILES and found.get(host) is not None:
            _decide_files(host, each, found[host] or {}, now, decisions)
    directories: dict[str, dict[str, TlsSettings]] = {}
    for host, each in settings.items():
        if each.source == OWN_CA:
            directories.setdefault(each.ca_dir, {})[host] = each
    for directory, hosts in directories.items():
        try:
            _decide_own_ca(directory, hosts, found, now, decisions)
        except authority.AuthorityError as error:
            decisions.problems.append(str(error))
    return decisions


def files_of(host: str, settings: TlsSettings, order: Mapping[str, Any], found: Mapping[str, Any], now: datetime) -> NodeFiles:
    """Make the files of a host; the first call makes the CA. Raises AuthorityError, ReadingError and ValueError.

    ``order``: the host's of decide(). ``found``: ``tls`` as the module ``host_info`` returned it.
    """
    if settings.source == FILES:
        return NodeFiles(
            pem_of(certificates(read_source(settings.ca))),
            pem_of(certificates(read_source(settings.certificate))),
            read_source(settings.key, secret=True).decode("ascii"),
        )
    known = authority.ensure(settings.ca_dir, settings.passphrase, settings.ca_days, now)
    newest = known[-1].key_id
    bundle = authority.bundle(known, [newest if each == FIRST else each for each in order["bundle"]]) if order["bundle"] else ""
    if order["action"] not in (Action.ISSUE.value, Action.RENEW.value):
        return NodeFiles(ca=bundle)
    issuer = next(each for each in known if each.key_id == (newest if order["issuer"] == FIRST else order["issuer"]))
    text = found["certificate"]["text"]
    present = certificates(text.encode())[:1] if text else []
    # The names of the present certificate stay: the other nodes know a host by its earlier address until a wave has changed it.
    before = [certificate_values(each) for each in present]
    wanted = Identity(
        settings.identity.names.union(*(each.names for each in before)), settings.identity.addresses.union(*(each.addresses for each in before))
    )
    kept = present[0] if present and order["action"] == Action.RENEW.value else None
    issued = authority.issue(authority.unlock(issuer, settings.passphrase), host, wanted, settings.certificate_days, now, kept)
    return NodeFiles(bundle, issued.certificate, issued.key.reveal().decode("ascii") if issued.key else "")


def _decide_own_ca(
    directory: str, hosts: Mapping[str, TlsSettings], found: Mapping[str, Mapping[str, Any] | None], now: datetime, decisions: Decisions
) -> None:
    known = authority.authorities(directory)
    for passphrase in {each.passphrase for each in hosts.values()}:
        if known:
            authority.unlock(known[-1], passphrase)
        else:
            authority.check_passphrase(directory, passphrase)
    looked_at = {
        host: held(seen["certificate"]["text"], seen["ca"]["text"], seen["pair"], seen["served"])
        for host in hosts
        for seen in [found.get(host)]
        if seen is not None
    }
    ours = {each.key_id for each in known}
    strangers = [host for host, each in looked_at.items() if (each.issuers | each.bundle) - ours]
    if strangers:
        remedy = f": trusts or has a CA that {directory} lacks. Restore this directory from its backup, or set banyandb_ca_dir."
        decisions.problems.append(naming("", strangers, remedy, 3))
        return
    unknown = [host for host in hosts if host not in looked_at]
    if unknown and not known:
        remedy = f": not in this run, so {directory} may lack their CA. Run without --limit, or restore this directory."
        decisions.problems.append(naming("", unknown, remedy, 3))
        return
    made = plan({host: each.identity for host, each in hosts.items()}, looked_at, [each.key_id for each in known] or [FIRST], now)
    if made.problem:
        (decisions.problems if not made.orders else decisions.warnings).append(made.problem)
    decisions.orders.update({order.host: _plain(order) for order in made.orders if order.changes})
    for host in looked_at:
        _decide_again(host, hosts[host], found[host] or {}, decisions)


def _decide_again(host: str, settings: TlsSettings, found: Mapping[str, Any], decisions: Decisions) -> None:
    """Order the files of a host again when others can read them, or when its server serves another certificate than its file has."""
    stale = any(pem.strip() not in found["certificate"]["text"] for pem in found["served"])
    owned = all(found[name]["owner"] == settings.user for name in ("ca", "certificate", "key")) and found["key"]["mode"] == "0600"
    reasons = ["not_served"] * stale + ["attributes"] * (not owned)
    if reasons and host not in decisions.orders and found["certificate"]["text"] and found["pair"]:
        decisions.orders[host] = {"action": Action.KEEP.value, "reasons": reasons, "bundle": [], "issuer": ""}


def _listens_at(variables: Mapping[str, Any]) -> list[str]:
    """Return the hosts on which the environment makes the server listen: the host itself asks it there. Raises GivenEnvironmentError."""
    environment = given_environment(variables)
    given = [str(environment.get(f"BYDB_{part}_HOST") or "").strip() for part in ("GRPC", "HTTP", "LIAISON_SERVER_GRPC", "SCHEMA_SERVER_GRPC")]
    return [host for host in given if host not in WILDCARDS]


def _days(host: str, variables: Mapping[str, Any], name: str, default: int) -> int:
    """Return a number of days. Raises ValueError."""
    value = variables.get(name)
    text = str(default if value is None else value)
    if not text.isdigit() or not 1 <= int(text) <= authority.MOST_DAYS:
        raise ValueError(f"{host}: {name} is {cut(text, 40)}: expected days from 1 to {authority.MOST_DAYS}. Correct the variable.")
    return int(text)


def _decide_files(host: str, settings: TlsSettings, found: Mapping[str, Any], now: datetime, decisions: Decisions) -> None:
    given, findings = given_files(host, settings.ca, settings.certificate, settings.key)
    if given is not None:
        findings = [*findings, *file_findings(host, given, settings.identity, now, settings.least_days)]
    decisions.problems += [each.message for each in findings if not each.is_warning]
    decisions.warnings += [each.message for each in findings if each.is_warning]
    if given is None:
        return
    try:
        wanted_ca = {each.sha256 for each in given.authorities}
        wanted = list(dict.fromkeys(hashlib.sha256(_der(each)).hexdigest() for each in certificates(read_source(settings.certificate))))
        private_key(read_source(settings.key, secret=True))
    except ReadingError as error:
        decisions.problems.append(f"{host}: {error}")
        return
    trusted = set(found["ca"]["sha256"])
    if trusted and wanted_ca != trusted and not trusted < wanted_ca:
        remedy = "First deploy both the present and the new CA in this variable, then the new certificates, then the new CA alone."
        # The last of these steps: every host has a certificate of the CA that stays.
        if not (wanted_ca < trusted and wanted == list(found["certificate"]["sha256"])):
            decisions.problems.append(f"{host}: banyandb_tls_ca drops a CA that the host trusts. {remedy}")
            return
    if trusted and wanted != list(found["certificate"]["sha256"]) and given.chain[-1].sha256 not in trusted:
        remedy = "Deploy this CA in banyandb_tls_ca first, with the present certificate."
        decisions.problems.append(f"{host}: banyandb_tls_certificate is signed by a CA that the host does not trust yet. {remedy}")
        return
    if wanted != list(found["certificate"]["sha256"]) or wanted_ca != trusted or not found["pair"]:
        decisions.orders[host] = {"action": Action.ISSUE.value, "reasons": [], "bundle": [], "issuer": ""}
    else:
        _decide_again(host, settings, found, decisions)


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return bytes(certificate.public_bytes(serialization.Encoding.DER))


def _plain(order: Order) -> dict[str, Any]:
    return {
        "action": order.action.value,
        "reasons": [reason.value for reason in order.reasons],
        "bundle": list(order.bundle),
        "issuer": order.issuer,
    }
