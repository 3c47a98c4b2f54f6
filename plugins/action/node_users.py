# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``node_users``. Makes the file with the users on the controller, then runs the module ``users_file`` once on the host."""

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
                "service": {"type": "str", "required": True},
                "state": {"choices": ["present", "absent"], "default": "present"},
            }
        )
        setup = setup_from(self._templar.template((task_vars or {})[arguments.pop("variables")]))
        if setup["problems"]:
            return {**result, **refused(setup["problems"])}
        arguments["path"] = setup["users_file"]["path"]
        if arguments["state"] == "present":
            arguments.update(text=setup["users_text"], owner=setup["users_file"]["owner"])
        result.update(self._execute_module("skywalking.banyandb.users_file", arguments, task_vars=task_vars))
        return result
