#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_firewall
short_description: "Internal: load or remove the firewall of a node"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Loads an nftables table of this collection, which has rules only for the ports of the server. Never changes a table of another program.
  - Writes the rules and systemd units that load the table at boot. The units also restore the table after another program removed the table.
  - Resolves the names of the nodes on the host.
options:
  firewall:
    description: The firewall that the host must have. Without O(firewall.ports), the module removes the table, the units and the file.
    type: dict
    required: true
    suboptions:
      ports:
        description:
          - Ports of the server, as P(skywalking.banyandb.local_servers#filter) returns them. Each port has its purpose, number, address and peers.
        type: list
        elements: list
        default: []
      networks:
        description: Networks of V(clients) and V(monitoring), and V(members) for networks of nodes beside the addresses of O(firewall.members).
        type: dict
        default: {}
      service:
        description:
          - systemd service of the server. The firewall also protects the ports of the running process, which may still have other settings.
        type: str
      members:
        description: Names and addresses of the nodes.
        type: list
        elements: str
        default: []
      leaving:
        description: Names and addresses of the nodes that leave. A name without an address does not count.
        type: list
        elements: str
        default: []
      topology:
        description: Topology file of the host. The nodes in this file may connect, except O(firewall.leaving) with O(complete).
        type: path
      paths:
        description: Files of the firewall. Only for M(skywalking.banyandb.host_info).
        type: list
        elements: path
        default: []
  complete:
    description:
      - Whether the change of the cluster is complete. The nodes of O(firewall) alone may then connect.
      - With V(false), the nodes before the change may still connect too.
      - In both cases, the ports of the running process stay protected, and the nodes that the server lists may connect.
    type: bool
    required: true
  first:
    description:
      - Whether to load the firewall on a host that has no file of the firewall yet. With V(false), the module leaves such a host alone and warns.
      - Only C(deploy) and C(readdress) check first whether the firewall would block a node.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Predicts the change.
  diff_mode:
    support: full
    description: Shows the file with the rules.
  platform:
    description: Operating systems on which the module runs.
    support: full
    platforms: linux
seealso:
  - module: skywalking.banyandb.host_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Accept clients of one network and the nodes of the cluster
  skywalking.banyandb.node_firewall:
    firewall:
      ports:
        - [grpc, 17912, "", [members, clients]]
        - [http, 17913, "", [clients]]
        - [internal, 18912, "", [members]]
        - [metrics, 2121, "", [monitoring]]
      networks: {clients: [10.0.0.0/8], monitoring: [10.1.0.0/24]}
      service: banyandb-liaison.service
      members: [10.2.0.1, data1.example.org]
    complete: true

- name: Remove the firewall
  skywalking.banyandb.node_firewall:
    firewall: {}
    complete: true
"""

RETURN = r"""
found:
  description: The differences from the expected firewall before the change.
  returned: success
  type: list
  elements: str
  sample: ["port 17912 drops 10.2.0.7/32"]
narrows:
  description: Whether a later run with O(complete=true) may close ports for nodes that this run accepts.
  returned: success
  type: bool
error_type:
  description: V(no_nft), V(nft_failed), V(not_loaded), V(not_ours), V(not_resolved), V(no_systemd), V(permission_denied) or V(unreadable).
  returned: failure
  type: str
  sample: no_nft
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_options
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "firewall": {"type": "dict", "required": True, "options": firewall_options.ARGUMENTS},
    "complete": {"type": "bool", "required": True},
    "first": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = firewall_options.act(module.params["firewall"], module.params["complete"], module.params["first"], module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
