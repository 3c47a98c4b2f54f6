# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares and changes the firewall of this host, with the options of the modules node_firewall and host_info. Standard library only, Python 3.9+."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_table, foreign_filter
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    Wanted,
    before_change,
    given_members,
    render,
    unlisted_sources,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import FIREWALL_FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError, split_address

#: Options of both modules. wanted_firewall.host_firewall() returns them.
ARGUMENTS: dict[str, Any] = {
    "sources": {"type": "dict", "default": {}},
    "member_ports": {"type": "list", "elements": "int", "default": []},
    "member_networks": {"type": "list", "elements": "str", "default": []},
    "members": {"type": "list", "elements": "str", "default": []},
    "leaving": {"type": "list", "elements": "str", "default": []},
    "topology": {"type": "path"},
    "paths": {"type": "list", "elements": "path", "default": []},
}


def look(options: Mapping[str, Any], path: str = FIREWALL_FILE) -> dict[str, Any]:
    """Return the firewall of this host, compared with the options, which have ``sources``. Reports an error in ``problems``.

    ``differs``: whether the host needs a change. ``blocked``: warnings about firewalls of other programs. ``unlisted``: addresses from which this
    host connects to the members, and that the rules of this host do not accept. ``resolved``: networks of the members with names.
    ``path``: file of the rules.
    """
    found: dict[str, Any] = {"differs": False, "problems": [], "blocked": [], "unlisted": [], "resolved": []}
    try:
        addresses, names = given_members(options["members"])
        found["resolved"] = firewall_table.resolved(names)
        members = [*addresses, *found["resolved"]]
        rules = _rules(options, members)
        found["differs"] = firewall_table.state(rules, path).differs
        chains, notes = foreign_filter.found(rules)
        found["blocked"] = [*(chain.message() for chain in chains), *notes]
        sources = {"": firewall_table.source_addresses([network.partition("/")[0] for network in members])}
        found["unlisted"] = list(unlisted_sources(sources, [*options["member_networks"], *members]).get("", ()))
    except HostStateError as error:
        found["problems"] = [str(error)]
    return found


def act(options: Mapping[str, Any], complete: bool, check: bool, path: str = FIREWALL_FILE) -> dict[str, Any]:
    """Load the firewall, or remove the firewall if the options have no ports. Return the result of the module. Raises HostStateError.

    ``complete``: whether the change of the cluster is complete. Without it, the firewall also accepts the members before the change. ``check``: only
    predict. ``narrows``: whether a run with ``complete`` accepts less.
    """
    before = firewall_table.text(path)
    if not options["sources"]:
        there = firewall_table.is_there(path)
        if there and not check:
            firewall_table.remove(path)
        return {"changed": there, "narrows": False, "found": [], "diff": _diff(before, "", path)}
    members = firewall_table.resolved(options["members"])
    exact = _rules(options, members)
    rules = exact
    if not complete:
        previous = firewall_table.state(exact, path).previous
        leaving = [*options["leaving"], *([] if previous else _listed_hosts(options["topology"]))]
        rules = before_change(previous, _rules(options, [*members, *firewall_table.resolved(leaving, required=False)]))
    state = firewall_table.state(rules, path) if check else firewall_table.apply(rules, path)
    found = [each.text() for each in state.wrong]
    found += [f"{name}: other text" for name in state.stale] + [f"{name}: not enabled or not active" for name in state.stopped]
    return {"changed": state.differs, "narrows": rules != exact, "found": found, "diff": _diff(before, render(rules), path)}


def _rules(options: Mapping[str, Any], members: list[str]) -> Wanted:
    of_members = [*options["member_networks"], *members]
    return Wanted.of(
        {int(port): [*networks, *(of_members if int(port) in options["member_ports"] else ())] for port, networks in options["sources"].items()}
    )


def _listed_hosts(path: str | None) -> list[str]:
    """Return the hosts of the nodes that the server of this host uses now. Empty without a valid file: the push reports an invalid one."""
    try:
        found = topology_file.read(path) if path else None
        return [split_address(node.grpc_address)[0] for node in found[0].nodes] if found else []
    except (topology_file.TopologyFileError, TopologyError):
        return []


def _diff(before: str, after: str, path: str) -> dict[str, str]:
    return {"before": before, "after": after, "before_header": path, "after_header": path}
