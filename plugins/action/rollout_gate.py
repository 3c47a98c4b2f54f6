# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``rollout_gate``. Runs only on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.failed_wave import failures_of, gate_lines, without_consequences
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.gate_judgement import Seen, judged, revisions
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.task_failure import failure_reason
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import show

ARGUMENTS: dict[str, Any] = {
    "register": {"type": "str", "required": True},
    "failure": {"type": "str", "required": True},
    "watchers": {"type": "list", "elements": "str", "required": True},
    "title": {"type": "str", "required": True},
    "keep_first": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        hosts = variables["ansible_play_hosts_all"]
        failures = failures_of({host: hostvars[host].get(arguments["failure"]) for host in hosts})
        seen = Seen(
            dropped=[host for host in hosts if host not in variables["ansible_play_hosts"]],
            failures={host: failure.reason for host, failure in failures.items()},
            watches=without_consequences({host: watch(hostvars[host].get(arguments["register"])) for host in arguments["watchers"]}, failures),
        )
        reasons = judged(seen)
        printed = gate_lines(arguments["title"], reasons, arguments["keep_first"])
        show(printed)
        noted = {host: failure.to_mapping() for host, failure in failures.items()}
        stand = [] if reasons else revisions(seen)
        return {**result, "changed": False, "open": not reasons, "reasons": reasons, "revisions": stand, "failures": noted, "lines": printed}


def watch(registered: Any) -> Mapping[str, Any] | str:
    """Return the result of cluster_watch on one host, or the reason why the host has no result."""
    if not isinstance(registered, Mapping):
        return "it did not watch"
    if "whole" in registered:
        return registered
    return failure_reason(registered) if registered.get("failed") or registered.get("unreachable") else "its watch gave no result"
