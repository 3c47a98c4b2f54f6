# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``local_servers``. The code is in model/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import local_server

DOCUMENTATION = r"""
name: local_servers
short_description: Return the addresses at which each host can query its own server
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Reads the ports, and the listen addresses in C(banyandb_env), such as C(BYDB_HTTP_HOST). If a server listens on every address, the filter returns
    C(127.0.0.1).
positional: _input, groups
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Show the HTTP address of the server on this host
  ansible.builtin.debug:
    msg: "{{ (hostvars | skywalking.banyandb.local_servers(groups))[inventory_hostname].url }}"
"""

RETURN = r"""
_value:
  description: Host name, then C(url), C(http_address), C(grpc_address), C(internal_address), C(metrics_url) and C(client_ports).
  type: dict
"""


def local_servers(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    if not isinstance(hostvars, Mapping) or not isinstance(groups, Mapping):
        raise AnsibleFilterError("skywalking.banyandb.local_servers: expected hostvars | skywalking.banyandb.local_servers(groups)")
    found = {}
    for group, role in GROUPS.items():
        for host in groups.get(group, ()):
            try:
                found[host] = asdict(local_server(role, hostvars[host]))
            except (ValueError, TypeError):
                continue  # the filter clusters reports the problem of the host
    return found


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"local_servers": local_servers}
