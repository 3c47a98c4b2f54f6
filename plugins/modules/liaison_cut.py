#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: liaison_cut
short_description: "Internal: block the connection from a liaison to a drained liaison"
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - A drained liaison becomes unreachable. Without this module, a liaison that still uses the drained liaison can acknowledge points and then drop
    these points.
  - The module first blocks the client ports of the liaison on this host, and waits until the server has answered all open writes. The server's
    metrics show the open writes. A write that loses its connection may never get an answer.
  - Then the module blocks the connection to the drained liaison with nftables, in its own table. The module opens the client ports again when the
    liaison on this host stops using the drained liaison. This takes about 1 s, because the roles set a health check for each second.
  - Clients see a slow answer and no error.
  - The module reads where the liaison listens from the environment of its running process.
  - Needs Python and C(nft) on the host. The kernel ends the cut when the lease ends, even if the controller has failed.
extends_documentation_fragment:
  - skywalking.banyandb.local_server
options:
  state:
    description:
      - V(cut) blocks the connection from the liaison on this host to O(node_names). Returns when the liaison on this host stops using O(node_names).
      - V(joined) removes the cut O(name), or without O(name) all cuts on this host.
    type: str
    choices: [cut, joined]
    required: true
  name:
    description: Name of the cut, such as the inventory name of the drained liaison. Required with O(state=cut).
    type: str
  node_names:
    description:
      - Node names of the drained liaison. Required with O(state=cut).
      - After a change of its name, the other liaisons may still know the drained liaison by its earlier name.
    type: list
    elements: str
  service:
    description: Name of the liaison's unit on this host. A liaison that does not run needs no cut. Required with O(state=cut).
    type: str
  user:
    description: Account of the server on this host. The module does not block this account and root. It blocks all other clients, local and remote.
    type: str
  lease:
    description: Seconds after which the cut ends.
    type: float
    default: 120
  patience:
    description:
      - Maximum seconds for which clients wait. If the liaison on this host still uses O(node_names) after this time, the module removes the cut and
        fails.
      - The module waits for open writes during the first third of this time. If the open writes make no progress, a client may be in the middle of a
        write. The module then opens the client ports at intervals. A warning reports the writes that are still without an answer.
      - The default is longer than the interval of the server's own health checks (10 s).
    type: float
    default: 15
attributes:
  check_mode:
    support: full
    description: Predicts the changes.
  diff_mode:
    support: none
    description: Returns no difference, because the cut is temporary.
seealso:
  - module: skywalking.banyandb.liaison_drain
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Block the connection from liaison2 to the drained liaison1
  skywalking.banyandb.liaison_cut:
    state: cut
    name: liaison1
    node_names: ["10.0.0.1:18912"]
    service: banyandb-liaison.service
    user: banyandb
  delegate_to: liaison2

- name: Allow the connection from liaison2 to liaison1 again
  skywalking.banyandb.liaison_cut:
    state: joined
    name: liaison1
  delegate_to: liaison2
"""

RETURN = r"""
addresses:
  description: The blocked addresses. Empty if the liaison on this host does not know O(node_names).
  type: list
  elements: str
  returned: with O(state=cut)
waited:
  description: Seconds for which clients waited.
  type: float
  returned: with O(state=cut)
under_way:
  description: Number of write streams that the liaison had not answered at the cut. V(null) if the server has no metrics.
  type: int
  returned: with O(state=cut)
error_type:
  description: V(no_nft), V(permission_denied), V(nft_failed), V(no_user), V(no_systemd), V(no_view), V(not_resolved) or V(still_used).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import peer_cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_server, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "state": {"choices": ["cut", "joined"], "required": True},
    "name": {},
    "node_names": {"type": "list", "elements": "str"},
    **LOCAL_SERVER,
    "user": {},
    "lease": {"type": "float", "default": 120},
    "patience": {"type": "float", "default": 15},
}


def act(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Change the cut, or with ``check`` predict the change. Raises HostStateError, and ValueError that names the parameter."""
    if params["state"] == "joined":
        there = peer_cut.cuts(params["name"])
        if there and not check:
            peer_cut.join(params["name"])
        return {"changed": bool(there)}
    require_seconds(params, {"lease": 1, "patience": 1})
    pid = systemd_services.services([params["service"]])[params["service"]].main_pid
    running = running_server.server_of_process(pid) if pid else None
    if not running:
        return {"changed": False, "addresses": [], "waited": 0.0, "under_way": 0}
    client = local_client(params, running.at.question, 2.0)
    if check:
        addresses = peer_cut.foreseen(params["node_names"], client.cluster_state())
        return {"changed": bool(addresses), "addresses": list(addresses), "waited": 0.0, "under_way": 0}
    metrics = HttpClient(running.at.metrics_url, timeout=2.0)
    done = peer_cut.cut(
        params["name"],
        params["node_names"],
        client.cluster_state,
        metrics.write_streams,
        running.at.client_ports,
        params["lease"],
        params["patience"],
        params["user"],
    )
    return {"changed": bool(done.addresses), "addresses": list(done.addresses), "waited": round(done.waited, 3), "under_way": done.under_way}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "cut", ["name", "node_names", "service"])],
        required_together=REQUIRED_TOGETHER,
        supports_check_mode=True,
    )
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    if result.get("under_way"):
        names, streams = ", ".join(module.params["node_names"]), result["under_way"]
        module.warn(message(f"{names}: the liaison on this host had not answered {streams} write streams at the cut. Write these points again."))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
