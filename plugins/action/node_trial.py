# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``node_trial``. Runs the module ``start_trial`` once on the host, in check mode with the expected environment."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.setup_variables import setup as setup_from


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={
                "variables": {"type": "str", "required": True},
                "configures": {"type": "bool", "default": True},
                "report_failure": {"type": "bool", "default": False},
            }
        )
        setup = setup_from(self._templar.template((task_vars or {})[arguments.pop("variables")]))
        if setup["problems"]:
            return {**result, **refused(setup["problems"])}
        configures = arguments.pop("configures")
        arguments.update(name=setup["paths"]["service"], kind=setup["storage"]["role"])
        if self._task.check_mode and configures:
            # Outside of check mode, the module reads the file on the host.
            arguments.update(environment=setup["environment_text"], made=setup["made"])
        result.update(self._execute_module("skywalking.banyandb.start_trial", arguments, task_vars=task_vars))
        return result
