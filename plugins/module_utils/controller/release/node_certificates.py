# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller which certificate each host gets, and make its files.

The CA directory and what the hosts hold decide. No run needs a memory of an earlier run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
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
    name_of,
    pem_of,
    private_key,
    read_source,
    readable,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import (
    LEAST_DAYS,
    file_findings,
    files_of_others,
    waits_for_restart,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import Action, Held, Order, Reason, Step, after, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_table import AUTHORITY, NODE, Row, to_do
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CERTIFICATE_FILE, DAY, Identity, node_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import WILDCARDS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import tls_directory
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CONFIG_DIR, DEFAULT_USER
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, fitted, naming

OWN_CA, FILES = "own_ca", "files"
# Beside the inventory. Ansible does not read a hidden directory as an inventory.
CA_DIRECTORY = ".banyandb-ca"
# Stand for the CA that the first deployment makes, and for the CA that a rotation makes.
FIRST, NEXT = "first", "next"
# Values of banyandb_rotate_ca. TRUST ends when every host trusts the new CA, so that clients outside of the cluster can trust it too.
TRUST, REPLACE = "trust", "replace"
_ROTATE = "skywalking.banyandb.certificates -e banyandb_rotate_ca=true"


class TlsSettings(NamedTuple):
    """The settings of one host. ``identity``: names and addresses by which the host is reached. Days are whole days.

    ``directory``: of the files, on the host.
    """

    source: str
    directory: str
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


class Wishes(NamedTuple):
    """What a run asks for, besides what is due.

    ``renewed``: hosts that get a new certificate. ``new_keys``: hosts that get a new key too. ``rotation``: TRUST, REPLACE or empty.
    ``predicted``: how many steps check mode takes as carried out.
    """

    renewed: Collection[str] = ()
    new_keys: Collection[str] = ()
    rotation: str = ""
    predicted: int = 0


class Problem(NamedTuple):
    """Why ``hosts`` get no certificate. ``message``: one line with what to do."""

    hosts: tuple[str, ...]
    message: str


@dataclass
class Decisions:
    """What the hosts get. ``orders``: host -> order as plain values, for hosts whose files change. ``warnings``: messages.

    ``expired``: hosts that no other host can connect to again, because a certificate has expired. Their cluster cannot become healthy before its end.
    ``begun``: CA directories that need a new CA first. ``retired``: CA directory -> newest CA, when no host uses or trusts an older CA.
    """

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    expired: set[str] = field(default_factory=set)
    begun: list[str] = field(default_factory=list)
    retired: dict[str, str] = field(default_factory=dict)


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
        tls_directory(str(variables.get("banyandb_config_dir") or DEFAULT_CONFIG_DIR)),
        os.path.abspath(os.path.expanduser(str(variables.get("banyandb_ca_dir") or beside_inventory))),
        str(variables.get("banyandb_ca_passphrase") or ""),
        _days(host, variables, "banyandb_ca_days", 3650),
        _days(host, variables, "banyandb_certificate_days", 365),
        str(variables.get("banyandb_user") or DEFAULT_USER),
        str(variables.get("banyandb_tls_ca") or ""),
        str(variables.get("banyandb_tls_certificate") or ""),
        str(variables.get("banyandb_tls_key") or ""),
        _days(host, variables, "banyandb_certificate_least_days", LEAST_DAYS),
        node_identity(host, node_host, _listens_at(variables)),
    )


def decide(
    settings: Mapping[str, TlsSettings], found: Mapping[str, Mapping[str, Any] | None], now: datetime, wishes: Wishes = Wishes()  # noqa: B008
) -> Decisions:
    """Return what each host gets. Changes nothing.

    ``settings``: host -> settings, for every host with TLS, also outside of the run. ``found``: host -> ``tls`` as the module ``host_info`` returned
    it; None or no entry for a host that was not looked at. ``now``: UTC.
    """
    decisions = Decisions()
    others = {
        host: [Problem((host,), fitted("", f"{host}: ", each)) for each in files_of_others(settings[host].directory, seen)]
        for host, seen in found.items()
        if seen is not None
    }
    decisions.problems += [problem for problems in others.values() for problem in problems]
    for host, each in settings.items():
        seen = found.get(host)
        if each.source == FILES and seen is not None and not others[host]:
            if wishes.rotation:
                text = f"{host}: banyandb_rotate_ca replaces the CA of own_ca. Deploy three times instead: both CAs, new certificates, the new CA."
                decisions.problems.append(Problem((host,), text))
            elif not wishes.predicted:
                _decide_files(host, each, seen, now, decisions)
    directories: dict[str, dict[str, TlsSettings]] = {}
    for host, each in settings.items():
        if each.source == OWN_CA:
            directories.setdefault(each.ca_dir, {})[host] = each
    for directory, hosts in directories.items():
        if any(others.get(host) for host in hosts):
            continue
        try:
            _decide_own_ca(directory, hosts, found, now, wishes, decisions)
        except authority.AuthorityError as error:
            decisions.problems.append(Problem(tuple(hosts), str(error)))
    return decisions


