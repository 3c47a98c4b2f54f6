# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the clusters of an Ansible inventory: their nodes, and what is wrong with them. Pure.

Every host of the inventory counts, also with ``--limit``. A topology with fewer hosts would drop the other hosts from every server's view.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import FALSE, TRUE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import FIREWALL, NFTABLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import problems as firewall_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import GivenEnvironmentError, given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel, labels_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import GOSSIP_TLS, READ, USERS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import USERS_VARIABLE, users_digest
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import STORES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.time_limits import no_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import tls_entry, tls_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CLUSTER, DEFAULT_CONFIG_DIR
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_firewall import CHOICES, firewall_choices, firewall_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    GRPC_PORT,
    HTTP_PORT,
    LIAISON_PORT,
    TopologyError,
    canonical_host,
    is_port,
    split_address,
)

GROUPS = {f"banyandb_{role}": role for role in ROLES}

INVENTORY = "inventory"
NONE = "none"
# Discovery modes of a server. SOURCES: where the entries of topology.yml come from.
MODES = (NONE, FILE, DNS)
# A server of a cluster must find the other servers. With the mode none, the server starts and shows no node.
CLUSTER_MODES = (FILE, DNS)
SOURCES = (INVENTORY, DNS)

# Variable that banyandb_env must not set -> the variable that sets it. The topology or the proof depends on the value.
DECIDED_ELSEWHERE = {
    "BYDB_GRPC_PORT": "banyandb_grpc_port",
    "BYDB_HTTP_PORT": "banyandb_http_port",
    "BYDB_NODE_HOST": "banyandb_node_host",
    "BYDB_NODE_HOST_PROVIDER": "banyandb_node_host",
    "BYDB_NODE_LABELS": "banyandb_node_labels",
    "BYDB_HAS_META_ROLE": "banyandb_has_meta_role",
    "BYDB_NODE_DISCOVERY_MODE": "banyandb_discovery_mode",
    "BYDB_NODE_DISCOVERY_FILE_PATH": "banyandb_config_dir",
    "BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES": "banyandb_srv_names",
    **{variable: "banyandb_storage" for variable, _directory in STORES.values()},
    **dict.fromkeys(("BYDB_MEASURE_DATA_PATH", "BYDB_STREAM_DATA_PATH", "BYDB_TRACE_DATA_PATH"), "banyandb_storage"),
    **{
        variable: "banyandb_tls"
        for each in READ
        if each.switch != GOSSIP_TLS
        for variable in (each.switch, *(name for name, what in each.variables.items() if what != USERS))
        if variable
    },
    USERS_VARIABLE: "banyandb_users",
    "BYDB_NODE_DISCOVERY_DNS_TLS": "banyandb_srv_names",
    "BYDB_NODE_DISCOVERY_DNS_CA_CERTS": "banyandb_srv_names",
}


# Variable that all hosts of a cluster share -> its default and its values.
_SHARED = {"banyandb_discovery_mode": (FILE, CLUSTER_MODES), "banyandb_topology_source": (INVENTORY, SOURCES)}

_OF_TLS = ("banyandb_tls", "banyandb_config_dir", "banyandb_tls_source", "banyandb_ca_dir")

# Variable -> value -> one of the hosts with this value.
_Choices = dict[str, dict[str, str]]


@dataclass
class Cluster:
    """One cluster.

    ``nodes``: for each host, the entry that the module ``topology`` takes. ``remove``: names of entries that leave.
    ``problems``: sentences, each with its host and what to do.
    ``mode``: ``dns`` when the servers ask DNS themselves, else ``file``.
    ``source``: ``inventory`` or ``dns``. With ``dns`` the nodes are those of the inventory until DNS is asked.
    ``firewall``: result of wanted_firewall.firewall_of(); empty without a firewall.
    """

    nodes: list[dict[str, Any]] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    mode: str = FILE
    source: str = INVENTORY
    firewall: dict[str, Any] = field(default_factory=dict)


