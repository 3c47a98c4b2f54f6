# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which host keeps its certificate, which host gets a new one and why, and the step of a CA rotation. Pure.

Rules:
- A host may get a certificate of a CA only when every host of the cluster trusts this CA.
- A host may stop trusting a CA only when no host has or serves a certificate of this CA.
- A renewal keeps the key of the host: a new certificate for the same public key. So ``node.crt`` is the only file that changes, and the pair
  always matches. A key crosses the network once, when the host gets the key.

The step of a rotation comes from the CAs in the CA directory and from what the hosts hold. No memory of an earlier run is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import (
    CURVE,
    Certificate,
    Identity,
    is_due,
    missing,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming


class Action(str, Enum):
    """What a host does with its certificate.

    RENEW: a new certificate for its key. ISSUE: a new key and a new certificate. WAIT: nothing in this step.
    """

    KEEP = "keep"
    RENEW = "renew"
    ISSUE = "issue"
    WAIT = "wait"


class Reason(str, Enum):
    """Why a host does not keep its certificate."""

    NO_CERTIFICATE = "no_certificate"
    KEY_MISMATCH = "key_mismatch"
    KEY_TYPE = "key_type"
    KEY_REQUESTED = "key_requested"
    RENEWAL_REQUESTED = "renewal_requested"
    NAME_MISSING = "name_missing"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    RENEWAL_DUE = "renewal_due"
    CA_CHANGED = "ca_changed"


#: Reasons that need a new key.
NEW_KEY = frozenset({Reason.NO_CERTIFICATE, Reason.KEY_MISMATCH, Reason.KEY_TYPE, Reason.KEY_REQUESTED})


class Step(str, Enum):
    """The step of a CA rotation.

    STABLE: one CA, no rotation. RETIRE: each host trusts and serves the new CA only, so the old CA may be deleted.
    """

    STABLE = "stable"
    TRUST_BOTH = "trust_both"
    REISSUE = "reissue"
    TRUST_NEW = "trust_new"
    RETIRE = "retire"


class Blocked(str, Enum):
    """Why a step does not end.

    UNKNOWN_HOST: some hosts are unreachable, so their files are unknown. UNKNOWN_CA: hosts trust and use a CA that is not in the CA directory.
    """

    UNKNOWN_HOST = "unknown_host"
    UNKNOWN_CA = "unknown_ca"


class Held(NamedTuple):
    """What a host holds. CAs are named by their key identifiers, in hexadecimal.

    ``certificate``: of ``node.crt``, None without the file.
    ``pair``: the certificate matches the key on the host. ``bundle``: CAs in ``ca.crt``.
    ``served``: CAs of the certificates that the ports of the running server serve now, empty without a server. These ports load a new certificate in
    2.2 s (measured). The gossip port 17932 does not count: it serves its old certificate until a restart, and only the repair of properties waits.
    """

    certificate: Certificate | None = None
    pair: bool = False
    bundle: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()

    @property
    def issuers(self) -> frozenset[str]:
        """The CAs whose certificates the host has or serves. Other hosts must trust them."""
        return self.served | ({self.certificate.issuer_key_id} if self.certificate else frozenset())


@dataclass(frozen=True)
class Order:
    """What one host must hold. ``bundle``: CAs of its ``ca.crt``, oldest first. ``issuer``: CA that signs; empty with KEEP and WAIT.

    ``lacking``: names and addresses that the present certificate lacks.
    """

    host: str
    action: Action
    reasons: tuple[Reason, ...]
    bundle: tuple[str, ...]
    bundle_changes: bool
    issuer: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the host must write a file."""
        return self.bundle_changes or self.action in (Action.RENEW, Action.ISSUE)


@dataclass(frozen=True)
class Plan:
    """The orders of one step. Carry them out one host at a time, in any order; then read the hosts and plan again.

    2 s after a change of ``ca.crt``, a server closes its connections and opens them again. With 4 s between two hosts, at most 3 requests failed in a
    run under load. With all hosts at once, up to 10 writes failed, 9 of them after 20 s. No acknowledged point was lost (measured).

    ``blocked`` with ``blocking`` hosts: the rotation cannot go on. With UNKNOWN_CA, no host may be changed and ``orders`` is empty.
    """

    step: Step
    orders: tuple[Order, ...] = ()
    blocked: Blocked | None = None
    blocking: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a host must write a file."""
        return any(order.changes for order in self.orders)

    @property
    def problem(self) -> str:
        """One line with the fault and what to do; empty when nothing blocks."""
        if self.blocked is Blocked.UNKNOWN_CA:
            after = ": use a CA that banyandb_ca_dir does not have. Restore this directory from its backup."
            return naming("", self.blocking, after)
        if self.blocked is Blocked.UNKNOWN_HOST:
            remedy = " are unreachable or not in this run. Run without --limit. List hosts that are gone in banyandb_remove."
            return naming("CA rotation: waits, because ", self.blocking, remedy)
        return ""


def plan(
    wanted: Mapping[str, Identity],
    held: Mapping[str, Held | None],
    authorities: Sequence[str],
    now: datetime,
    renewed: Collection[str] = (),
    new_keys: Collection[str] = (),
) -> Plan:
    """Return what each host must do now.

    ``wanted``: host -> its Identity, for every host that shares the CA, also with ``--limit``. ``held``: host -> what the host holds; None or no
    entry for an unreachable host. ``authorities``: key identifiers of the CAs in the CA directory, oldest first, at least one; the last
    one is the CA to use. ``now``: UTC. ``renewed``: hosts that must get a new certificate. ``new_keys``: hosts that must get a new key too.
    """
    known = {host: found for host in sorted(wanted) for found in [held.get(host)] if found is not None}
    unknown = tuple(host for host in sorted(wanted) if host not in known)
    joined = {host: found for host, found in known.items() if found.issuers}
    strangers = _strangers(joined, authorities)
    if strangers:
        return Plan(Step.STABLE if len(authorities) == 1 else Step.TRUST_BOTH, (), Blocked.UNKNOWN_CA, strangers)
    step = _step(joined, unknown, authorities)
    in_use = {issuer for found in joined.values() for issuer in found.issuers}
    signer = _signer(joined, in_use, bool(unknown), step, authorities)
    orders = []
    for host, found in known.items():
        requested = [Reason.KEY_REQUESTED] * (host in new_keys) + [Reason.RENEWAL_REQUESTED] * (host in renewed)
        reasons, lacking = _reasons(found, wanted[host], now, requested, step, authorities)
        bundle = _bundle(found, {*in_use, signer} if reasons else in_use, step, authorities)
        if not reasons:
            action, issuer = Action.KEEP, ""
        elif not signer:
            action, issuer = Action.WAIT, ""
        else:
            action, issuer = Action.ISSUE if NEW_KEY.intersection(reasons) else Action.RENEW, signer
        orders.append(Order(host, action, reasons, bundle, frozenset(bundle) != found.bundle, issuer, lacking))
    if step is Step.TRUST_NEW and not any(order.changes for order in orders):
        step = Step.RETIRE
    # Without a rotation, each host stands alone.
    blocked = Blocked.UNKNOWN_HOST if unknown and step is not Step.STABLE else None
    return Plan(step, tuple(orders), blocked, unknown if blocked else ())


def after(found: Held, order: Order, wanted: Identity, now: datetime) -> Held:
    """Return what a host holds after it has carried out its order, so that check mode can plan the next step.

    ``found``: what the host holds before the order. ``wanted`` and ``now``: as of plan().
    """
    found = found._replace(bundle=frozenset(order.bundle))
    if not order.issuer:
        return found
    years = now + timedelta(days=36_500)
    made = Certificate(wanted.names, wanted.addresses, 0, now, years, "", order.issuer, "", "")
    return found._replace(certificate=made, pair=True, served=frozenset({order.issuer}) if found.served else found.served)


def _strangers(joined: Mapping[str, Held], authorities: Sequence[str]) -> tuple[str, ...]:
    """Return the hosts with a CA outside ``authorities`` that another host trusts. A change of one of the two would break their connection."""
    return tuple(
        host
        for host, found in joined.items()
        if any(other != host and found.issuers.difference(authorities) & trusting.bundle for other, trusting in joined.items())
    )


def _step(joined: Mapping[str, Held], unknown: Sequence[str], authorities: Sequence[str]) -> Step:
    newest = authorities[-1]
    if len(authorities) == 1:
        return Step.STABLE
    if unknown or any(newest not in found.bundle for found in joined.values()):
        return Step.TRUST_BOTH
    if any(found.issuers - {newest} for found in joined.values()):
        return Step.REISSUE
    return Step.TRUST_NEW


def _bundle(found: Held, in_use: Collection[str], step: Step, authorities: Sequence[str]) -> tuple[str, ...]:
    """Return the CAs that the host must trust. A bundle that suffices stays: each change of ``ca.crt`` makes the server reconnect to all nodes."""
    if step in (Step.STABLE, Step.TRUST_NEW):
        return (authorities[-1],)
    needed = {authorities[-1], *(issuer for issuer in in_use if issuer in authorities)}
    if needed <= found.bundle:
        return tuple(each for each in authorities if each in found.bundle)
    return tuple(authorities)


def _signer(joined: Mapping[str, Held], in_use: Collection[str], unknown: bool, step: Step, authorities: Sequence[str]) -> str:
    """Return the CA that signs in this step; empty when no CA is known to have the trust of all hosts.

    While hosts learn to trust the new CA, an older CA signs. ``unknown``: some hosts are unreachable. These hosts trust the new CA when another host
    has a certificate of the new CA. They trust the older CA when none has one, because the last step starts only when all hosts have one.
    """
    newest = authorities[-1]
    if step is not Step.TRUST_BOTH:
        return newest
    if unknown and not joined:
        return ""
    trusted = [each for each in authorities if all(each in found.bundle for found in joined.values())]
    older = [each for each in trusted if each != newest]
    if newest in trusted and (newest in in_use or not (older or unknown)):
        return newest
    return older[-1] if older else ""


def _reasons(
    found: Held, wanted: Identity, now: datetime, requested: Collection[Reason], step: Step, authorities: Sequence[str]
) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Return why the host needs another certificate, and the names that the present certificate lacks."""
    certificate = found.certificate
    if certificate is None:
        return (Reason.NO_CERTIFICATE,), ()
    lacking = missing(certificate, wanted)
    # In the first step each CA of the directory still signs.
    usable = authorities if step is Step.TRUST_BOTH else authorities[-1:]
    checks = {
        Reason.KEY_MISMATCH: not found.pair,
        Reason.KEY_TYPE: certificate.key_type != CURVE,
        Reason.KEY_REQUESTED: Reason.KEY_REQUESTED in requested,
        Reason.RENEWAL_REQUESTED: Reason.RENEWAL_REQUESTED in requested,
        Reason.NAME_MISSING: bool(lacking),
        Reason.EXPIRED: certificate.not_after <= now,
        Reason.NOT_YET_VALID: now < certificate.not_before,
        Reason.RENEWAL_DUE: certificate.not_after > now and is_due(certificate, now),
        Reason.CA_CHANGED: certificate.issuer_key_id not in usable,
    }
    return tuple(reason for reason, holds in checks.items() if holds), lacking
