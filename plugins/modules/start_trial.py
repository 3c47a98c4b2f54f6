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
  - Finds problems while the old server still runs. Examples are a file system mounted C(noexec), a program for a different architecture, or a
    setting that the program refuses.
  - Opens no port and changes no data.
options:
  name:
    description: Name of the unit, such as V(banyandb-data.service).
    type: str
    required: true
  report_failure:
    description:
      - Whether to return RV(failure) and succeed if the program does not start.
      - A play uses this option to judge all hosts of a wave together, and to print the reason once.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Does nothing, because the new files may not exist yet in check mode.
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
"""

RETURN = r"""
failure:
  description: Why the program does not start (C(reason)).
  returned: with O(report_failure), if the program does not start
  type: dict
  sample:
    reason: "banyandb-data: /opt/banyandb/versions/0.11.0/bin/banyand-server is on a file system mounted noexec. Remount it with exec"
error_type:
  description: V(does_not_start), V(no_program), V(no_systemd) or V(permission_denied).
  type: str
  returned: failure
  sample: does_not_start
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services, trial_run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {"name": {"required": True}, "report_failure": {"type": "bool", "default": False}}


def act(name: str) -> None:
    """Return if the program of the unit ``name`` can start. Raises HostStateError (``does_not_start``, ``no_program``, ``no_systemd``)."""
    unit = systemd_services.services([name])[name]
    trial_run.try_program(name, [path for path in (unit.fragment_path, *unit.drop_in_paths) if path])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        if not module.check_mode:
            act(module.params["name"])
    except HostStateError as error:
        if module.params["report_failure"]:
            module.exit_json(changed=False, failure={"reason": str(error).rstrip(".")})
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