def clusters(groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Cluster]:
    """Return cluster name -> Cluster, for all hosts in the groups banyandb_data, banyandb_liaison and banyandb_standalone."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for group, role in GROUPS.items():
        for host in groups.get(group, ()):
            kinds[host].append(role)
    found: dict[str, Cluster] = defaultdict(Cluster)
    choices: dict[str, _Choices] = defaultdict(lambda: {variable: {} for variable in (*_SHARED, *_OF_TLS, "banyandb_users", *CHOICES)})
    for host in sorted(kinds):
        variables = hostvars[host]
        problems: list[str] = []
        try:
            name = _text(variables.get("banyandb_cluster") or DEFAULT_CLUSTER, f"{host}: banyandb_cluster")
        except TopologyError as error:
            name, problems = DEFAULT_CLUSTER, [str(error)]
        cluster = found[name]
        try:
            cluster.remove = sorted({*cluster.remove, *_names(variables.get("banyandb_remove"), f"{host}: banyandb_remove")})
        except TopologyError as error:
            problems.append(str(error))
        try:
            cluster.nodes.append(_node(host, kinds[host], variables))
        except TopologyError as error:
            problems.append(str(error))
        try:
            _choose(host, kinds[host], variables, choices[name])
        except TopologyError as error:
            problems.append(str(error))
        problems += [f"{host}: {problem}" for problem in no_seconds(variables)]
        try:
            _is_true(variables.get("banyandb_remove_data", False), f"{host}: banyandb_remove_data")
        except TopologyError as error:
            problems.append(str(error))
        wrong = firewall_problems(variables)
        problems += [f"{host}: {problem}" for problem in wrong]
        for variable, value in ({} if wrong else firewall_choices(variables)).items():
            choices[name][variable].setdefault(value, host)
        cluster.problems += problems
    for name, cluster in found.items():
        cluster.mode, cluster.source = _chosen(name, choices[name], cluster.problems)
        cluster.firewall = firewall_of(choices[name], cluster.nodes, cluster.remove)
        cluster.nodes = [node for node in cluster.nodes if node["name"] not in cluster.remove]
        cluster.problems += _cluster_problems(cluster.nodes)
    for problem, names in _clashes(found):
        for name in dict.fromkeys(names):
            found[name].problems.append(problem)
    return dict(found)


def merged(problems: Sequence[str], hosts: Collection[str]) -> list[str]:
    """Return the problems of a cluster, with one line for hosts with the same problem, such as hosts with a wrong variable of their group."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        host, _sep, text = problem.partition(": ")
        found.setdefault(text if host in hosts else problem, []).extend([host] if host in hosts else [])
    return [naming("", names, f": {text}", 3) if names else text for text, names in found.items()]


def _choose(host: str, roles: Sequence[str], variables: Mapping[str, Any], choices: _Choices) -> None:
    """Note the discovery mode and the topology source of one host in ``choices``. A standalone server does not count.

    Raises TopologyError.
    """
    if STANDALONE in roles:
        return
    uses_tls = _uses_tls(host, variables)
    choices["banyandb_tls"].setdefault(str(uses_tls).lower(), host)
    if uses_tls:
        # The entries of a topology have the path of the CA, and every host gets the same entries.
        choices["banyandb_config_dir"].setdefault(_config_dir(host, variables), host)
        # Two sources of certificates, or two directories, make two CAs.
        choices["banyandb_tls_source"].setdefault(_text(variables.get("banyandb_tls_source") or "own_ca", f"{host}: banyandb_tls_source"), host)
        choices["banyandb_ca_dir"].setdefault(_text(variables.get("banyandb_ca_dir") or variables.get("inventory_dir") or "", host), host)
    if LIAISON in roles:
        # Only a digest, because the values are secret.
        choices["banyandb_users"].setdefault(users_digest(variables.get("banyandb_users"), variables.get("banyandb_operator")), host)
    for variable, (default, expected) in _SHARED.items():
        value = _text(variables.get(variable) or default, f"{host}: {variable}")
        if value not in expected:
            raise TopologyError(f"{host}: {variable} is {shown(value)}, expected {', '.join(expected[:-1])} or {expected[-1]}")
        choices[variable].setdefault(value, host)


