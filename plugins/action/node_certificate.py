# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``node_certificate``. Makes the certificate on the controller, then runs the module ``tls_files`` once on the host."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import AuthorityError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import ReadingError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import NodeFiles, files_of, now, settings_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "order": {"type": "dict", "required": True},
    "found": {"type": "dict", "required": True},
    "directory": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        host, order = variables["inventory_hostname"], arguments["order"]
        if self._task.check_mode:
            # A certificate that is never written needs no key of the CA, and the first deployment has no CA yet.
            return {**result, "changed": True, "reasons": order["reasons"]}
        try:
            made = files_of(host, settings_of(host, variables["hostvars"][host]), order, arguments["found"], now())
        except (AuthorityError, ReadingError, ValueError) as error:
            return {**result, "failed": True, "msg": message(error)}
        options = {name: arguments[name] for name in ("directory", "user", "service")}
        result.update(self._written(made, options, variables))
        result.pop("invocation", None)
        return {**result, "reasons": order["reasons"]}

    def _written(self, made: NodeFiles, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        written: dict[str, Any] = self._execute_module("skywalking.banyandb.tls_files", {**options, **made._asdict()}, task_vars=variables)
        return written
