# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``preflight_report``. Runs only on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import problems_of, refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import declared
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout import tls_switch
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import START, need
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import limits_of, wrong_limits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_findings import firewall_findings, shut_out
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import (
    FEW,
    Check,
    Finding,
    Level,
    disabled_findings,
    machine_findings,
    name_findings,
    table,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unknown_names import unknown_groups, unknown_variables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, message, naming
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import details_wanted, show

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "register": {"type": "str", "required": True},
    "refusal": {"type": "str", "required": True},
    "certificates": {"type": "str"},
    "table": {"type": "bool", "default": False},
    "changes_tls": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars, hosts = variables["hostvars"], variables["ansible_play_hosts"]
        looked_at = {host: found for host in hosts if isinstance(found := hostvars[host].get(arguments["register"]), Mapping) and "machine" in found}
        refusals = {host: problems_of(hostvars[host][arguments["refusal"]]) for host in hosts if hostvars[host].get(arguments["refusal"])}
        findings = host_findings(refusals)
        findings += machine_findings({host: found["machine"] for host, found in looked_at.items()})
        # A host in banyandb_remove is no member any more, and deploy does not start its server.
        members = {node["name"] for cluster in arguments["clusters"].values() for node in cluster.get("hosts", cluster["nodes"])}
        services = {host: service for host, found in looked_at.items() if host in members for service in found.get("services", {}).values()}
        findings += disabled_findings(services)
        findings += name_findings({host: found.get("unresolved", {}) for host, found in looked_at.items()}, arguments["clusters"])
        findings += firewall_findings({host: found["firewall"] for host, found in looked_at.items() if found.get("firewall")}, arguments["clusters"])
        findings += shut_out(arguments["clusters"], starting(looked_at), variables["ansible_play_hosts_all"], hosts)
        findings += limit_findings(arguments["clusters"], hostvars)
        findings += certificate_findings(hostvars[hosts[0]].get(arguments["certificates"]) if arguments["certificates"] else None)
        findings += switch_findings(arguments["clusters"], looked_at, hostvars, hosts, arguments["changes_tls"])
        findings += unknown_variables({host: list(hostvars[host]) for host in variables["ansible_play_hosts_all"]}, declared())
        findings += unknown_groups(variables["groups"])
        lost = [host for host in variables["ansible_play_hosts_all"] if host not in hosts]
        unfit = list(dict.fromkeys(host for finding in findings if finding.level is Level.FAIL for host in finding.hosts))
        if arguments["table"]:
            findings = [Finding((host,), Check.HOST, Level.FAIL, f"{host}: unreachable, see above.") for host in lost] + findings
            result["lines"] = table(variables["ansible_play_hosts_all"], findings)
            show(result["lines"])
            unfit = sorted({*unfit, *lost})
            problems = [naming("Preflight failed on ", unfit, ". The table of this task says why, and what to do.", FEW)] if unfit else []
        else:
            result["warnings"] = [message(finding.message) for finding in findings if finding.level is Level.WARN]
            # The task that compared the host has already printed the host's refusal.
            problems = [finding.message for finding in findings if finding.level is Level.FAIL and finding.check is not Check.HOST]
            if refusals:
                problems.append(naming("Nothing was changed: ", list(refusals), " cannot be deployed as the inventory says. Each error is above."))
        result.update(changed=False, findings=[finding.to_mapping() for finding in findings])
        if problems:
            if not details_wanted():
                result = {key: value for key, value in result.items() if key not in ("findings", "lines")}
            result.update(refused(problems))
        return result


def starting(looked_at: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the hosts without a firewall whose server does not run. ``looked_at``: host -> result of the probe."""
    return [
        host
        for host, found in looked_at.items()
        if (found.get("firewall") or {}).get("first") and any(need(service) == START for service in found.get("services", {}).values())
    ]


def host_findings(refusals: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Return a finding for each problem. Hosts with the same problem share one finding. ``refusals``: host -> problems."""
    hosts: dict[str, list[str]] = {}
    for host, problems in refusals.items():
        for problem in problems:
            hosts.setdefault(problem, []).append(host)
    return [Finding(tuple(names), Check.HOST, Level.FAIL, f"{listed(names, FEW)}: {problem}") for problem, names in hosts.items()]


def certificate_findings(decided: Any) -> list[Finding]:
    """Return a finding for each problem of the certificates. ``decided``: result of certificate_orders, None in a run without this task."""
    problems = decided.get("problems", ()) if isinstance(decided, Mapping) else ()
    return [Finding(tuple(each["hosts"]), Check.VARIABLES, Level.FAIL, each["message"]) for each in problems]


def limit_findings(clusters: Mapping[str, Mapping[str, Any]], hostvars: Mapping[str, Any]) -> list[Finding]:
    """Return a finding for each cluster whose limits of a rollout are wrong. ``clusters``: result of the filter ``clusters``."""
    nodes = {name: cluster.get("hosts", cluster["nodes"]) for name, cluster in clusters.items()}
    return [
        Finding(tuple(node["name"] for node in nodes[name]), Check.VARIABLES, Level.FAIL, problem)
        for name, problem in wrong_limits(nodes, hostvars).items()
    ]


def switch_findings(
    clusters: Mapping[str, Mapping[str, Any]],
    looked_at: Mapping[str, Mapping[str, Any]],
    hostvars: Mapping[str, Any],
    reached: Sequence[str],
    changes_tls: bool,
) -> list[Finding]:
    """Return why the run must not change TLS. ``looked_at``: host -> result of the probe. ``changes_tls``: whether the run can change TLS."""
    nodes = {name: cluster.get("hosts", cluster["nodes"]) for name, cluster in clusters.items()}
    services = {host: service for host, found in looked_at.items() for service in found.get("services", {}).values()}
    found = tls_switch.switches(nodes, services, reached)
    wrong = wrong_limits(nodes, hostvars)  # has findings of its own
    limits = limits_of({name: each for name, each in nodes.items() if name not in wrong}, hostvars)
    return tls_switch.findings(found, {name: name in wrong or limits[name].allow_downtime for name in nodes}, changes_tls)
