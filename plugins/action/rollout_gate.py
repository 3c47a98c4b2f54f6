# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module ``rollout_gate``; it runs here alone, no host is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.gate_judgement import Seen, judged, revisions

ARGUMENTS: dict[str, Any] = {
    "register": {"type": "str", "required": True},
    "failure": {"type": "str", "required": True},
    "watchers": {"type": "list", "elements": "str", "required": True},
    "title": {"type": "str", "required": True},
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
        seen = Seen(
            dropped=[host for host in hosts if host not in variables["ansible_play_hosts"]],
            failures={host: str(hostvars[host][arguments["failure"]]) for host in hosts if hostvars[host].get(arguments["failure"])},
            watches={host: watch(hostvars[host].get(arguments["register"])) for host in arguments["watchers"]},
        )
        reasons = judged(seen)
        told = [f"gate {arguments['title']}: {'closed' if reasons else 'open'}", *(f"  {reason}" for reason in reasons)]
        for line in told:
            Display().display(line)
        return {**result, "changed": False, "open": not reasons, "reasons": reasons, "revisions": [] if reasons else revisions(seen), "lines": told}


def watch(registered: Any) -> Mapping[str, Any] | str:
    """The result of cluster_watch on one host, or why there is none."""
    if not isinstance(registered, Mapping):
        return "it did not watch"
    if "whole" in registered:
        return registered
    return " ".join(str(registered.get("msg", "its watch gave no result")).split())
