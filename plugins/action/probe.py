# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``probe``. Runs the module ``host_info`` once on the host, and judges the result on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused

# Imports stay at the top: the linear strategy loads this file before it forks, so it imports them once for all hosts.
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.setup_variables import setup as setup_from
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout import changed_kind
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import changes_mode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.expected_push import expected_push, push_guard
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import foreign_state
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import names_to_resolve
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import renamed_message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.time_limits import seconds_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_firewall import host_firewall
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_host import needed, other_nodes
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.task_failure import failure_reason


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "variables": {"type": "str", "required": True},
                "versions_dir": {"type": "path"},
                "refuse": {"type": "bool", "default": True},
                "push": {"type": "bool", "default": False},
                "proof_timeout": {"type": "raw"},
            }
        )
        arguments["root"] = True  # later tasks need root to change the host
        variables = task_vars or {}
        given = self._templar.template(variables[arguments.pop("variables")])
        kind = given.get("banyandb_kind")
        refuses, pushes = arguments.pop("refuse"), arguments.pop("push")
        setup = setup_from(given)
        problems = setup["problems"] + seconds_problems({"banyandb_proof_timeout": arguments.pop("proof_timeout")})
        if problems:
            return {**result, **refused(problems)}
        release, node = setup["release"], setup["node"]
        arguments.update(topology=setup["topology"], topology_names=setup["topology_file"])
        if setup["users_file"]:
            arguments["users_file"] = setup["users_file"]
        if setup["tls_dir"]:
            arguments["tls"] = setup["tls_dir"]
        host, clusters = variables["inventory_hostname"], variables.get("__banyandb_clusters") or {}
        arguments["storage"] = setup["storage"] and {**setup["storage"], "others": other_nodes(host, clusters)}
        arguments["guard"] = push_guard(host, clusters) if setup["topology_file"] else None
        arguments["names"] = names_to_resolve(host, clusters)
        servers = variables.get("__banyandb_local_servers") or {}
        # A host that leaves keeps its firewall until its server stops.
        if host in servers and any(each["name"] == host for cluster in clusters.values() for each in cluster["nodes"]):
            arguments["firewall"] = host_firewall(servers[host], clusters)
        if pushes and host in servers:
            arguments["push"] = expected_push(host, servers[host], clusters)
        arguments["beside"] = changed_kind.others(kind) if kind else []
        for part in (release, node):
            for option, items in part.items():
                arguments[option] = [*arguments.get(option, []), *items]
        result.update(self._execute_module("skywalking.banyandb.host_info", arguments, task_vars=task_vars))
        if result.get("unreachable"):
            return result
        if result.get("failed"):
            return {"failed": True, "msg": message(failure_reason(result))}
        found = foreign_state.findings(setup, result) if node["services"] else []
        refusals = [
            *changed_kind.problems(kind, result["beside"]),
            *(finding.message for finding in found if finding.refuses),
            *result["problems"],
            # A server that changes to topology.yml has not read the file.
            *([result["dropped"]] if result.get("dropped") and not any(map(changes_mode, result["services"].values())) else ()),
        ]
        if refuses and refusals:
            # preflight_report judges the machine, the names and the firewall together for all hosts.
            # Ansible prints the whole failed result, so values without a finding are left out.
            kept = {"machine": result["machine"], "unresolved": result["unresolved"], "firewall": result.get("firewall") or {}}
            return {**{key: value for key, value in kept.items() if any(value.values())}, **refused(refusals)}
        result["warnings"] = [*result.get("warnings", []), *(message(finding.message) for finding in found if not finding.refuses)]
        former = next((root for root in result.get("storage", {}).get("roots", ()) if root["former_host"]), None)
        if former:
            result["warnings"].append(message(renamed_message(former["path"], former["former_host"], host)))
        differing = {difference["path"] for difference in result["differs"]}
        reload_needed = any(service["need_daemon_reload"] for service in result["services"].values())
        result["install_needed"] = not release["users"] or needed(release, differing)
        storage_differs = result.get("storage", {}).get("differs", False)
        result["node_needed"] = not node["services"] or reload_needed or needed(node, differing) or storage_differs
        return result
