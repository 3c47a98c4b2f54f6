#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_watch
short_description: "Internal: wait until the cluster is healthy and stays healthy"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Repeatedly reads the cluster view of the server on this host. Queries every node for its health, identity and schema revision.
  - Ends when the module finds no problem for O(soak) seconds, or sees no progress for O(stall) seconds.
  - Does not fail if the cluster is unhealthy. Returns RV(whole) and RV(pairs), which M(skywalking.banyandb.rollout_gate) judges for all hosts.
  - Needs only Python on the host. Changes nothing.
extends_documentation_fragment:
  - skywalking.banyandb.local_server
options:
  name:
    description: Entry name of the node on this host.
    type: str
    required: true
  role:
    description: Kind of the node on this host.
    type: str
    choices: [data, liaison, standalone]
    required: true
  service:
    description:
      - Name of the server's unit on this host. The module queries the view on the host and port on which the running process listens, and the node
        of O(name) at the local address of this process. During a change of settings, O(url) and O(nodes) already have the next addresses.
    type: str
    required: true
  nodes:
    description:
      - All nodes that must serve. The cluster view must show these nodes in the expected state. The module ignores other nodes of the view.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Entry name.
        type: str
        required: true
      node_name:
        description: Node name that the server reports.
        type: str
        required: true
      role:
        description: Kind of node.
        type: str
        choices: [data, liaison, standalone]
        required: true
      grpc_address:
        description: Address at which the module queries the node, as C(host:port).
        type: str
        required: true
      roles:
        description: Roles that the node must have, such as C(ROLE_DATA), if O(identities) lists the node.
        type: list
        elements: str
      labels:
        description: Labels that the node must have, if O(identities) lists the node.
        type: dict
      tls_enabled:
        description: Whether the node speaks TLS.
        type: bool
        default: false
      ca_cert_path:
        description: PEM file on this host, with the CA of the node's certificate.
        type: path
  identities:
    description: Names of nodes that must report the roles and labels of O(nodes). The other nodes may still report different roles and labels.
    type: list
    elements: str
    default: []
  revisions:
    description:
      - Whether to wait for a node whose schema is older than the schema of another node. Use V(false) before the first change, because the change
        did not cause such a difference.
    type: bool
    default: true
  stood:
    description: Schema revisions of nodes before the change. The module does not wait for a node that has one of these revisions.
    type: list
    elements: int
    default: []
  soak:
    description: Seconds without a problem after which the cluster is healthy. The default is more than the 5 to 8 seconds for which a view shows a
      dead node as active.
    type: float
    default: 10
  stall:
    description: Seconds without progress after which the module gives up. A node that responds but stays unused for 30 seconds is stuck.
    type: float
    default: 45
  timeout:
    description: Seconds to wait for the answer of one node.
    type: float
    default: 3
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
seealso:
  - module: skywalking.banyandb.rollout_gate
  - module: skywalking.banyandb.cluster_state_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Wait until this liaison uses all nodes for the whole soak time
  skywalking.banyandb.cluster_watch:
    name: liaison1
    role: liaison
    service: banyandb-liaison.service
    nodes:
      - {name: liaison1, node_name: "10.0.0.1:18912", role: liaison, grpc_address: "10.0.0.1:18912"}
      - {name: data1, node_name: "10.0.0.3:17912", role: data, grpc_address: "10.0.0.3:17912"}
  register: watched
"""

RETURN = r"""
whole:
  description: Whether the module found no problem for O(soak) seconds.
  type: bool
  returned: always
pairs:
  description: Problems of the last round. Each has the observer, the subject, the expected state, the seen state and the remedy.
  type: list
  elements: dict
  returned: always
  sample:
    - observer: liaison1
      subject: data1
      table: tire2
      expected: active
      seen: evictable
      verdict: stuck
      remedy: "Refresh data1 on liaison1: it answers, yet that liaison does not use it."
revisions:
  description: Entry name, then the schema revision that the node reports. Nodes that are not responding are not listed.
  type: dict
  returned: always
  sample: {data1: 1760000000000000001, liaison1: 1760000000000000001}
serving:
  description: Names of the nodes that report the health V(SERVING). The node on this host is listed only if it also returned its cluster view.
  type: list
  elements: str
  returned: always
  sample: [data1, liaison1]