def _chosen(name: str, choices: _Choices, problems: list[str]) -> tuple[str, str]:
    """Return the mode and the source of a cluster. Hosts with different values become a problem."""
    users = choices.pop("banyandb_users")
    if len(users) > 1:
        hosts = listed(sorted(users.values()), 3)
        problems.append(f"banyandb_users and banyandb_operator differ on {hosts}. Set one value for all liaisons of the cluster {name}.")
    for variable, found in choices.items():
        if len(found) > 1 and (variable not in _SHARED or DNS in found):
            values = ", ".join(f"{value} for {host}" for value, host in sorted(found.items()))
            problems.append(f"{variable} is {values}. Set one for all hosts of the cluster {name}.")
    mode = DNS if DNS in choices["banyandb_discovery_mode"] else FILE
    source = DNS if mode == DNS or DNS in choices["banyandb_topology_source"] else INVENTORY
    if source == DNS and "true" in choices["banyandb_tls"]:
        remedy = f"Take the cluster {name} out of DNS, or set banyandb_tls: false."
        problems.append(f"banyandb_tls: true works only with the nodes of the inventory. {remedy}")
    if source == DNS and NFTABLES in choices[FIREWALL]:
        # DNS may list a new node between two runs, or name another address.
        remedy = f"Take the cluster {name} out of DNS, or set {FIREWALL}: none."
        problems.append(f"{FIREWALL}: {NFTABLES} works only with the nodes of the inventory, whose addresses change only in a run. {remedy}")
    return mode, source


