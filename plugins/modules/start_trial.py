#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: start_trial
short_description: "Internal: test whether the program of a service can start"
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Starts the program of a unit once with C(systemd-run), with the account, the sandbox and the environment of the unit. The program ends before it
    serves.
  - Then checks what the program needs after this point. The unit must have no fault that C(systemd-analyze) finds. The account must be able to read
    the certificates, keys and other files of the environment. No other program may listen on the ports.
  - Finds problems while the old server still runs. Examples are a file system mounted C(noexec), a program for a different architecture, a setting
    that the program refuses, a missing certificate, or a port of another program.
  - Opens no port and changes no data.
options:
  name:
    description: Name of the unit, such as V(banyandb-data.service).
    type: str
    required: true
  kind:
    description: Kind of the node.
    type: str
    choices: [data, liaison, standalone]
    required: true
  environment:
    description: Expected text of the environment file. Check mode needs this text, because the file may not exist yet.
    type: str
  made:
    description: Paths of files that the run makes before the start. Check mode does not warn about them.
    type: list
    elements: str
    default: []
  report_failure:
    description:
      - Whether to return RV(failure) and succeed if the server does not start.
      - A play uses this option to judge all hosts of a wave together, and to print the reason once.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Warns about ports and missing files of O(environment). Does not start the program, because the new files may not exist yet.
  diff_mode:
    support: none
    description: Changes nothing.
  platform:
    support: full
    description: Operating systems on which the module runs.
    platforms: linux
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Test whether the server can start with its new settings
  skywalking.banyandb.start_trial:
    name: banyandb-data.service
    kind: data
"""

RETURN = r"""
failure:
  description: Why the server does not start (C(reason)).
  returned: with O(report_failure), if the server does not start
  type: dict
  sample:
    reason: "banyandb-data: /opt/banyandb/versions/0.11.0/bin/banyand-server is on a file system mounted noexec. Remount it with exec"
error_type:
  description: V(does_not_start), V(no_program), V(no_systemd) or V(permission_denied).
  type: str
  returned: failure
  sample: does_not_start
"""

from collections.abc import Collection
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, start_obstacles, systemd_services, trial_run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import read_back
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES

ARGUMENTS: dict[str, Any] = {
    "name": {"required": True},
    "kind": {"choices": list(ROLES), "required": True},
    "environment": {"no_log": True},
    "made": {"type": "list", "elements": "str", "default": []},
    "report_failure": {"type": "bool", "default": False},
}


def act(name: str, kind: str) -> list[str]:
    """Return warnings if the server of the unit ``name`` can start. Raises HostStateError (``does_not_start``, ``no_program``, ``no_systemd``)."""
    service = systemd_services.services([name])[name]
    unit_files = [path for path in (service.fragment_path, *service.drop_in_paths) if path]
    unit = trial_run.read_unit(name, unit_files)
    trial_run.try_program(unit)
    reason, warnings = start_obstacles.of_unit(name, unit_files)
    reason = reason or start_obstacles.of_commands(unit_files) or start_obstacles.of_conditions(unit_files)
    if not reason:
        environment = start_obstacles.environment_in_sandbox(unit)
        reason = start_obstacles.of_files(kind, environment, unit) or start_obstacles.of_ports(kind, environment, own_ports(service))
    if reason:
        raise HostStateError("does_not_start", f"{unit.name}: {reason}.")
    return warnings


def foresee(name: str, kind: str, environment: str, made: Collection[str] = ()) -> list[str]:
    """Return what would stop the server with the text of this environment file, as warnings. Starts nothing. ``made``: as the option."""
    variables = read_back(environment)
    service = systemd_services.services([name])[name]
    reason = start_obstacles.of_files(kind, variables, None, made) or start_obstacles.of_ports(kind, variables, own_ports(service))
    return [f"{name}: the server would not start: {reason}."] if reason else []


def own_ports(service: systemd_services.Service) -> list[int]:
    """Return the ports on which the running server listens. Raises HostStateError."""
    return running_process.listening_ports(service.main_pid) if service.main_pid else []


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    name, kind, environment = (module.params[option] for option in ("name", "kind", "environment"))
    warnings: list[str] = []
    try:
        if not module.check_mode:
            warnings = act(name, kind)
        elif environment:
            warnings = foresee(name, kind, environment, module.params["made"])
    except HostStateError as error:
        if module.params["report_failure"] and not module.check_mode:
            module.exit_json(changed=False, failure={"reason": str(error).rstrip(".")})
        module.fail_json(msg=message(error), error_type=error.kind)
    for warning in warnings:
        module.warn(message(warning))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
