# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``node_settings``. Makes the files of a server on the controller, then runs the module ``node_files`` once on the host."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.setup_variables import setup as setup_from
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_host import files_to_write


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec={"variables": {"type": "str", "required": True}})
        setup = setup_from(self._templar.template((task_vars or {})[arguments["variables"]]))
        if setup["problems"]:
            return {**result, **refused(setup["problems"])}
        result.update(self._execute_module("skywalking.banyandb.node_files", files_to_write(setup), task_vars=task_vars))
        return result
