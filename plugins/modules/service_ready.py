#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_ready
short_description: "Internal: start or restart a server and wait until it listens"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Starts or restarts a systemd service. Waits in the same execution until the main process of the service listens on O(ports).
    C(systemctl is-active) does not show whether this server listens.
  - Fails at once if the process ends during its start. The error has the decisive message of the journal.
options:
  name:
    description: Name of the unit, such as V(banyandb-data.service).
    type: str
    required: true
  state:
    description:
      - V(started) starts the service if it does not run, and waits for the ports in any case.
      - V(restarted) always restarts the service, and waits for the ports.
    type: str
    choices: [started, restarted]
    default: started
  ports:
    description: TCP ports on which the main process must listen. A different process on the port does not count.
    type: list
    elements: int
    default: []
  timeout:
    description: Seconds to wait for the ports, from the time when systemd has started the process.
    type: float
    default: 60
  journal_lines:
    description: Number of journal lines in RV(journal) if the service does not start.
    type: int
    default: 20
  report_failure:
    description:
      - Whether to return RV(failure) and succeed if the service does not start.
      - A play uses this option to judge all hosts of a wave together, and to print the reason once.
    type: bool
    default: false
attributes:
  check_mode:
    description: Predicts the changes.
    support: full
  diff_mode:
    description: Shows the state before and after.
    support: full
  platform:
    description: Operating systems on which the module runs.
    support: full
    platforms: linux
notes:
  - Check mode predicts a start for a service that does not exist yet.
seealso:
  - module: skywalking.banyandb.host_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Start the data node and wait until it listens
  skywalking.banyandb.service_ready:
    name: banyandb-data.service
    ports: [17912, 17913]
"""

RETURN = r"""
seconds:
  description: Seconds from the start command until the process listened on the last port.
  returned: success, not in check mode
  type: float
  sample: 0.412
main_pid:
  description: ID of the main process.
  returned: success, not in check mode
  type: int
  sample: 4711
started_at:
  description: Start time of the process, in UTC.
  returned: success, not in check mode
  type: str
  sample: "2026-08-21T10:14:26Z"
started_us:
  description: Start time on the host's monotonic clock, in microseconds. The value identifies one start.
  returned: success, not in check mode
  type: int
  sample: 86400000000
failure:
  description: Why the service did not start (C(reason)), and the command that shows the rest of the journal (C(log)).
  returned: with O(report_failure), if the service did not start
  type: dict
  sample:
    reason: 'banyandb-data did not start: "mkdir /proc/nowhere: no such file or directory"'
    log: journalctl -u banyandb-data
journal:
  description: The last lines of the journal of this start, without debug messages and stacks.
  returned: if the service did not start; if the task fails, only with C(-v)
  type: list
  elements: str
  sample: ["banyandb-data.service: Main process exited, code=exited, status=1/FAILURE"]
error_type:
  description: V(not_ready), V(permission_denied) or V(no_systemd).
  returned: failure
  type: str
  sample: not_ready
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service_start, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

MOST_LINES = 10_000
ARGUMENTS: dict[str, Any] = {
    "name": {"required": True},
    "state": {"choices": ["started", "restarted"], "default": "started"},
    "ports": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "float", "default": 60},
    "journal_lines": {"type": "int", "default": service_start.JOURNAL_LINES},
    "report_failure": {"type": "bool", "default": False},
}


def predict(name: str, restart: bool) -> dict[str, Any]:
    """Return the predicted changes of a start, or with ``restart`` of a restart."""
    changed, diff = service_start.foreseen(systemd_services.services([name])[name], restart)
    return {"changed": changed, "diff": diff}


def check(parameters: dict[str, Any]) -> None:
    """Raise ValueError that names the parameter if a parameter is out of range."""
    require_seconds(parameters, {"timeout": 0.001})
    if not 1 <= parameters["journal_lines"] <= MOST_LINES:
        raise ValueError(f"journal_lines is {parameters['journal_lines']}: expected 1 to {MOST_LINES}")


def act(parameters: dict[str, Any]) -> dict[str, Any]:
    """Start the service and wait until it listens. Raises NotReady and HostStateError."""
    restart = parameters["state"] == "restarted"
    name = parameters["name"]
    predicted = predict(name, restart)
    ready = service_start.come_up(name, restart, parameters["ports"], parameters["timeout"], parameters["journal_lines"])
    return {"changed": ready.changed, "diff": predicted["diff"], **ready.to_mapping()}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        check(module.params)
        result = predict(module.params["name"], module.params["state"] == "restarted") if module.check_mode else act(module.params)
    except service_start.NotReady as error:
        if not module.params["report_failure"]:
            module.fail_json(error_type="not_ready", changed=True, **error.to_failure(module._verbosity))
        result = {"changed": True, **error.to_mapping()}
    except ValueError as error:
        module.fail_json(msg=message(error))
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