def rows(hosts: Sequence[str], found: Mapping[str, Mapping[str, Any] | None], orders: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return the certificates of a cluster, the CAs first. ``hosts``: its hosts with TLS. ``found``: as of decide(). ``orders``: of decide()."""
    nodes: list[Row] = []
    cas: dict[bytes, Any] = {}
    for host in hosts:
        seen = found.get(host)
        if seen is None:
            nodes.append(Row(host, NODE, "unknown", None, "", "not in this run, or unreachable"))
            continue
        own = readable(seen["certificate"]["text"])[:1]
        cas.update({_der(each): each for each in readable(seen["ca"]["text"])})
        to_be = to_do(orders.get(host), waits_for_restart(seen))
        nodes += [Row(host, NODE, name_of(each.subject), each.not_valid_after_utc, name_of(each.issuer), to_be) for each in own]
        nodes += [] if own else [Row(host, NODE, "", None, "", to_be)]
    signed = [Row("", AUTHORITY, name_of(each.subject), each.not_valid_after_utc, name_of(each.issuer)) for each in cas.values()]
    return [*sorted(signed, key=str), *nodes]


def begin(directories: Collection[str], settings: Mapping[str, TlsSettings], now: datetime) -> None:
    """Make the next CA in each directory. ``settings``: as of decide(). Raises AuthorityError."""
    for directory in directories:
        owner = next(each for each in settings.values() if each.source == OWN_CA and each.ca_dir == directory)
        authority.begin_rotation(directory, owner.passphrase, owner.ca_days, now)


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
    directory: str,
    hosts: Mapping[str, TlsSettings],
    found: Mapping[str, Mapping[str, Any] | None],
    now: datetime,
    wishes: Wishes,
    decisions: Decisions,
) -> None:
    known = authority.authorities(directory)
    begins = bool(wishes.rotation) and (len(known) < 2 or known[-1].encrypted_key is None)
    for passphrase in {each.passphrase for each in hosts.values()}:
        # A rotation that begins needs neither the key nor the passphrase of the older CA.
        if known and not begins:
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
        decisions.problems.append(Problem(tuple(strangers), naming("", strangers, remedy, 3)))
        return
    unknown = [host for host in hosts if host not in looked_at]
    if unknown and not known:
        remedy = f": not in this run, so {directory} may lack their CA. Run without --limit, or restore this directory."
        decisions.problems.append(Problem(tuple(hosts), naming("", unknown, remedy, 3)))
        return
    if wishes.rotation and not known:
        decisions.problems.append(Problem(tuple(hosts), fitted("", directory, ": has no CA to replace. Run skywalking.banyandb.deploy.")))
        return
    ends = [each.values.not_after for each in known[-1:]]
    decisions.expired.update(hosts if ends and ends[0] <= now else ())
    decisions.expired.update(host for host, each in looked_at.items() if each.certificate and each.certificate.not_after <= now)
    if ends and ends[0] <= now and not wishes.rotation:
        text = f": this CA expired on {ends[0]:%Y-%m-%d}. Replace it: {_ROTATE}"
        decisions.problems.append(Problem(tuple(hosts), fitted("", known[-1].path, text)))
        return
    if ends and ends[0] < now + max(each.certificate_days for each in hosts.values()) * DAY and not wishes.rotation:
        text = f": this CA expires on {ends[0]:%Y-%m-%d}, and new certificates end on that day. Replace it: {_ROTATE}"
        decisions.warnings.append(fitted("", known[-1].path, text))
    planned = _plan_own_ca([each.key_id for each in known] + [NEXT] * begins or [FIRST], directory, hosts, looked_at, now, wishes, decisions)
    decisions.begun += [directory] * (begins and planned)
    for host in looked_at:
        if not wishes.predicted:
            _decide_again(host, hosts[host], found[host] or {}, decisions)


def _plan_own_ca(
    cas: Sequence[str],
    directory: str,
    hosts: Mapping[str, TlsSettings],
    looked_at: Mapping[str, Held],
    now: datetime,
    wishes: Wishes,
    decisions: Decisions,
) -> bool:
    """Plan one step, and return whether nothing blocks it.

    ``cas``: key identifiers, oldest first. ``looked_at``: host -> what it holds. Other arguments as of _decide_own_ca().
    """
    identities = {host: each.identity for host, each in hosts.items()}
    now_held = dict(looked_at)
    made = plan(identities, now_held, cas, now, wishes.renewed, wishes.new_keys)
    for _carried_out in range(wishes.predicted):
        now_held.update({order.host: after(now_held[order.host], order, identities[order.host], now) for order in made.orders})
        made = plan(identities, now_held, cas, now)
    if made.problem:
        if wishes.rotation or not made.orders:
            decisions.problems.append(Problem(made.blocking, made.problem))
            return False
        decisions.warnings.append(made.problem)
    orders = [order for order in made.orders if order.changes]
    # Without a wish for a rotation, a rotation that is under way does not go on. Its steps need a healthy cluster and one host after the other.
    if len(cas) > 1 and (not wishes.rotation or (wishes.rotation == TRUST and made.step is not Step.TRUST_BOTH)):
        orders = [order for order in orders if not _only_of_rotation(order, now_held[order.host])]
    if len(cas) > 1 and not wishes.rotation:
        decisions.warnings.append(fitted("", directory, f": a CA rotation is under way. Finish it: {_ROTATE}"))
    decisions.orders.update({order.host: _plain(order, now_held[order.host]) for order in orders})
    if wishes.rotation == REPLACE and made.step is Step.RETIRE:
        decisions.retired[directory] = cas[-1]
    return True


def _only_of_rotation(order: Order, found: Held) -> bool:
    """Return whether the host has all files, and only the rotation asks for others."""
    return set(order.reasons) <= {Reason.CA_CHANGED} and bool(found.bundle) and found.certificate is not None


def _decide_again(host: str, settings: TlsSettings, found: Mapping[str, Any], decisions: Decisions) -> None:
    """Order the files of a host again when others can read them, or when its server serves another certificate than its file has."""
    stale = any(pem.strip() not in found["certificate"]["text"] for pem in found["served"])
    owned = all(found[name]["owner"] == settings.user for name in ("ca", "certificate", "key")) and found["key"]["mode"] == "0600"
    reasons = ["not_served"] * stale + ["attributes"] * (not owned)
    if reasons and host not in decisions.orders and found["certificate"]["text"] and found["pair"]:
        decisions.orders[host] = {"action": Action.KEEP.value, "reasons": reasons, "bundle": [], "issuer": "", "ca_changes": False}


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
    def refuse(*messages: str) -> None:
        decisions.problems += [Problem((host,), each) for each in messages]

    given, findings = given_files(host, settings.ca, settings.certificate, settings.key)
    if given is not None:
        findings = [*findings, *file_findings(host, given, settings.identity, now, settings.least_days)]
    refuse(*(each.message for each in findings if not each.is_warning))
    decisions.warnings += [each.message for each in findings if each.is_warning]
    if given is None:
        return
    try:
        wanted_ca = {each.sha256 for each in given.authorities}
        wanted = list(dict.fromkeys(hashlib.sha256(_der(each)).hexdigest() for each in certificates(read_source(settings.certificate))))
        private_key(read_source(settings.key, secret=True))
    except ReadingError as error:
        refuse(f"{host}: {error}")
        return
    trusted, present = set(found["ca"]["sha256"]), list(found["certificate"]["sha256"])
    own = held(found["certificate"]["text"], found["ca"]["text"], found["pair"]).certificate
    decisions.expired.update([host] if own and own.not_after <= now else [])
    if not trusted and present and wanted != present:
        remedy = "is not the certificate of banyandb_tls_certificate. Move it away, then run this again."
        refuse(f"{host}: {settings.directory}/{CERTIFICATE_FILE} {remedy}")
        return
    if trusted and wanted_ca != trusted and not trusted < wanted_ca:
        remedy = "First deploy both the present and the new CA in this variable, then the new certificates, then the new CA alone."
        # The last of these steps: every host has a certificate of the CA that stays.
        if not (wanted_ca < trusted and wanted == present):
            refuse(f"{host}: banyandb_tls_ca drops a CA that the host trusts. {remedy}")
            return
    if trusted and wanted != present and given.chain[-1].sha256 not in trusted:
        remedy = "Deploy this CA in banyandb_tls_ca first, with the present certificate."
        refuse(f"{host}: banyandb_tls_certificate is signed by a CA that the host does not trust yet. {remedy}")
        return
    if wanted != present or wanted_ca != trusted or not found["pair"]:
        changes = bool(trusted) and wanted_ca != trusted
        reasons = ["certificate_changed"] * (wanted != present) + ["ca_changed"] * changes
        decisions.orders[host] = {"action": Action.ISSUE.value, "reasons": reasons, "bundle": [], "issuer": "", "ca_changes": changes}
    else:
        _decide_again(host, settings, found, decisions)


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return bytes(certificate.public_bytes(serialization.Encoding.DER))


def _plain(order: Order, found: Held) -> dict[str, Any]:
    """Return an order as plain values. ``ca_changes``: a running server must load other CAs, so its cluster must be healthy again afterwards."""
    return {
        "action": order.action.value,
        "reasons": [reason.value for reason in order.reasons],
        "bundle": list(order.bundle),
        "issuer": order.issuer,
        "ca_changes": order.bundle_changes and bool(found.bundle),
    }
