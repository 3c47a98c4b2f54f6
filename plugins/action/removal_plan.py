# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``removal_plan``. Runs only on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster_members import members
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.removal import lines, problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import RolloutRefused, limits_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import clusters, merged
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import show

ARGUMENTS: dict[str, Any] = {
    # A wrong value is a problem of the clusters.
    "clean_up": {"type": "raw", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        nodes = members(variables)
        described = clusters(variables["groups"], variables["hostvars"]).values()
        leaving = sorted({name for cluster in described for name in cluster.remove})
        try:
            # With a variable that cannot be read, the plan would have false problems too, such as an empty banyandb_remove.
            wrong = merged([problem for cluster in described for problem in cluster.problems], variables["hostvars"])
            found = wrong or problems(nodes, leaving, limits_of(nodes, variables["hostvars"]), variables["ansible_play_hosts_all"])
        except RolloutRefused as error:
            found = [str(error)]
        if found:
            return {**result, **refused(found)}
        printed = lines(nodes, leaving, is_true(arguments["clean_up"]))
        show(printed)
        by_name = {node["name"]: node for each in nodes.values() for node in each}
        return {**result, "changed": False, "nodes": {name: by_name[name] for name in leaving}, "lines": printed}
