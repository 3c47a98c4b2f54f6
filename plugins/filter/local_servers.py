# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import plain
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import FIREWALL, NFTABLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.host_settings import VARIABLES, host_settings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import LocalServer, listening_environment, server_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.reachable_ports import open_ports, reachable
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import server_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import service_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import tls_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CONFIG_DIR
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.inventory_arguments import require_inventory

DOCUMENTATION = r"""
name: local_servers
short_description: "Internal: return the server of each host, with the addresses for clients on the same host"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Reads the port variables, and the listen hosts in C(banyandb_env), such as C(BYDB_HTTP_HOST). A server that listens on every address
    gets C(127.0.0.1). The addresses are for clients on the same host.
  - A running server may still have other settings. So a task on the host passes C(service) to its module, which asks where the process listens.
positional: _input, groups
extends_documentation_fragment:
  - skywalking.banyandb.inventory_arguments
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Show the HTTP address of the server of this host
  ansible.builtin.debug:
    msg: "{{ (hostvars | skywalking.banyandb.local_servers(groups))[inventory_hostname].url }}"
"""

RETURN = r"""
_value:
  description: Host name, then C(kind), C(config_dir), C(service), C(url), C(http_address), C(grpc_address), C(metrics_url) and C(client_ports).
    Also C(cluster), C(user), C(drain) and C(data_roots), from the host's variables or the defaults of the roles.
    C(tls) and C(ca_path) say how the host reaches the other nodes. C(ports) has the purpose, number, address and peers of each port.
    C(open_ports) has the ports that answer every host without a password and without a firewall. C(firewall) says whether the host has a firewall.
  type: dict
"""


def local_servers(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    require_inventory("local_servers", hostvars, groups)
    found = {}
    for group, role in GROUPS.items():
        for host in groups.get(group, ()):
            try:
                environment = listening_environment(role, hostvars[host])
                found[host] = {
                    "kind": role,
                    "service": service_of(role),
                    "config_dir": str(hostvars[host].get("banyandb_config_dir") or DEFAULT_CONFIG_DIR),
                    "ports": [port.to_list() for port in server_ports(role, environment)],
                    "open_ports": open_ports(reachable(role, environment, firewall=False)),
                    "firewall": hostvars[host].get(FIREWALL) == NFTABLES,
                    **_addresses(server_of(role, environment)),
                    **host_settings(role, _readable(hostvars[host]))._asdict(),
                    **_tls(hostvars[host]),
                }
            except (ValueError, TypeError):
                continue  # the filter clusters reports the error of this host
    return found


def _addresses(server: LocalServer) -> dict[str, Any]:
    """Return the addresses. How to ask a server is decided on its host, from its process."""
    return {name: value for name, value in server._asdict().items() if name not in ("question", "logins", "tls_addresses", "tls_at_start")}


def _tls(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the other nodes are reached: ``tls``, and ``ca_path`` of this host; empty without TLS."""
    tls = is_true(variables.get("banyandb_tls", False))
    return {"tls": tls, "ca_path": tls_files(str(variables.get("banyandb_config_dir") or DEFAULT_CONFIG_DIR)).ca if tls else ""}


def _readable(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the settings, without those that need facts which this run has not gathered: another host's tasks use the defaults."""
    found = {}
    for name in VARIABLES:
        try:
            found[name] = plain(variables.get(name))
        except AnsibleError:
            continue
    return found


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"local_servers": local_servers}
