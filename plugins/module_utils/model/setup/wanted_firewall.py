# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the firewall that a host must have, as options of the module ``node_firewall``. Pure.

The host itself resolves the names of the nodes: each host may reach a node by another address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    FIREWALL,
    NFTABLES,
    OFF,
    VARIABLES,
    given_networks,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import paths
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address

#: Variables that all hosts of a cluster share.
CHOICES = (FIREWALL, *VARIABLES)


def firewall_choices(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the firewall of one host as texts that two hosts can compare. Call firewall_rules.problems() before.

    The networks count only with a firewall.
    """
    if (variables.get(FIREWALL) or OFF) != NFTABLES:
        return {FIREWALL: OFF}
    networks = given_networks(variables)
    return {FIREWALL: NFTABLES, **{name: json.dumps(networks[audience]) for name, audience in VARIABLES.items()}}


def firewall_of(choices: Mapping[str, Iterable[str]], nodes: Iterable[Mapping[str, Any]], remove: Collection[str]) -> dict[str, Any]:
    """Return the firewall of a cluster; empty without a firewall.

    ``choices``: variable -> results of firewall_choices(). ``nodes``: the nodes of the inventory. ``remove``: names of the nodes that leave.
    The result has ``networks``: peers -> networks, ``members``: names and addresses of the nodes, and ``leaving``: the same of nodes that leave.
    """
    if NFTABLES not in choices[FIREWALL]:
        return {}
    hosts = [(split_address(node["grpc_address"])[0], node["name"] in remove) for node in nodes if node["role"] != STANDALONE]
    return {
        "networks": {audience.value: json.loads(next(iter(choices[name]))) for name, audience in VARIABLES.items()},
        "members": sorted(host for host, leaves in hosts if not leaves),
        "leaving": sorted(host for host, leaves in hosts if leaves),
    }


def host_firewall(server: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the option ``firewall`` of the modules ``node_firewall`` and ``host_info``; without ``ports``, the host must have no firewall.

    ``server``: the host in the result of the filter ``local_servers``. ``clusters``: result of the filter ``clusters``.
    """
    firewall = clusters.get(server["cluster"], {}).get("firewall")
    if not firewall:
        return {"paths": paths()}
    alone = server["kind"] == STANDALONE
    return {
        "ports": server["ports"],
        "networks": firewall["networks"],
        "service": server["service"],
        "members": [] if alone else firewall["members"],
        "leaving": [] if alone else firewall["leaving"],
        "topology": f"{server['config_dir']}/topology.yml",
    }
