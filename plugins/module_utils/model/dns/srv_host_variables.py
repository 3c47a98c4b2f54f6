# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the nodes that a registry found into hosts, variables and groups of an inventory. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Apart, SeenNode, Sighting
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address

APART = "banyandb_apart"
"""Group of the candidates that did not respond."""


class ServicesError(ValueError):
    """``services`` of an inventory file is invalid; the message names the key and the expected value."""


@dataclass(frozen=True)
class Host:
    """One host of the inventory."""

    name: str
    groups: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


def services(value: Any) -> dict[str, str]:
    """Return SRV name -> role. An empty role means that only the node's own answer counts.

    ``value``: list of mappings with ``name`` and ``role``. Raises ServicesError.
    """
    example = "such as - {name: _data._tcp.example.org, role: data}"
    if not isinstance(value, list) or not value:
        raise ServicesError(f"services: expected a list of mappings with at least one, {example}, got {type(value).__name__}")
    found: dict[str, str] = {}
    for at, entry in enumerate(value):
        key = f"services[{at}]"
        if not isinstance(entry, Mapping):
            raise ServicesError(f"{key}: expected a mapping {example}, got {type(entry).__name__}")
        unknown = sorted(str(name) for name in entry if name not in ("name", "role"))
        if unknown:
            raise ServicesError(f"{key}.{unknown[0]}: unknown key, expected name and role. Delete the key.")
        name, role = entry.get("name"), entry.get("role", "")
        if not isinstance(name, str) or not name:
            raise ServicesError(f"{key}.name: expected a str with an SRV name, got {name!r}")
        if role not in ("", *ROLES):
            raise ServicesError(f"{key}.role: expected one of {', '.join(ROLES)}, got {role!r}")
        if name in found:
            raise ServicesError(f"{key}.name: {name} is listed twice. Delete one.")
        found[name] = str(role)
    return found


def hosts(sighting: Sighting, roles: Mapping[str, str], cluster: str) -> list[Host]:
    """Return the hosts of the inventory, sorted by name. ``roles``: SRV name -> role for nodes that do not report their role."""
    seen = [_seen(node, roles.get(node.candidate.source, ""), cluster) for node in sighting.nodes]
    return sorted([*seen, *(_apart(each, roles.get(each.candidate.source, ""), cluster) for each in sighting.apart)], key=lambda host: host.name)


def _seen(node: SeenNode, role: str, cluster: str) -> Host:
    groups = []
    variables = _common(node, cluster)
    if node.identity:
        role = _role(node.identity.roles) or role
        groups = [_group_name(f"banyandb_label_{key}_{value}") for key, value in node.identity.labels]
        variables["banyandb_node_host"] = split_address(node.identity.node_name)[0].strip("[]")
        variables["banyandb_node_labels"] = dict(node.identity.labels)
        if role == DATA:
            variables["banyandb_has_meta_role"] = "ROLE_META" in node.identity.roles
    if role == DATA:
        variables["banyandb_grpc_port"] = node.candidate.port
    return Host(node.name, tuple(sorted({*_role_groups(role), *groups})), variables)


def _apart(each: Apart, role: str, cluster: str) -> Host:
    variables = _common(each, cluster)
    variables["banyandb_apart"] = each.failure.to_mapping()
    return Host(each.name, tuple(sorted({*_role_groups(role), APART})), variables)


def _common(seen: SeenNode | Apart, cluster: str) -> dict[str, Any]:
    candidate = seen.candidate
    variables: dict[str, Any] = {
        "banyandb_srv": {"name": candidate.source, "target": candidate.host, "port": candidate.port, "addresses": list(candidate.addresses)}
    }
    if candidate.addresses:
        variables["ansible_host"] = candidate.addresses[0]
    if cluster:
        variables["banyandb_cluster"] = cluster
    return variables


def _role(roles: tuple[str, ...]) -> str:
    data, liaison = "ROLE_DATA" in roles, "ROLE_LIAISON" in roles
    return STANDALONE if data and liaison else DATA if data else LIAISON if liaison else ""


def _role_groups(role: str) -> list[str]:
    return [group for group, of in GROUPS.items() if of == role]


def _group_name(text: str) -> str:
    """Return ``text`` as a valid name of an Ansible group: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)
