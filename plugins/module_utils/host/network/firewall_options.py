# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares and changes the firewall of this host, with the options of the modules node_firewall and host_info. Standard library only, Python 3.9+."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_table, foreign_filter
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    Wanted,
    before_change,
    given_members,
    render,
    unlisted_sources,
    wanted,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import FIREWALL_FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, Port, server_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError, split_address

#: Options of both modules. wanted_firewall.host_firewall() returns them.
ARGUMENTS: dict[str, Any] = {
    "ports": {"type": "list", "elements": "list", "default": []},
    "networks": {"type": "dict", "default": {}},
    "service": {"type": "str"},
    "members": {"type": "list", "elements": "str", "default": []},
    "leaving": {"type": "list", "elements": "str", "default": []},
    "topology": {"type": "path"},
    "paths": {"type": "list", "elements": "path", "default": []},
}
#: Warning about a host without its first firewall.
NOT_LOADED = "banyandb_firewall is nftables, but a host has no firewall yet, so its ports are open. Run deploy."


def look(options: Mapping[str, Any], path: str = FIREWALL_FILE) -> dict[str, Any]:
    """Return the firewall of this host, compared with the options, which have ``ports``. Reports an error in ``problems``.

    ``differs``: whether the host needs a change. ``blocked``: warnings about firewalls of other programs. ``unlisted``: addresses from which this
    host connects to the members, and that the rules of this host do not accept. ``resolved``: networks of the members with names.
    ``first``: whether the host has no firewall yet. ``path``: file of the rules.
    """
    found: dict[str, Any] = {"differs": False, "problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": False}
    try:
        found["first"] = not firewall_table.text(path)
        addresses, names = given_members(options["members"])
        found["resolved"] = firewall_table.resolved(names)
        members = [*addresses, *found["resolved"]]
        rules = _rules(options, _inventory_ports(options), members)
        found["differs"] = firewall_table.state(rules, path).differs
        chains, notes = foreign_filter.found(rules)
        found["blocked"] = [*(chain.message() for chain in chains), *notes]
        sources = {"": firewall_table.source_addresses([network.partition("/")[0] for network in members])}
        found["unlisted"] = list(unlisted_sources(sources, [*options["networks"].get(Audience.MEMBERS.value, ()), *members]).get("", ()))
    except HostStateError as error:
        found["problems"] = [str(error)]
    return found


def act(options: Mapping[str, Any], complete: bool, first: bool, check: bool, path: str = FIREWALL_FILE) -> dict[str, Any]:
    """Load the firewall, or remove the firewall if the options have no ports. Return the result of the module. Raises HostStateError.

    ``first``: whether to load the first firewall of a host. Only a preflight finds a node that the other hosts would block.
    ``complete``: whether the change of the cluster is complete. Without it, the firewall also accepts the members before the change. ``check``: only
    predict. ``narrows``: whether a run with ``complete`` may accept less.

    The firewall also has the ports of the running process, because a server with a pending restart listens on its earlier ports. And the firewall
    accepts the nodes that the server lists, because the push keeps the current address of a node whose new address does not respond.
    """
    before = firewall_table.text(path)
    if not options["ports"]:
        there = firewall_table.is_there(path)
        if there and not check:
            firewall_table.remove(path)
        return {"changed": there, "narrows": False, "found": [], "diff": _diff(before, "", path)}
    if not before and not first:
        return {"changed": False, "narrows": False, "found": [], "diff": _diff("", "", path), "warnings": [NOT_LOADED]}
    members = firewall_table.resolved(options["members"])
    settled = _rules(options, _inventory_ports(options), members)
    # In check mode, the run has not pushed the topology that its push would write.
    stay = [] if complete and check else _listed_hosts(options["topology"])
    stay = [host for host in stay if host not in options["leaving"]] if complete else [*stay, *options["leaving"]]
    ports = [*_inventory_ports(options), *_ports_of_process(options["service"])]
    rules = _rules(options, ports, [*members, *firewall_table.resolved(stay, required=False)])
    if not complete:
        rules = before_change(firewall_table.state(settled, path).previous, rules)
    state = firewall_table.state(rules, path) if check else firewall_table.apply(rules, path)
    found = [each.text() for each in state.wrong]
    found += [f"{name}: other text" for name in state.stale] + [f"{name}: not enabled or not active" for name in state.stopped]
    return {"changed": state.differs, "narrows": rules != settled, "found": found, "diff": _diff(before, render(rules), path)}


def _rules(options: Mapping[str, Any], ports: Iterable[Port], members: list[str]) -> Wanted:
    networks = {Audience(audience): list(each) for audience, each in options["networks"].items()}
    return wanted(ports, {**networks, Audience.MEMBERS: [*networks.get(Audience.MEMBERS, ()), *members]})


def _inventory_ports(options: Mapping[str, Any]) -> list[Port]:
    return [Port.of(each) for each in options["ports"]]


def _ports_of_process(service: str | None) -> list[Port]:
    """Return the ports of the server that runs; no port without a process. Raises HostStateError."""
    pid = systemd_services.services([service])[service].main_pid if service else 0
    environment = running_process.environment_of(pid) if pid else {}
    kind = running_process.kind_of(pid) if environment else ""
    return server_ports(kind, environment) if kind else []


def _listed_hosts(path: str | None) -> list[str]:
    """Return the hosts of the nodes that the server of this host uses now. Empty without a valid file: the push reports an invalid one."""
    try:
        found = topology_file.read(path) if path else None
        return [split_address(node.grpc_address)[0] for node in found[0].nodes] if found else []
    except (topology_file.TopologyFileError, TopologyError):
        return []


def _diff(before: str, after: str, path: str) -> dict[str, str]:
    return {"before": before, "after": after, "before_header": path, "after_header": path}
