#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_ready
short_description: Start or restart a server and wait until it listens
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Starts a systemd service, or restarts it, and waits in the same execution until its own process listens on the
    given ports. C(systemctl is-active) says nothing of that, least of all for this server.
  - A process that ends while it starts is an error at once. The error has the decisive message of its journal.
options:
  name:
    description: Name of the unit, such as V(banyandb-data.service).
    type: str
    required: true
  state:
    description:
      - V(started) starts the service if it does not run, and waits for the ports in any case.
      - V(restarted) always restarts it.
    type: str
    choices: [started, restarted]
    default: started
  ports:
    description: TCP ports on which the process itself must listen. A stranger on the port does not count.
    type: list
    elements: int
    default: []
  timeout:
    description: How long to wait for the ports, in seconds, after systemd has done its own part.
    type: float
    default: 60
  journal_lines:
    description: How many lines of the journal RV(journal) has when the service does not start.
    type: int
    default: 20
  report_failure:
    description:
      - Return RV(failure) and succeed when the service does not start.
      - For a play that judges all hosts of a wave together, and prints the reason once.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and predict what it would change.
    support: full
  diff_mode:
    description: Shows the state before and after.
    support: full
  platform:
    description: Operating systems that it runs on.
    support: full
    platforms: linux
notes:
  - In check mode a service that is not there yet counts as one that would be started.
seealso:
  - module: skywalking.banyandb.host_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Start the data node and wait for it
  skywalking.banyandb.service_ready:
    name: banyandb-data.service
    ports: [17912, 17913]
"""

RETURN = r"""
seconds:
  description: From the order to start until the last port listened, in seconds.
  returned: success, not in check mode
  type: float
  sample: 0.412
main_pid:
  description: Process that listens.
  returned: success, not in check mode
  type: int
  sample: 4711
started_at:
  description: When it was started, UTC.
  returned: success, not in check mode
  type: str
  sample: "2026-08-21T10:14:26Z"
started_us:
  description: The same on the monotonic clock of the host, in microseconds; it names one start.
  returned: success, not in check mode
  type: int
  sample: 86400000000
failure:
  description: Why the service did not start (C(reason)), and the command that shows the rest of its journal (C(log)).
  returned: with O(report_failure), when the service did not start
  type: dict
  sample:
    reason: 'banyandb-data did not start: "mkdir /proc/nowhere: no such file or directory"'
    log: journalctl -u banyandb-data
journal:
  description: The last lines of the journal of this start, without debug messages and stacks.
  returned: when the service did not start; if the task fails, with C(-v) only
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

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import host_state
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service_start, systemd_services

ARGUMENTS: dict[str, Any] = {
    "name": {"required": True},
    "state": {"choices": ["started", "restarted"], "default": "started"},
    "ports": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "float", "default": 60},
    "journal_lines": {"type": "int", "default": service_start.JOURNAL_LINES},
    "report_failure": {"type": "bool", "default": False},
}


def predict(name: str, restart: bool) -> dict[str, Any]:
    """What would change, from the state as it is."""
    changed, diff = service_start.foreseen(systemd_services.services([name])[name], restart)
    return {"changed": changed, "diff": diff}


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
        result = predict(module.params["name"], module.params["state"] == "restarted") if module.check_mode else act(module.params)
    except service_start.NotReady as error:
        if not module.params["report_failure"]:
            module.fail_json(error_type="not_ready", changed=True, **error.to_failure(module._verbosity))
        result = {"changed": True, **error.to_mapping()}
    except host_state.HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
