# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what a rollout changes on each server. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import MOVE, RESTART, START, need
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import (
    NOT_SERVING,
    Reason,
    RestartReason,
    concerns,
    hangs,
    read,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming

#: Environment variables that make the node name of a server, and those that make its labels and roles.
NAME_VARIABLES = ("BYDB_NODE_HOST", "BYDB_GRPC_PORT")
IDENTITY_VARIABLES = ("BYDB_NODE_LABELS", "BYDB_HAS_META_ROLE")

#: Kind of change -> the environment variables that the playbook for this kind may change.
SCOPES = {
    "labels": ("BYDB_NODE_LABELS",),
    "addresses": ("BYDB_NODE_HOST", "BYDB_GRPC_PORT", "BYDB_HTTP_PORT", "BYDB_HTTP_GRPC_ADDR", "BANYANDB_UNIT_SHA256"),
}
#: Changes without a restart: key of the result of the module probe -> variable of the inventory, and the kinds of change that may change it.
WITHOUT_RESTART = {
    "users_file": ("banyandb_users", ()),
    # The firewall has the addresses and ports of the nodes.
    "firewall": ("banyandb_firewall", ("addresses",)),
}


@dataclass(frozen=True)
class Change:
    """The change of one server.

    ``reasons``: why the rollout starts or restarts the server.
    ``renamed``: whether the change gives the server a new node name, which no other server knows yet.
    ``described``: whether the change gives the server other labels or roles.
    """

    reasons: tuple[RestartReason, ...]
    renamed: bool = False
    described: bool = False

    @classmethod
    def of(cls, reasons: Sequence[RestartReason]) -> Change:
        """Return the change for these reasons."""
        return cls(tuple(reasons), concerns(reasons, NAME_VARIABLES), concerns(reasons, IDENTITY_VARIABLES))

    @property
    def revives(self) -> bool:
        """Whether the server does not serve before the change."""
        return any(reason.reason in NOT_SERVING for reason in self.reasons)


def wanted_changes(services: Mapping[str, Mapping[str, Any]]) -> dict[str, Change]:
    """Return the changes of the servers that run with other settings than the inventory has: host -> change.

    ``services``: host -> service, as the module ``host_info`` returns it.
    """
    found = {}
    for host, service in services.items():
        if need(service) in (RESTART, MOVE):
            reasons = read(service["needs_restart"])
            found[host] = Change.of((RestartReason(Reason.NOT_RESPONDING), *reasons) if hangs(service) else reasons)
    return found


def requested_restarts(
    services: Mapping[str, Mapping[str, Any]], requested: Sequence[str], serving: Collection[str], inventory: Collection[str]
) -> dict[str, Change]:
    """Return the requested restarts: host -> change.

    ``requested``: hosts to restart; an empty list means every host in ``services``.
    ``services``: host -> service, as the module ``host_info`` returns it.
    ``serving``: hosts whose server responds.
    ``inventory``: hosts of the inventory that are a node.
    Raises RolloutRefused for a requested host that is not in ``inventory`` or not in ``services``.
    """
    unknown = sorted(set(requested) - {*inventory})
    if unknown:
        raise RolloutRefused(
            naming("banyandb_restart: ", unknown, " not in the inventory. Name hosts of banyandb_data, banyandb_liaison or banyandb_standalone.")
        )
    absent = sorted(set(requested) - {*services})
    if absent:
        raise RolloutRefused(naming("banyandb_restart: ", absent, " not reached by this run. Include each host in --limit and make it reachable."))

    def why(host: str) -> tuple[RestartReason, ...]:
        service = services[host]
        state = Reason.STOPPED if not service["main_pid"] else None if host in serving else Reason.NOT_RESPONDING
        return (*([RestartReason(state)] if state else []), RestartReason(Reason.REQUESTED), *read(service["needs_restart"]))

    return {host: Change.of(why(host)) for host in requested or services}


def check_scope(only: str | None, probes: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Change]) -> None:
    """Check that a playbook for one kind of change changes nothing else. It may renew certificates.

    ``only``: a key of SCOPES; None permits every change. ``probes``: host -> result of the module ``probe``. ``changes``: by host.
    Raises RolloutRefused when a change is outside of the scope.
    """
    if only is None:
        return
    beside = [f"{host}: does not run" for host, probe in probes.items() for service in probe["services"].values() if need(service) == START]
    beside += [f"{host}: {reason.text()}" for host, change in changes.items() for reason in change.reasons if not reason.within(SCOPES[only])]
    beside += [
        f"{host}: {variable}"
        for key, (variable, kinds) in WITHOUT_RESTART.items()
        for host, probe in probes.items()
        if only not in kinds and (probe.get(key) or {}).get("differs")
    ]
    if beside:
        before = f"This playbook changes only {only}, and the inventory has other changes ("
        raise RolloutRefused(naming(before, beside, "). Run skywalking.banyandb.deploy."))
