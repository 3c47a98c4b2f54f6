# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sort the hosts into the Ansible groups of the rounds of the playbook ``certificates``. Pure.

A round reads every host, changes the hosts that must change, and the next round proves it. A CA rotation has three rounds with changes: trust both
CAs, new certificates, trust the new CA. A fourth round proves the third one and deletes the old CA.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import waits_for_restart
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming

LAST_ROUND = 4
#: Prefixes; the number of the round follows. READ: hosts to read. CERTIFY: hosts that change at the same time. ONE_BY_ONE: one after the other.
READ, CERTIFY, ONE_BY_ONE = "__banyandb_certificates_", "__banyandb_certify_", "__banyandb_certify_one_by_one_"
#: Group of the hosts that ``deploy`` restarts by waves after they have got their certificates.
UNLOADED = "__banyandb_certificate_unloaded"


def groups_of(
    clusters: Mapping[str, Sequence[str]],
    here: Sequence[str],
    found: Mapping[str, Mapping[str, Any] | None],
    orders: Mapping[str, Mapping[str, Any]],
    expired: Collection[str],
    number: int,
    rotates: bool,
) -> dict[str, list[str]]:
    """Return host -> groups.

    ``clusters``: name -> hosts with TLS. ``here``: hosts of the run. ``found``: host -> its files and what its server serves. ``orders``: of this
    round. ``expired``: hosts with an expired certificate. ``number``: of the round, 0 for ``deploy``. ``rotates``: a CA rotation goes on.

    A server whose CAs change connects to all nodes again. So these servers change one after the other, and each cluster must be healthy in between.
    A cluster with an expired certificate has no health to wait for: its hosts change at the same time.
    """
    unhealthy = {host for hosts in clusters.values() if expired and set(hosts) & set(expired) for host in hosts}
    groups: dict[str, list[str]] = {}
    for host, order in orders.items():
        runs = bool((found.get(host) or {}).get("served"))
        alone = order["ca_changes"] and runs and host not in unhealthy
        groups[host] = [f"{ONE_BY_ONE if alone else CERTIFY}{number}"]
        groups[host] += [UNLOADED] if not number and waits_for_restart(found.get(host), order) else []
    if number and (orders or rotates):
        for host in here:
            groups.setdefault(host, []).append(f"{READ}{number + 1}")
    return groups


def not_ended(orders: Mapping[str, Mapping[str, Any]], number: int, rotates: bool) -> str:
    """Return why the run cannot end, or an empty text. Arguments as of groups_of()."""
    last = LAST_ROUND if rotates else 2
    if number < last or not orders:
        return ""
    reasons = sorted({reason for order in orders.values() for reason in order["reasons"] or ["ca_changed"]})
    return naming("After this run changed them, ", list(orders), f" still need a change ({', '.join(reasons)}). Run this again with -v.", 3)
