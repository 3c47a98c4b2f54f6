# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``certificate_orders``. Runs only on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import decide, now, settings_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "found": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        hosts = [node["name"] for cluster in arguments["clusters"].values() for node in cluster.get("hosts", cluster["nodes"])]
        secured = [host for host in hosts if host in hostvars and is_true(hostvars[host].get("banyandb_tls", False))]
        looks = {host: hostvars[host].get(arguments["found"]) or {} for host in secured if host in variables["ansible_play_hosts"]}
        try:
            settings = {host: settings_of(host, hostvars[host]) for host in secured}
        except ValueError as error:
            return {**result, **refused([str(error)])}
        decisions = decide(settings, {host: look.get("tls") for host, look in looks.items()}, now())
        result.update(changed=False, orders=decisions.orders)
        if decisions.warnings:
            result["warnings"] = list(map(message, decisions.warnings))
        return {**result, **refused(decisions.problems)} if decisions.problems else result
