# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module ``rollout_plan``; it runs here alone, no host is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import MOVE, RESTART, START, need
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.waves import (
    DATA_AT_ONCE,
    STAGES,
    Change,
    Limits,
    RolloutRefused,
    lines,
    waves,
    within,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import DATA, LIAISON, ROLES, STANDALONE

NO_DRAIN = "none"
# What a playbook that is for one kind of change may change: variables of a server's environment.
SCOPES = {
    "labels": ("BYDB_NODE_LABELS",),
    "addresses": ("BYDB_NODE_HOST", "BYDB_GRPC_PORT", "BYDB_HTTP_PORT", "BYDB_HTTP_GRPC_ADDR", "BANYANDB_UNIT_SHA256"),
}

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "restart": {"type": "list", "elements": "str"},
    "only": {"type": "str", "choices": list(SCOPES)},
    "waves": {"type": "raw", "default": list(STAGES)},
    "data_at_once": {"type": "raw", "default": DATA_AT_ONCE},
    "minimum": {"type": "raw", "default": {}},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        looked_at = services(variables)
        away = set(variables.get("ansible_play_hosts_all", ())) - set(looked_at)
        nodes = {name: cluster.get("hosts", cluster["nodes"]) for name, cluster in arguments["clusters"].items()}
        try:
            changes = wanted_changes(looked_at, arguments["restart"])
            check_scope(arguments["only"], looked_at, changes)
            new = [host for host, service in looked_at.items() if need(service) == START]
            limits = Limits.from_values(arguments["waves"], arguments["data_at_once"], arguments["minimum"])
            planned = waves(nodes, changes, away, new, limits)
        except RolloutRefused as error:
            # A host with an error of its own ends the run. That the host is missing in the plan would only hide that error.
            if not any("banyandb_refusal" in variables["hostvars"][host] for host in variables.get("ansible_play_hosts", ())):
                return {**result, "failed": True, "msg": str(error)}
            planned, changes = [], {}
        told = lines(planned, changes)
        for line in told:
            Display().display(line)
        undrained = [host for wave in planned if wave.rank == "liaisons" for host in wave.hosts if drain_of(variables["hostvars"][host]) == NO_DRAIN]
        if undrained:
            result["warnings"] = [
                f"{', '.join(undrained)}: with banyandb_liaison_drain: none a liaison loses what it has acknowledged and still holds in memory, "
                "which is what came in within the last 5 s (its flush time-out)."
            ]
        return {
            **result,
            "changed": False,
            "waves": [wave.to_mapping() for wave in planned],
            "watchers": {name: watchers(each, looked_at) for name, each in nodes.items()},
            "lines": told,
        }


def drain_of(variables: Mapping[str, Any]) -> str:
    return str(variables.get("banyandb_liaison_drain") or "nftables")


def services(variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Host -> what was found of its server, for the hosts of the play that were looked at and not refused."""
    found = {}
    for host in variables.get("ansible_play_hosts", ()):
        probe = variables["hostvars"][host].get("banyandb_host")
        if probe and probe.get("services") and "banyandb_refusal" not in variables["hostvars"][host]:
            (found[host],) = probe["services"].values()
    return found


def wanted_changes(looked_at: Mapping[str, Mapping[str, Any]], restart: list[str] | None) -> dict[str, Change]:
    """What is to be changed: what runs otherwise than it should, or with ``restart`` those named there alone (all, when it is empty).

    Raises RolloutRefused for a name of nobody's.
    """
    if restart is None:
        differing = {host: service for host, service in looked_at.items() if need(service) in (RESTART, MOVE)}
        return {host: Change.of(service["needs_restart"], need(service) == MOVE) for host, service in differing.items()}
    unknown = sorted(set(restart) - set(looked_at))
    if unknown:
        raise RolloutRefused(
            f"banyandb_restart names {', '.join(unknown)}: expected hosts of this run that answer, which are {', '.join(sorted(looked_at))}."
        )
    named = restart or list(looked_at)
    return {host: Change.of(["asked for", *looked_at[host]["needs_restart"]]) for host in named if need(looked_at[host]) != START}


def check_scope(only: str | None, looked_at: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Change]) -> None:
    """Raises RolloutRefused when anything but what is in the scope ``only`` would be changed."""
    if only is None:
        return
    beside = [f"{host}: does not run" for host, service in looked_at.items() if need(service) == START]
    beside += [f"{host}: {reason}" for host, change in changes.items() for reason in change.reasons if not within(reason, SCOPES[only])]
    if beside:
        raise RolloutRefused(
            f"Other things differ than {', '.join(SCOPES[only])}, which this playbook is for. skywalking.banyandb.deploy sees to all of them; run "
            f"that first, or instead. {'; '.join(beside)}"
        )


def watchers(nodes: list[Mapping[str, Any]], looked_at: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Who sees what becomes of the others: the liaisons that serve, which alone know whom they use; without any, the data nodes."""
    serving = [node for node in nodes if node["name"] in looked_at and need(looked_at[node["name"]]) not in (START, MOVE)]
    of_role = {role: [node["name"] for node in serving if node["role"] == role] for role in ROLES}
    return of_role[LIAISON] or of_role[DATA] or of_role[STANDALONE]
