# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of each server of a rollout. Pure."""

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
    read,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused

#: Of the environment of a server: what makes its node name, and what else it says of itself.
NAME_VARIABLES = ("BYDB_NODE_HOST", "BYDB_GRPC_PORT")
IDENTITY_VARIABLES = ("BYDB_NODE_LABELS", "BYDB_HAS_META_ROLE")
#: A server that was started with other values of these listens, and elsewhere than it is to.
PORT_VARIABLES = ("BYDB_GRPC_PORT", "BYDB_HTTP_PORT")

#: What a playbook that is for one kind of change may change: variables of a server's environment.
SCOPES = {
    "labels": ("BYDB_NODE_LABELS",),
    "addresses": ("BYDB_NODE_HOST", "BYDB_GRPC_PORT", "BYDB_HTTP_PORT", "BYDB_HTTP_GRPC_ADDR", "BANYANDB_UNIT_SHA256"),
}


@dataclass(frozen=True)
class Change:
    """What is to become of one server.

    ``reasons``: why it is started or restarted; ``renamed``: it gets another node name, under which no other server knows it before;
    ``described``: other labels or roles.
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
    """Return host -> change of each server that runs and is not as it should be; ``services``: host -> service of ``host_info``."""
    found = {}
    for host, service in services.items():
        if need(service) in (RESTART, MOVE):
            reasons = read(service["needs_restart"])
            hangs = need(service) == MOVE and not concerns(reasons, PORT_VARIABLES)
            found[host] = Change.of((RestartReason(Reason.NOT_RESPONDING), *reasons) if hangs else reasons)
    return found


def requested_restarts(
    services: Mapping[str, Mapping[str, Any]], requested: Sequence[str], serving: Collection[str], inventory: Collection[str]
) -> dict[str, Change]:
    """Return host -> change of each server in ``requested``, or of all in ``services`` when it is empty.

    ``services``: host -> service of ``host_info``; ``serving``: hosts whose server responds; ``inventory``: hosts that are a node.
    Raises RolloutRefused for a host that is not in ``services``.
    """
    unknown = sorted(set(requested) - {*inventory})
    if unknown:
        raise RolloutRefused(
            f"banyandb_restart: {', '.join(unknown)} not in the inventory. Name hosts of banyandb_data, banyandb_liaison or banyandb_standalone."
        )
    absent = sorted(set(requested) - {*services})
    if absent:
        raise RolloutRefused(f"banyandb_restart: {', '.join(absent)} not reached by this run. Include each host in --limit and make it reachable.")

    def why(host: str) -> tuple[RestartReason, ...]:
        service = services[host]
        state = Reason.STOPPED if not service["main_pid"] else None if host in serving else Reason.NOT_RESPONDING
        return (*([RestartReason(state)] if state else []), RestartReason(Reason.REQUESTED), *read(service["needs_restart"]))

    return {host: Change.of(why(host)) for host in requested or services}


def check_scope(only: str | None, services: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Change]) -> None:
    """Raise RolloutRefused when anything outside of the scope ``only`` would be changed."""
    if only is None:
        return
    beside = [f"{host}: does not run" for host, service in services.items() if need(service) == START]
    beside += [f"{host}: {reason.text()}" for host, change in changes.items() for reason in change.reasons if not reason.within(SCOPES[only])]
    if beside:
        raise RolloutRefused(
            f"Other things differ than {', '.join(SCOPES[only])}, which this playbook is for. skywalking.banyandb.deploy sees to all of them; run "
            f"that first, or instead. {'; '.join(beside)}"
        )
