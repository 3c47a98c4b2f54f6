#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: liaison_drain
short_description: Close ports of a host to everyone else, for a while
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Closes every TCP port on which the process of a server listens by nftables, in a table of its own. These are the ports that it has, wherever it
    is to listen after its restart.
  - Whoever is connected gets a TCP reset, so that clients go to another liaison at once.
  - O(user) and root on the host itself still reach them, and what the server sends to others is left alone.
  - They are open again when the lease is over, whatever became of the controller.
options:
  state:
    description:
      - V(closed) closes the ports of O(service), or renews their lease, and returns after O(hold). Of one that does not run, nothing is closed.
      - V(open) opens whatever was closed.
      - V(checked) only sees whether ports could be closed.
    type: str
    choices: [closed, open, checked]
    required: true
  service:
    description: Name of the unit of the server. Required with O(state=closed).
    type: str
  user:
    description: Account of the server on this host. It and root still reach the ports; all others on this host do not.
    type: str
  lease:
    description: Seconds for which they stay closed.
    type: float
    default: 120
  hold:
    description:
      - Seconds to wait, with the ports closed, before this returns.
      - A liaison acknowledges what it still holds in memory, and passes it on when its flush comes. Seven seconds cover the default of five.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: Predicts what it would change.
  diff_mode:
    support: none
    description: Nothing that stays is changed.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Keep everyone away from this liaison
  skywalking.banyandb.liaison_drain:
    state: closed
    service: banyandb-liaison.service
    user: banyandb

- name: Let them in again
  skywalking.banyandb.liaison_drain:
    state: open
"""

RETURN = r"""
closed:
  description: The ports that are closed now, or with V(open) those that were.
  type: list
  elements: int
  returned: success
error_type:
  description: V(no_nft), V(no_user), V(no_systemd), V(permission_denied) or V(nft_failed).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import port_drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds

ARGUMENTS: dict[str, Any] = {
    "state": {"choices": ["closed", "open", "checked"], "required": True},
    "service": {},
    "user": {},
    "lease": {"type": "float", "default": 120},
    "hold": {"type": "float", "default": 0},
}


def act(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Do, or in check mode tell. Raises HostStateError, and ValueError that names the parameter."""
    require_seconds(params, {"lease": 1, "hold": 0})
    before = port_drain.closed()
    if params["state"] == "checked":
        return {"changed": False, "closed": before}
    if params["state"] == "open":
        if before and not check:
            port_drain.reopen()
        return {"changed": bool(before), "closed": before}
    pid = systemd_services.services([params["service"]])[params["service"]].main_pid
    ports = running_process.listening_ports(pid) if pid else []
    if ports and not check:
        port_drain.close(ports, params["lease"], params["hold"], params["user"])
    return {"changed": bool(ports) and before != ports, "closed": ports or before}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "closed", ["service"])], supports_check_mode=True)
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
