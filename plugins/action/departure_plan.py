# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``departure_plan``. Runs only on the controller."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.common.validation import check_type_list
from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster_members import members
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import (
    EVERY_GROUP,
    Cause,
    Content,
    Departure,
    Leaving,
    Reason,
    Risk,
    departure,
    merged,
    risks,
    without_returned,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure_table import (
    VARIABLE,
    leaving_lines,
    no_groups,
    refusal,
    table,
    unknown_groups,
    warnings,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import Counts, Group, Segment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused, agreed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT, split_address
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import details_wanted, show

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "leaving": {"type": "list", "elements": "str", "required": True},
    "announce": {"type": "bool", "default": True},
    "cause": {"choices": [cause.value for cause in Cause], "default": Cause.REMOVED.value},
    "accept": {"type": "list", "elements": "str", "default": []},
    "found": {"type": "str", "required": True},
    "failed_parts": {"type": "str", "required": True},
}


@dataclass
class Seen:
    """The results of the hosts of one cluster.

    ``entries``: entry name -> address, of all topology files. ``asked``: host -> result of departure_info. ``failed_parts``: host -> directories.
    """

    nodes: list[Mapping[str, Any]]
    entries: dict[str, str] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed_parts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def still_gone(self) -> list[Departure]:
        """Departures without those of nodes that have returned with their data."""
        listed = {node["name"]: node["node_name"] for node in self.nodes if node["name"] in self.entries}
        since = {listed[name]: report["since"] for name, report in self.asked.items() if name in listed and report["since"] is not None}
        return without_returned(self.departures, since)

    @property
    def by_name(self) -> dict[str, Mapping[str, Any]]:
        return {node["name"]: node for node in self.nodes}

    @property
    def data_entries(self) -> dict[str, str]:
        """Entry name -> address of the data nodes that the servers list."""
        known = self.by_name
        return {
            name: address
            for name, address in self.entries.items()
            if (known[name]["role"] == DATA if name in known else split_address(address)[1] != LIAISON_PORT)
        }

    @property
    def liaisons(self) -> list[str]:
        """Hosts of the liaisons that the servers list."""
        return [node["name"] for node in self.nodes if node["role"] == LIAISON and node["name"] in self.entries]


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        cause, now = Cause(arguments["cause"]), int(time.time())
        problems: list[str] = []
        result.update(changed=False, departures={}, risks=[], lines=[], warnings=[])
        groups: set[str] | None = set()  # None: a cluster's groups are unknown
        named: set[str] = set()
        asked = False
        gone = arguments["leaving"] if cause is Cause.REMOVED else []
        for cluster, nodes in members(variables).items():
            described = arguments["clusters"].get(cluster, {"mode": None, "nodes": []})
            # Servers that ask DNS have dropped the node before the run, so only a lost disk is a question.
            if described["mode"] != FILE and not (described["mode"] == DNS and cause is Cause.EMPTY_DISK):
                continue
            seen = look(variables, cluster, nodes, gone, arguments["found"], arguments["failed_parts"])
            if described["mode"] == DNS:
                seen.entries.update({node["name"]: node["grpc_address"] for node in described["nodes"] if node["role"] != STANDALONE})
            if arguments["announce"]:
                result["lines"] += leaving_lines(cluster, sorted({*gone} & seen.entries.keys()), seen.by_name)
            leaving = leaving_of(seen, arguments["leaving"], cause)
            liaisons = [name for name in seen.liaisons if name in gone]
            if not leaving and not any(seen.failed_parts.get(name) for name in liaisons):
                continue
            try:
                accepted = accepted_groups(cluster, nodes, variables["hostvars"], arguments["accept"])
            except RolloutRefused as error:
                problems.append(str(error))
                continue
            content, reason = content_of(seen, leaving, liaisons)
            if content is None and leaving and EVERY_GROUP not in accepted:
                problems.append(no_groups(cluster, reason))
            at_risk = risks(content, leaving, seen.still_gone, cluster, now) if content else []
            at_risk += risks_of_liaisons(seen, liaisons, content)
            groups = None if content is None or groups is None else groups | {group.name for group in content.groups}
            if at_risk:
                hosts = {node["node_name"]: node["name"] for node in seen.nodes} | {each.node: each.host for each in seen.departures}
                result["lines"] += table(cluster, at_risk, hosts)
                result["risks"] += [mapping_of(cluster, risk) for risk in at_risk]
            message = refusal(at_risk, accepted, cause)
            if message:
                problems.append(message)
            if content:
                result["warnings"] += warnings(cluster, content, leaving)
            if leaving:
                new = [departure(content, each, cluster, now) for each in leaving]
                result["departures"][cluster] = [each.to_mapping() for each in merged([*seen.departures, *new])]
            named.update(accepted)
            asked = True
        if asked and groups is not None and unknown_groups(named, groups):
            problems.insert(0, unknown_groups(named, groups))
        show(result["lines"])
        if problems:
            if not details_wanted():
                result = {name: value for name, value in result.items() if name not in ("departures", "risks", "lines")}
            result.update(refused(problems))
        return result


def accepted_groups(cluster: str, nodes: Sequence[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]], of_play: list[str]) -> list[str]:
    """Return the groups of a cluster in ``banyandb_accept_data_loss``. Raises RolloutRefused when its hosts have different or invalid values.

    ``of_play``: the value of the task. It counts when no host has a value: the variables of a play or a role are not among those of the hosts.
    """
    given = agreed(cluster, nodes, hostvars, [VARIABLE])[VARIABLE]
    try:
        return [str(name) for name in check_type_list(of_play if given is None else given)]
    except TypeError:
        raise RolloutRefused(f"cluster {cluster}: {VARIABLE} is {shown(given)}: expected a list of groups, such as [sw_metrics].") from None


