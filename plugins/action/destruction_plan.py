# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``destruction_plan``. Runs only on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.destruction import confirmed_names, destroyed, lines, problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import clusters
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import show

ARGUMENTS: dict[str, Any] = {"confirm": {"type": "raw"}, "removes_data": {"type": "bool", "default": False}}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        described = clusters(variables["groups"], variables["hostvars"])
        confirmed = confirmed_names(arguments["confirm"])
        found = problems(described, confirmed, variables["ansible_play_hosts_all"], load_extra_vars(self._loader))
        if found:
            return {**result, **refused(found)}
        printed = lines(described, confirmed, arguments["removes_data"])
        show(printed)
        return {**result, "changed": False, "nodes": destroyed(described, confirmed), "lines": printed}
