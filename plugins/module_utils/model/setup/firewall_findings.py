# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the findings of preflight about the firewall. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    given_members,
    member_network,
    unlisted_message,
    unlisted_sources,
    warnings,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import FEW, Check, Finding, Level
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE


def firewall_findings(looks: Mapping[str, Mapping[str, Any]], clusters: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return the findings about the firewall of each cluster.

    ``looks``: host -> ``firewall`` as the module ``host_info`` returned it. ``clusters``: result of the filter ``clusters``.
    """
    found = []
    for cluster in clusters.values():
        firewall = cluster.get("firewall")
        if not firewall:
            continue
        names = tuple(node["name"] for node in cluster["nodes"])
        networks = {Audience(audience): each for audience, each in firewall["networks"].items()}
        found += [Finding(names, Check.VARIABLES, Level.WARN, text) for text in warnings(networks)]
        here = {name: looks[name] for name in names if name in looks}
        found += _together(here, "problems", Level.FAIL) + _together(here, "blocked", Level.WARN) + _unlisted(here, firewall)
    return found


def shut_out(
    clusters: Mapping[str, Mapping[str, Any]], starting: Collection[str], targeted: Collection[str], reached: Collection[str]
) -> list[Finding]:
    """Return the new nodes that the firewalls of hosts outside of the run would block.

    ``starting``: hosts without a firewall whose server this run starts. ``targeted``: all hosts of the run. ``reached``: hosts that respond.
    """
    found = []
    for cluster in clusters.values():
        members = [node["name"] for node in cluster["nodes"] if node["role"] != STANDALONE]
        new = tuple(name for name in members if name in starting)
        if not new or not cluster.get("firewall"):
            continue
        outside = [name for name in members if name not in targeted]
        lost = [name for name in members if name in targeted and name not in reached]
        some = listed(new, 2)
        if outside:
            text = naming(f"{some}: the firewalls of ", outside, " block new nodes. Run deploy without --limit.", FEW)
            found.append(Finding(new, Check.MACHINE, Level.FAIL, text))
        if lost:
            text = naming(
                f"{some}: the firewall of ", lost, " blocks new nodes, and the host is unreachable. Run deploy again when the host responds.", FEW
            )
            found.append(Finding(new, Check.MACHINE, Level.WARN, text))
    return found


def _together(looks: Mapping[str, Mapping[str, Any]], key: str, level: Level) -> list[Finding]:
    """Return a finding for each text in ``key`` of the looks. Hosts with the same text share one finding."""
    hosts: dict[str, list[str]] = {}
    for host, look in looks.items():
        for text in look[key]:
            hosts.setdefault(text, []).append(host)
    return [Finding(tuple(names), Check.MACHINE, level, f"{listed(names, FEW)}: {text}") for text, names in hosts.items()]


def _unlisted(looks: Mapping[str, Mapping[str, Any]], firewall: Mapping[str, Any]) -> list[Finding]:
    """Return the members that connect from an address which another member does not accept."""
    addresses, _names = given_members(firewall["members"])
    known = [*firewall["networks"][Audience.MEMBERS.value], *addresses]
    # On its own host, a name may have another address than on the other hosts. Debian gives the name of the machine a loopback address.
    accepting = Counter(network for look in looks.values() for network in look["resolved"])
    others = max(len(looks) - 1, 1)
    found = []
    for host, sources in unlisted_sources({host: look["unlisted"] for host, look in looks.items()}, known).items():
        missing = [address for address in sources if accepting[member_network(address)] < others]
        if missing:
            found.append(Finding((host,), Check.NAMES, Level.FAIL, unlisted_message(host, missing)))
    return found