def look(variables: Mapping[str, Any], cluster: str, nodes: list[dict[str, Any]], gone: Sequence[str], found: str, failed_parts: str) -> Seen:
    """Return the results of the hosts of a cluster. ``found`` and ``failed_parts``: names of the variables with the results.

    The topology file of a host in ``gone`` does not count, because this host leaves.
    """
    seen = Seen(list(nodes))
    for node in nodes:
        facts = variables["hostvars"][node["name"]]
        report = facts.get(found)
        if isinstance(report, Mapping) and "departures" in report:
            seen.asked[node["name"]] = report
            seen.entries.update(report["entries"] if node["name"] not in gone else {})
            seen.departures += [each for each in map(Departure.from_mapping, report["departures"]) if each.cluster == cluster]
        parts = (facts.get(failed_parts) or {}).get("failed_parts")
        if parts is not None:
            seen.failed_parts[node["name"]] = [each["path"] for each in parts]
    return seen


def leaving_of(seen: Seen, names: Sequence[str], cause: Cause) -> list[Leaving]:
    """Return the data nodes of ``names`` that leave. A node that is in no topology file has already left."""
    entries = seen.data_entries
    return [
        Leaving(name, known["node_name"] if known else entries[name], (known or {}).get("labels") or {}, cause)
        for name in sorted(set(names) & entries.keys())
        for known in [seen.by_name.get(name)]
    ]


def content_of(seen: Seen, leaving: Sequence[Leaving], leaving_liaisons: Sequence[str]) -> tuple[Content | None, str]:
    """Return the content from the liaison that counted most data nodes. Without an answer, return None and the reason."""
    known = seen.by_name
    names = sorted({*(known[name]["node_name"] if name in known else address for name, address in seen.data_entries.items())})
    best: Content | None = None
    reasons = []
    for host in sorted(seen.liaisons, key=lambda name: name in leaving_liaisons):
        report = seen.asked.get(host)
        if report is None or report["groups"] is None:
            reasons.append((report or {}).get("failure") or f"{host} is unreachable")
            continue
        counts = {
            group: {node: tuple(Segment(*segment) for segment in segments) for node, segments in nodes.items()}
            for group, nodes in report["counts"].items()
        }
        content = Content([Group.from_mapping(group) for group in report["groups"]], counts, names)
        if best is None or missing(content.counts, names) < missing(best.counts, names):
            best = content
    if best is None:
        return None, reasons[0] if reasons else ""
    properties = {each.node: found for each in leaving for found in [seen.asked.get(each.host, {}).get("properties")] if found is not None}
    parts: dict[str, list[str]] = {}
    for host in seen.liaisons:
        for path in seen.failed_parts.get(host, ()):
            parts.setdefault(group_of(path), []).append(f"{host}:{path}")
    unseen = [host for host in seen.liaisons if host not in seen.failed_parts and host not in leaving_liaisons]
    return replace(best, properties=properties, failed_parts=parts, unseen=unseen), ""


def missing(counts: Counts, names: Sequence[str]) -> int:
    return sum(name not in nodes for nodes in counts.values() for name in names)


def risks_of_liaisons(seen: Seen, liaisons: Sequence[str], content: Content | None) -> list[Risk]:
    """Return the failed parts on the disks of leaving liaisons. These liaisons do not send the parts to data nodes."""
    known = None if content is None else {group.name: group.replicas + 1 for group in content.groups}
    found: dict[tuple[str, str], list[str]] = {}
    for host in liaisons:
        for path in seen.failed_parts.get(host, ()):
            if known is None or group_of(path) in known:
                found.setdefault((group_of(path), host), []).append(path)
    return [Risk(group, (known or {}).get(group, 1), host, None, Reason.FAILED_PARTS, None, tuple(paths)) for (group, host), paths in found.items()]


def group_of(path: str) -> str:
    """Return the group of a directory ``<root>/<catalog>/data/<group>/shard-<n>/failed-parts``."""
    return os.path.basename(os.path.dirname(os.path.dirname(path)))


def mapping_of(cluster: str, risk: Risk) -> dict[str, Any]:
    return {**vars(risk), "cluster": cluster, "reason": risk.reason.value, "names": list(risk.names)}
