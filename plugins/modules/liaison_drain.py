#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: liaison_drain
short_description: "Internal: block the ports of a server for a limited time"
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Blocks every TCP port on which the running server listens, with nftables in its own table.
  - Connected clients get a TCP reset, so clients connect to another liaison at once.
  - O(user) and root on the host can still use the ports. The module does not block the connections that the server opens.
  - The kernel opens the ports when the lease ends, even if the controller has failed.
options:
  state:
    description:
      - V(closed) blocks the ports of O(service), or renews the lease, and returns after O(hold). If the service does not run, V(closed) changes
        nothing.
      - V(open) opens the blocked ports.
      - V(checked) only checks whether the module can block ports. With O(service), also returns the node name of the running liaison.
    type: str
    choices: [closed, open, checked]
    required: true
  service:
    description:
      - Name of the unit of the server. Required with O(state=closed).
      - With V(checked) in O(state), the module fails if the server runs and the environment of its process does not set the node name. The other
        liaisons cannot stop using a liaison without its name.
    type: str
  user:
    description: Account of the server on this host. This account and root can still use the ports. Other local accounts cannot.
    type: str
  lease:
    description: Seconds after which the ports open by themselves.
    type: float
    default: 120
  hold:
    description:
      - Seconds to wait with blocked ports before the module returns.
      - A liaison acknowledges points in memory and sends them to data nodes at its next flush. Set 7 for the default flush interval of 5 s.
      - After C(nft flush ruleset) by another program, the module blocks the ports again within 0.5 s, and O(hold) starts again.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: Predicts the changes.
  diff_mode:
    support: none
    description: Returns no difference, because the block is temporary.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Block the ports of this liaison
  skywalking.banyandb.liaison_drain:
    state: closed
    service: banyandb-liaison.service
    user: banyandb

- name: Open the ports of this liaison
  skywalking.banyandb.liaison_drain:
    state: open
"""

RETURN = r"""
closed:
  description: The blocked ports. With O(state=open), the ports that were blocked before.
  type: list
  elements: int
  returned: success
left:
  description: The nftables tables of this collection's drains on this host. Before a drain, only an interrupted run has left such a table.
  type: list
  elements: str
  returned: with O(state=checked)
  sample: [inet banyandb_drain]
restored:
  description: How often another program removed the block during O(hold), and the module restored it.
  type: int
  returned: with O(state=closed)
  sample: 0
node_name:
  description: Name under which the other liaisons know the running liaison. Empty if the server does not run.
  type: str
  returned: with O(state=checked) and O(service)
  sample: "10.0.0.1:18912"
error_type:
  description: V(flushed), V(no_name), V(no_nft), V(no_user), V(no_systemd), V(permission_denied) or V(nft_failed).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import interrupted_drain, port_drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, running_server, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "state": {"choices": ["closed", "open", "checked"], "required": True},
    "service": {},
    "user": {},
    "lease": {"type": "float", "default": 120},
    "hold": {"type": "float", "default": 0},
}


def act(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Block or open the ports, or with ``check`` predict the change. Raises HostStateError, and ValueError that names the parameter."""
    require_seconds(params, {"lease": 1, "hold": 0})
    before = port_drain.closed()
    if params["state"] == "checked":
        named = {"node_name": name_of(params["service"])} if params["service"] else {}
        return {"changed": False, "closed": before, "left": interrupted_drain.left(), **named}
    if params["state"] == "open":
        if before and not check:
            port_drain.reopen()
        return {"changed": bool(before), "closed": before}
    pid = systemd_services.services([params["service"]])[params["service"]].main_pid
    ports = running_process.listening_ports(pid) if pid else []
    restored = port_drain.close(ports, params["lease"], params["hold"], params["user"]) if ports and not check else 0
    return {"changed": bool(ports) and before != ports, "closed": ports or before, "restored": restored}


def name_of(service: str) -> str:
    """Return the node name of the running server, or an empty text if the server does not run. Raises HostStateError (``no_name``)."""
    pid = systemd_services.services([service])[service].main_pid
    running = running_server.server_of_process(pid) if pid else None
    if running and not running.node_name:
        raise HostStateError(
            "no_name",
            f"{service}: its process has no BYDB_NODE_HOST, so no other liaison can stop using it. Stop it, or set banyandb_liaison_drain: none.",
        )
    return running.node_name if running else ""


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "closed", ["service"])], supports_check_mode=True)
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    if result.get("restored"):
        said = f"another program removed the table of the drain {result['restored']} times, so the drain started again"
        module.warn(message(f"{said}. Stop the program that runs nft flush ruleset."))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