stood:
  description: Seconds for which the problems have not changed.
  type: float
  returned: always
seconds:
  description: Seconds that the module ran.
  type: float
  returned: always
rounds:
  description: Number of rounds of queries.
  type: int
  returned: always
error_type:
  description: V(no_systemd) or V(permission_denied).
  type: str
  returned: failure
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.interrupted_drain import blocked
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.gate_watch import Watched, watch
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import from_entries
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import SERVING, SOAK_SECONDS, STALL_SECONDS, Asked
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import explained

ARGUMENTS: dict[str, Any] = dict(
    name=dict(type="str", required=True),
    role=dict(type="str", choices=list(ROLES), required=True),
    **{**LOCAL_SERVER, "service": {"type": "str", "required": True}},
    nodes=dict(
        type="list",
        elements="dict",
        required=True,
        options=dict(
            name=dict(type="str", required=True),
            node_name=dict(type="str", required=True),
            role=dict(type="str", choices=list(ROLES), required=True),
            grpc_address=dict(type="str", required=True),
            roles=dict(type="list", elements="str"),
            labels=dict(type="dict"),
            tls_enabled=dict(type="bool", default=False),
            ca_cert_path=dict(type="path"),
        ),
    ),
    identities=dict(type="list", elements="str", default=[]),
    revisions=dict(type="bool", default=True),
    stood=dict(type="list", elements="int", default=[]),
    soak=dict(type="float", default=SOAK_SECONDS),
    stall=dict(type="float", default=STALL_SECONDS),
    timeout=dict(type="float", default=3),
)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_together=REQUIRED_TOGETHER, supports_check_mode=True)
    try:
        watched = act(module.params)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    module.exit_json(changed=False, **report(watched, module.params["name"]))


def act(params: dict[str, Any]) -> Watched:
    """Check the parameters and watch the cluster. Raises ValueError that names the parameter, and HostStateError."""
    require_seconds(params, {"soak": 0, "stall": 0, "timeout": 0.001})
    entries = {entry["name"]: entry for entry in params["nodes"]}
    if len(entries) < len(params["nodes"]):
        raise ValueError("nodes: a name is listed twice. Delete one.")
    unknown = sorted(set(params["identities"]) - set(entries))
    if unknown:
        raise ValueError(naming("identities names ", unknown, ", which nodes does not list. Correct identities."))
    running = running_server.running_server(params["service"])
    if running and params["name"] in entries:
        # After a move of the host, the server's own name may lead nowhere.
        entries[params["name"]]["grpc_address"] = running.at.internal_address
    keys = ("name", "grpc_address", "tls_enabled", "ca_cert_path")
    nodes = from_entries([{key: entry[key] for key in keys if entry[key] is not None} for entry in entries.values()], "nodes")
    client = local_client(params, running.at.question if running else None, params["timeout"])
    asked = Asked(
        observer=ExpectedNode.observer(params["name"], params["role"]),
        nodes=[ExpectedNode(entry["name"], entry["node_name"], entry["role"]) for entry in entries.values()],
        identities={name: ExpectedNode.of_option(entries[name]) for name in params["identities"]},
        stood=params["stood"] if params["revisions"] else None,
    )
    watched = watch(asked, nodes, client.cluster_state, params["soak"], params["stall"], params["timeout"])
    # Only a liaison has a drain and cuts.
    drained = blocked(entries, params["name"]) if watched.pairs and params["role"] == LIAISON else {}
    return replace(watched, pairs=explained(watched.pairs, drained))


def report(watched: Watched, here: str) -> dict[str, Any]:
    """Return the module's result; ``here`` is the entry name of the node on this host."""
    return {
        "whole": watched.whole,
        "pairs": [pair.to_mapping() for pair in watched.pairs],
        "revisions": {
            name: answer.revision for name, answer in watched.answers.items() if not isinstance(answer, Failure) and answer.revision is not None
        },
        "serving": sorted(
            name
            for name, answer in watched.answers.items()
            if not isinstance(answer, Failure) and answer.health == SERVING and not (name == here and isinstance(watched.view, Failure))
        ),
        "stood": round(watched.stood, 3),
        "seconds": round(watched.seconds, 3),
        "rounds": watched.rounds,
    }


if __name__ == "__main__":
    main()
