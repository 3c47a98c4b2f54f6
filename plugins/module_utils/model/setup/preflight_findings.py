# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the findings of preflight for each host, and format them for a person. Pure."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import INVENTORY
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, fitted, listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address


class Check(str, Enum):
    """The checks of preflight for each host."""

    HOST = "host"
    VARIABLES = "variables"
    MACHINE = "machine"
    NAMES = "names"


class Level(str, Enum):
    """The severity of a finding, in rising order."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


#: Reason of the module ``host_info`` -> text for a message.
REASONS = {"no_such_name": "no such name", "no_answer": "no answer from DNS", "no_name": "not a host name"}

#: Names that a message lists before it counts the rest. Two lists share one line.
FEW = 3


@dataclass(frozen=True)
class Finding:
    """One fault of ``hosts``. ``message``: one line with the fault and what to do."""

    hosts: tuple[str, ...]
    check: Check
    level: Level
    message: str

    def to_mapping(self) -> dict[str, Any]:
        return {"hosts": list(self.hosts), "check": self.check.value, "level": self.level.value, "message": self.message}


def machine_findings(identities: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Return the hosts that are one machine (fail), and other hosts with the same machine-id (warn).

    ``identities``: host -> ``machine`` as the module ``host_info`` returned it.
    """
    machines: dict[tuple[str, ...], list[str]] = defaultdict(list)
    clones: dict[str, list[str]] = defaultdict(list)
    for host, identity in sorted(identities.items()):
        if identity["boot_id"]:
            machine = (identity["boot_id"], identity["pid_namespace"], identity["product_uuid"])
            machines[machine].append(host)
            if machines[machine] == [host] and identity["machine_id"]:
                clones[identity["machine_id"]].append(host)
    found = [
        Finding(
            tuple(hosts),
            Check.MACHINE,
            Level.FAIL,
            naming("", hosts, ": these inventory names lead to one machine. Leave one of them in the inventory, or correct ansible_host.", FEW),
        )
        for hosts in machines.values()
        if len(hosts) > 1
    ]
    found += [
        Finding(
            tuple(hosts),
            Check.MACHINE,
            Level.WARN,
            naming(
                "", hosts, ": two machines with the same /etc/machine-id. Give each its own: remove the file and run systemd-machine-id-setup.", FEW
            ),
        )
        for hosts in clones.values()
        if len(hosts) > 1
    ]
    return found


def disabled_findings(services: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return the hosts whose server is stopped and whose unit is disabled (warn): the playbook ``remove`` leaves a server like this.

    ``services``: host -> state of its server, as the module ``host_info`` returned it.
    """
    hosts = sorted(host for host, service in services.items() if service["enabled"] == "disabled" and not service["main_pid"])
    remedy = ": stopped and disabled, as after skywalking.banyandb.remove; deploy starts the server again. Delete a removed host from the inventory."
    return [Finding(tuple(hosts), Check.HOST, Level.WARN, naming("", hosts, remedy, FEW))] if hosts else []


def names_to_resolve(host: str, clusters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the host names that the server of ``host`` must resolve: the names of its cluster's nodes that are no IP addresses.

    A standalone server has no such names. When the nodes come from DNS, the names are not known yet.

    ``clusters``: result of the filter ``clusters``.
    """
    for cluster in clusters.values():
        node = next((node for node in cluster["nodes"] if node["name"] == host), None)
        if node is not None:
            if node["role"] == STANDALONE or cluster["mode"] != FILE or cluster["source"] != INVENTORY:
                return []
            names = {split_address(other["grpc_address"])[0] for other in cluster["nodes"] if other["role"] != STANDALONE}
            return sorted(name for name in names if not _is_ip_address(name))
    return []


def name_findings(unresolved: Mapping[str, Mapping[str, str]], clusters: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return the names without an address. Names that fail for the same reason on the same hosts share one finding.

    ``unresolved``: host -> name -> reason, as the module ``host_info`` returned it.
    """
    nodes = {split_address(node["grpc_address"])[0]: node["name"] for cluster in clusters.values() for node in cluster["nodes"]}
    failing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for host, reasons in sorted(unresolved.items()):
        for name, reason in reasons.items():
            failing[name, reason].append(host)
    together: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for (name, reason), hosts in sorted(failing.items()):
        together[tuple(hosts), reason].append(name)
    return [
        Finding(
            hosts,
            Check.NAMES,
            Level.FAIL,
            _unresolved(hosts, names, reason, listed([nodes.get(name, name) for name in names], 1)),
        )
        for (hosts, reason), names in sorted(together.items())
    ]


def _unresolved(hosts: Sequence[str], names: Sequence[str], reason: str, servers: str) -> str:
    """Return the message for ``names`` without an address. ``servers``: the hosts with these names."""
    parts = ("", "", "")
    for few, of in ((FEW, f" of {servers}"), (FEW, ""), (2, ""), (1, "")):
        remedy = f" ({REASONS[reason]}). Set banyandb_node_host{of} to an address, or add the name to DNS or /etc/hosts."
        parts = (f"{listed(hosts, few)}: cannot resolve ", listed(names, few), remedy)
        if len("".join(parts)) <= MOST:
            break
    return fitted(*parts)


def table(hosts: Sequence[str], findings: Sequence[Finding]) -> list[str]:
    """Return the lines of the table, with a row for each host and a column for each check, then the lines of the findings."""
    cells = [["preflight", *(check.value for check in Check)]]
    for host in hosts:
        of_host = [finding for finding in findings if host in finding.hosts]
        broken = any(finding.check is Check.HOST and finding.level is Level.FAIL for finding in of_host)
        levels = {check: _worst([finding.level for finding in of_host if finding.check is check]) for check in Check}
        # preflight did not look at this host, so the host has passed no check of its machine and names.
        cells.append([host, *("-" if broken and check in (Check.MACHINE, Check.NAMES) else levels[check].value for check in Check)])
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return [*rows, *(f"  {finding.level.value}: {finding.message}" for finding in findings)]


def _worst(levels: Sequence[Level]) -> Level:
    return max(levels, key=list(Level).index, default=Level.PASS)


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