def _names(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TopologyError(f'{where} is {shown(value)}, expected a list of names. On the command line: -e \'{{"banyandb_remove": ["data3"]}}\'')
    return [_text(name, f"{where}[{index}]") for index, name in enumerate(value)]


def _text(value: Any, where: str) -> str:
    """Return a value as text. YAML reads a value without quotes as a number or a boolean. Raises TopologyError."""
    if not isinstance(value, (str, int, float)) or (isinstance(value, int) and value.bit_length() > 64):
        raise TopologyError(f"{where} is {shown(value)}, expected text")
    return str(value)


def _node(host: str, roles: Sequence[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    if not _is_one_host(host):
        raise TopologyError(f"{host}: Ansible reads this host name as a pattern for other hosts. Use letters, digits and . _ - in the name.")
    if len(roles) > 1:
        raise TopologyError(f"{host}: is in the groups {' and '.join(f'banyandb_{role}' for role in roles)}. A host runs one node: leave it in one.")
    role = roles[0]
    node_host = _text(variables.get("banyandb_node_host") or variables.get("ansible_host") or host, f"{host}: banyandb_node_host")
    bracketed = f"[{node_host}]" if ":" in node_host else node_host
    grpc_port = _port(variables.get("banyandb_grpc_port"), GRPC_PORT, f"{host}: banyandb_grpc_port")
    address = f"{bracketed}:{LIAISON_PORT if role == LIAISON else grpc_port}"
    _port(variables.get("banyandb_http_port"), HTTP_PORT, f"{host}: banyandb_http_port")
    split_address(address, f"{host}: banyandb_node_host and port give")
    try:
        from_dns = DNS in (variables.get("banyandb_discovery_mode"), variables.get("banyandb_topology_source"))
        _check_environment(host, role, given_environment(variables), from_dns)
    except GivenEnvironmentError as error:
        raise TopologyError(f"{host}: {error}") from None
    labels = variables.get("banyandb_node_labels") or {}
    if not isinstance(labels, Mapping):
        raise TopologyError(f"{host}: banyandb_node_labels is {shown(labels)}, expected a mapping such as {{type: hot}}")
    try:
        labels = labels_read(labels)
    except BadLabel as error:
        raise TopologyError(f"{host}: banyandb_node_labels: {error}") from None
    meta = variables.get("banyandb_has_meta_role", True)
    roles_of = {
        DATA: ["ROLE_META", "ROLE_DATA"] if _is_true(meta, f"{host}: banyandb_has_meta_role") else ["ROLE_DATA"],
        LIAISON: ["ROLE_LIAISON"],
        STANDALONE: None,
    }
    return {
        "name": host,
        "role": role,
        "grpc_address": address,
        "node_name": address,
        "roles": roles_of[role],
        "labels": labels,
        **(tls_entry(tls_files(_config_dir(host, variables))) if _uses_tls(host, variables) else {}),
    }


def _uses_tls(host: str, variables: Mapping[str, Any]) -> bool:
    return _is_true(variables.get("banyandb_tls", False), f"{host}: banyandb_tls")


def _config_dir(host: str, variables: Mapping[str, Any]) -> str:
    return _text(variables.get("banyandb_config_dir") or DEFAULT_CONFIG_DIR, f"{host}: banyandb_config_dir")


def _check_environment(host: str, role: str, environment: Mapping[str, Any], from_dns: bool) -> None:
    for name, instead in DECIDED_ELSEWHERE.items():
        # banyandb_tls works only with the nodes of the inventory. With DNS, the user sets the server's own variables.
        if name in environment and not (from_dns and instead == "banyandb_tls"):
            raise TopologyError(f"{host}: banyandb_env sets {name}, which {instead} decides. Set {instead} instead.")
    port = _text(environment.get("BYDB_LIAISON_SERVER_GRPC_PORT", LIAISON_PORT), f"{host}: banyandb_env: BYDB_LIAISON_SERVER_GRPC_PORT")
    if role == LIAISON and port != str(LIAISON_PORT):
        raise TopologyError(
            f"{host}: banyandb_env moves the internal port of a liaison to {shown(port)}, and the other nodes know a liaison by {LIAISON_PORT}. "
            "Delete BYDB_LIAISON_SERVER_GRPC_PORT."
        )


def _port(value: Any, default: int, where: str) -> int:
    if value is None:
        return default
    text = value if isinstance(value, str) else shown(value)
    if not is_port(text):
        raise TopologyError(f"{where} is {shown(value)}, expected a port from 1 to 65535")
    return int(text)


def _is_one_host(name: str) -> bool:
    """Return whether Ansible reads a host name as the pattern for this host alone."""
    try:
        return not re.search(r"[\s,:&!~*?\[\]{}]|^@", name) or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_true(value: Any, where: str) -> bool:
    text = _text(value, where).lower()
    if text not in TRUE + FALSE:
        raise TopologyError(f"{where} is {shown(value)}, expected true or false")
    return text in TRUE


def _cluster_problems(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    by_role = {role: [node for node in nodes if node["role"] == role] for role in ROLES}
    data, liaisons = by_role[DATA], by_role[LIAISON]
    if len(data) + len(liaisons) > 1:
        problems += [
            f"{node['name']}: its address {node['grpc_address']} leads each of the other nodes to itself. Set banyandb_node_host "
            "to an address that they reach."
            for node in [*data, *liaisons]
            if _is_loopback(node["grpc_address"])
        ]
    if (data or liaisons) and not any("ROLE_META" in node["roles"] for node in data):
        problems.append(
            naming(
                "",
                [node["name"] for node in [*data, *liaisons]],
                ": no data node has the META role, without which no liaison starts. Add a data node, or let one keep banyandb_has_meta_role: true.",
                3,
            )
        )
    return problems


def _is_loopback(address: str) -> bool:
    host = canonical_host(split_address(address)[0])
    return host in ("localhost", "::1") or host.startswith("127.")


def _clashes(found: Mapping[str, Cluster]) -> list[tuple[str, list[str]]]:
    """Return the nodes with the same host name, as problems. Their fixed ports (metrics, schema, gossip) clash."""
    at: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, cluster in found.items():
        for node in cluster.nodes:
            at[canonical_host(split_address(node["grpc_address"])[0])].append((name, node["name"]))
    return [
        (
            naming(
                "",
                [host for _cluster, host in sharing],
                f": all at the address {address}, and each node needs a host of its own. Correct ansible_host or banyandb_node_host.",
                3,
            ),
            [cluster for cluster, _host in sharing],
        )
        for address, sharing in at.items()
        if len(sharing) > 1
    ]
