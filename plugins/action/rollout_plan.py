# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``rollout_plan``. Runs only on the controller."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.certificate_rounds import UNLOADED
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import (
    MOVE,
    START,
    after_certificate,
    need,
    unknown_past,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.gate_judgement import watchers
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused, WrongLimits, limits_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import (
    SCOPES,
    check_scope,
    requested_restarts,
    wanted_changes,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.tls_switch import lines as switch_lines
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.tls_switch import switches
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.waves import lines, waves
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import show

NO_DRAIN = "none"

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "restart": {"type": "list", "elements": "str"},
    "answers": {"type": "str"},
    "only": {"type": "str", "choices": list(SCOPES)},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars, clusters, restart = variables["hostvars"], arguments["clusters"], arguments["restart"]
        looked_at = services(variables)
        if restart is None:
            looked_at = after_certificates(looked_at, variables["groups"])
        nodes = {name: cluster.get("hosts", cluster["nodes"]) for name, cluster in clusters.items()}
        members = [node["name"] for each in nodes.values() for node in each]
        found = {host: service for host, service in looked_at.items() if host in members}
        probes = {host: hostvars[host]["__banyandb_host"] for host in looked_at}
        serving = {host for host, service in found.items() if need(service) not in (START, MOVE)}
        away = set(variables.get("ansible_play_hosts_all", ())) - set(looked_at)
        switching = switches(nodes, found, variables.get("ansible_play_hosts", ()))
        switched = {host for switch in switching.values() for host in switch.stops}
        try:
            if restart is None:
                changes = wanted_changes({host: service for host, service in found.items() if host not in switched})
            else:
                serving &= {host for host in found if answers(host, hostvars[host].get(arguments["answers"]))}
                changes = requested_restarts(found, restart, serving, members)
            check_scope(arguments["only"], {host: probe for host, probe in probes.items() if host in members}, changes)
            # deploy starts stopped servers before the first wave. restart starts only the servers of its plan; the others stay stopped.
            stopped = {host for host, service in found.items() if need(service) == START and host not in changes}
            limits = limits_of(nodes, hostvars)
            planned = waves(nodes, changes, away if restart is None else away | stopped, stopped, limits)
        except RolloutRefused as error:
            # A host with its own error ends the run, and so do wrong limits: the task preflight_report refuses all of them together. A message
            # about the missing host would only hide these errors.
            refused = any("__banyandb_refusal" in variables["hostvars"][host] for host in variables.get("ansible_play_hosts", ()))
            if not refused and not isinstance(error, WrongLimits):
                return {**result, "failed": True, "msg": message(error)}
            planned, changes, limits = [], {}, {}
        printed = switch_lines(switching) + lines(planned, changes)
        show(printed)
        warnings = []
        for name in dict.fromkeys(wave.cluster for wave in planned):
            unwatched = [node["name"] for node in nodes[name] if node["role"] == LIAISON and node["name"] in away]
            if unwatched:
                warnings.append(
                    naming(
                        f"cluster {name}: ",
                        unwatched,
                        " not in this run, so no gate checks the cluster views of these liaisons. Include them in --limit.",
                    )
                )
        unknown = unknown_past(clusters, probes) if restart is None else []
        if unknown:
            warnings.append(
                naming(
                    "",
                    unknown,
                    ": no data yet, and this run did not reach every host. If this is a new machine for a node that had data, run without --limit.",
                    3,
                )
            )
        liaisons = [host for wave in planned if wave.rank == "liaisons" for host in wave.hosts]
        liaisons += [host for switch in switching.values() for host in switch.drained]
        undrained = [host for host in liaisons if variables["__banyandb_local_servers"][host]["drain"] == NO_DRAIN]
        if undrained:
            warnings.append(
                naming(
                    "",
                    undrained,
                    ": with banyandb_liaison_drain: none a liaison loses the acknowledged points of the last 5 s. "
                    "Set banyandb_liaison_drain: nftables.",
                )
            )
        return {
            **result,
            **({"warnings": list(map(message, warnings))} if warnings else {}),
            "changed": False,
            "waves": [wave.to_mapping() for wave in planned],
            "stops": [{"liaisons": list(switch.liaisons), "others": list(switch.others)} for switch in switching.values()],
            "drained": liaisons,
            "watchers": {name: watchers(each, serving) for name, each in nodes.items()},
            "liaisons": {name: [node["name"] for node in each if node["role"] == LIAISON] for name, each in nodes.items()},
            "gates": {name: {"soak": limit.soak, "stall": limit.stall} for name, limit in limits.items()},
            "lines": printed,
        }


def answers(host: str, registered: Any) -> bool:
    """Return whether the server of ``host`` responds. ``registered``: result of cluster_watch on this host."""
    return isinstance(registered, Mapping) and host in registered.get("serving", ())


def after_certificates(looked_at: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Collection[str]]) -> dict[str, Mapping[str, Any]]:
    """Return host -> state of its server, with the restarts that the certificates of this run need. ``groups``: the groups of the inventory."""
    return {host: after_certificate(service, host in groups.get(UNLOADED, ())) for host, service in looked_at.items()}


def services(variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return host -> state of its server, for the hosts of the play with a probe result and without a refusal."""
    found = {}
    for host in variables.get("ansible_play_hosts", ()):
        probe = variables["hostvars"][host].get("__banyandb_host")
        if probe and probe.get("services") and "__banyandb_refusal" not in variables["hostvars"][host]:
            (found[host],) = probe["services"].values()
    return found
