#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: liaison_cut
short_description: Cut a liaison off from another one that is drained
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - A liaison that still counts on another one when that one becomes unreachable may acknowledge points that it then drops. So this lets the
    clients of the liaison on this host wait, cuts its way to the other one by nftables, in a table of its own, and lets the clients go on as soon
    as the liaison does not use the other one any more. With health checks each second, as the roles set them, that takes about a second.
  - Writes that came in before are let through first, since the server may never answer one that loses its way. The server's metrics tell when
    they are.
  - Clients see a slow answer and no error.
  - Where the liaison here has its ports and its metrics is read from the environment of its process, wherever it is to listen after its restart.
  - Needs Python and C(nft) on the host. The cut is over when its lease is over, whatever became of the controller.
extends_documentation_fragment:
  - skywalking.banyandb.local_server
options:
  state:
    description:
      - V(cut) cuts the liaison here off from O(node_name), and returns when it does not use that one any more.
      - V(joined) undoes that.
    type: str
    choices: [cut, joined]
    required: true
  name:
    description: Tells this cut from others, such as the inventory name of the liaison that is drained.
    type: str
    required: true
  node_name:
    description: What the liaison that is drained calls itself. Required with O(state=cut).
    type: str
  service:
    description: Name of the unit of the liaison here. One that does not run needs no cut. Required with O(state=cut).
    type: str
  user:
    description: Account of the server on this host. It and root need not wait; all others on this host do, as those from elsewhere.
    type: str
  lease:
    description: Seconds for which the cut stays.
    type: float
    default: 120
  patience:
    description:
      - Seconds that clients wait at most. When the liaison still uses the other one then, nothing is cut any more, and this fails.
      - A third of it is for writes that came in before. While these make no progress, clients are let in now and then, as they may wait in the midst
        of one. Those that are not answered by then are not waited for, and a warning tells of them.
      - The default outlasts the server's own health checks, which come every ten seconds.
    type: float
    default: 15
attributes:
  check_mode:
    support: full
    description: Predicts what it would change.
  diff_mode:
    support: none
    description: Nothing that stays is changed.
seealso:
  - module: skywalking.banyandb.liaison_drain
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Let this liaison do without the one that is drained
  skywalking.banyandb.liaison_cut:
    state: cut
    name: liaison1
    node_name: "10.0.0.1:18912"
    service: banyandb-liaison.service
    user: banyandb
  delegate_to: liaison2

- name: Let it use that one again
  skywalking.banyandb.liaison_cut:
    state: joined
    name: liaison1
  delegate_to: liaison2
"""

RETURN = r"""
addresses:
  description: What the liaison was cut off from. Empty when it does not know that node.
  type: list
  elements: str
  returned: with O(state=cut)
waited:
  description: Seconds for which clients waited.
  type: float
  returned: with O(state=cut)
under_way:
  description: How many streams of writes the liaison had not answered when it was cut off. Null when it shows no metrics.
  type: int
  returned: with O(state=cut)
error_type:
  description: V(no_nft), V(permission_denied), V(nft_failed), V(no_user), V(no_systemd), V(no_view), V(not_resolved) or V(still_used).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import peer_cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_ports import ServerPorts, with_port

ARGUMENTS: dict[str, Any] = {
    "state": {"choices": ["cut", "joined"], "required": True},
    "name": {"required": True},
    "node_name": {},
    "service": {},
    **LOCAL_SERVER,
    "user": {},
    "lease": {"type": "float", "default": 120},
    "patience": {"type": "float", "default": 15},
}


def act(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Do, or in check mode tell. Raises HostStateError, and ValueError that names the parameter."""
    if params["state"] == "joined":
        there = peer_cut.is_cut(params["name"])
        if there and not check:
            peer_cut.join(params["name"])
        return {"changed": there}
    require_seconds(params, {"lease": 1, "patience": 1})
    pid = systemd_services.services([params["service"]])[params["service"]].main_pid
    if not pid:
        return {"changed": False, "addresses": [], "waited": 0.0, "under_way": 0}
    at = ServerPorts.of(running_process.environment_of(pid))
    client = HttpClient.local({**params, "url": with_port(params["url"], at.http)}, 2.0)
    if check:
        address = peer_cut.foreseen(params["node_name"], client.cluster_state())
        return {"changed": bool(address), "addresses": [address] if address else [], "waited": 0.0, "under_way": 0}
    metrics = HttpClient(f"http://{at.metrics}", timeout=2.0)
    done = peer_cut.cut(
        params["name"],
        params["node_name"],
        client.cluster_state,
        metrics.write_streams,
        at.clients,
        params["lease"],
        params["patience"],
        params["user"],
    )
    return {"changed": bool(done.addresses), "addresses": list(done.addresses), "waited": round(done.waited, 3), "under_way": done.under_way}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "cut", ["node_name", "service"])],
        required_together=REQUIRED_TOGETHER,
        supports_check_mode=True,
    )
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error))
    if result.get("under_way"):
        module.warn(
            f"{result['under_way']} streams of writes were not answered when the liaison here was cut off from {module.params['node_name']}: "
            "their clients may have to write again"
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
