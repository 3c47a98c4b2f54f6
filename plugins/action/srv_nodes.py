# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``srv_nodes``. Runs only on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import GRPC_IMPORT_ERROR
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.node_identities import AskingError, identities_apart
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.dns_memory import MemoryFile
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.registry import DnsNodeRegistry
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import DNS_IMPORT_ERROR, SrvTerms, SrvTermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.dns_nodes import (
    Hosts,
    Live,
    Servers,
    Wanted,
    followed,
    found,
    wanted_topology,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServer, NameServerError, Standing, disagreements
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import SrvName, SrvNamesError, srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import KEEP, changes_mode, need
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import canonical_host, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Terms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import SETTLE_SECONDS

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "change": {"type": "bool", "default": True},
}
VARIABLES = (
    "banyandb_srv_names",
    "banyandb_srv_nameservers",
    "banyandb_srv_timeout",
    "banyandb_srv_attempts",
    "banyandb_srv_tcp",
    "banyandb_srv_second_opinion",
    "banyandb_srv_snapshot_dir",
    "banyandb_srv_interval",
    "banyandb_override",
)
# Maximum age of a stored DNS answer in seconds, for a run that only reads and for a run that changes hosts.
MAX_AGE_TO_LOOK = 86400.0
MAX_AGE_TO_CHANGE = 3600.0
# Seconds to wait for a node's identity. A node answers within milliseconds; a node that is not responding is identified by its address.
ASKING_SECONDS = 2.0
# Seconds after its polling interval that a server needs to query DNS and to connect.
BEYOND_INTERVAL = 10.0


class _RefusedError(Exception):
    """The nodes of the cluster are unavailable or refused. The message has the reason."""


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        clusters = {}
        problems: list[str] = []
        warnings: list[str] = []
        for name, cluster in arguments["clusters"].items():
            here = [node["name"] for node in cluster["nodes"] if node["name"] in variables["ansible_play_hosts_all"]]
            clusters[name] = cluster
            if cluster["source"] != DNS or not here:
                continue
            if DNS_IMPORT_ERROR:
                return {**result, "failed": True, "msg": missing_required_lib("dnspython", reason="to ask DNS for the nodes")}
            try:
                finder = _Finder(name, cluster, here, variables["hostvars"])
                wanted, warned = finder.wanted(arguments["change"])
                if arguments["change"] and not self._task.check_mode and not wanted.problems:
                    finder.remember(wanted)
            except _RefusedError as error:
                problems.append(f"{name}: {error}")
                continue
            warnings += warned
            if arguments["change"]:
                problems += [f"{name}: {problem}" for problem in wanted.problems]
            else:
                warnings += wanted.problems
            clusters[name] = finder.cluster_with(wanted)
        result.update(changed=False, warnings=list(map(message, warnings)))
        if problems:
            return {**result, **refused(problems)}
        return {**result, "clusters": clusters}


@dataclass(frozen=True)
class _Settings:
    """Settings to find the nodes of one cluster, from the variables of its hosts. ``interval``: seconds between the DNS queries of a server."""

    names: tuple[SrvName, ...]
    terms: SrvTerms
    directory: str
    interval: int
    override: str


class _Finder:
    """Finds the nodes of one cluster through DNS. ``here``: hosts of the cluster that are in the play. Raises _RefusedError."""

    def __init__(self, name: str, cluster: Mapping[str, Any], here: Sequence[str], hostvars: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self.here = here
        self.hostvars = hostvars
        nodes = {node["name"]: dict(node) for node in cluster["nodes"] if node["role"] != STANDALONE}
        self.hosts = Hosts(nodes, {host: _known_as(node, hostvars[host]) for host, node in nodes.items()})
        self.settings = _settings([hostvars[host] for host in sorted(nodes)])
        self.memory_file = MemoryFile(self.settings.directory, name, (each.absolute for each in self.settings.names))

    def wanted(self, change: bool) -> tuple[Wanted, list[str]]:
        """Return the nodes and the warnings. ``change``: whether this run changes hosts. Raises _RefusedError."""
        memory, warnings = self.memory_file.load()
        ask = None if GRPC_IMPORT_ERROR else partial(identities_apart, terms=Terms(timeout=ASKING_SECONDS, retries=0))
        services = [each.absolute for each in self.settings.names]
        max_age = MAX_AGE_TO_CHANGE if change else MAX_AGE_TO_LOOK
        registry = DnsNodeRegistry(services, self.settings.terms, ask, self.settings.directory, max_age)
        try:
            sighting = registry.look()
            standings = registry.standings()
        except (SrvTermsError, SnapshotError, AskingError) as error:
            raise _RefusedError(str(error)) from None
        whole = sighting.complete and not any(each.failure.kind == ErrorKind.UNRESOLVED for each in sighting.apart)
        live = Live.of(self._looks())
        seen = found(sighting, self.hosts, live, memory)
        remove, override = self.cluster["remove"], self.settings.override
        doubts: list[str] = []
        if whole and self.cluster["mode"] != DNS and set(live.addresses) - set(seen.candidates) - set(remove):
            # Some DNS servers truncate an answer without a mark, so a shorter answer needs a second query with the same result.
            doubts = disagreements(standings, self._standings_again(services))
            whole = not doubts
        if self.cluster["mode"] == DNS:
            wanted = followed(seen, standings, self.hosts, memory, remove, override, self._servers())
        else:
            cas = {each.absolute: each.ca_cert_path for each in self.settings.names if each.ca_cert_path}
            wanted = wanted_topology(seen, whole, self.hosts, live, memory, remove, override, cas)
        if not wanted.entries:
            # The warnings of DNS explain why there is no node.
            wanted = replace(wanted, problems=(*wanted.problems, *sighting.warnings))
        doubted = [f"{doubt}. No node leaves the topology" for doubt in doubts if doubt not in sighting.warnings]
        return wanted, [*warnings, *sighting.warnings, *doubted, *wanted.warnings]

    def _standings_again(self, services: Sequence[str]) -> dict[str, Standing]:
        """Query DNS again and return the answers, without the identities of nodes. Raises _RefusedError."""
        try:
            return DnsNodeRegistry(services, self.settings.terms, None).standings()
        except SrvTermsError as error:
            raise _RefusedError(str(error)) from None

    def cluster_with(self, wanted: Wanted) -> dict[str, Any]:
        """Return the cluster with the nodes of ``wanted``.

        ``hosts`` of the result has the nodes of the inventory, and ``listed_for_removal`` has ``banyandb_remove``.
        """
        alone = [node for node in self.cluster["nodes"] if node["role"] == STANDALONE]
        settle = max(SETTLE_SECONDS, self.settings.interval + BEYOND_INTERVAL) if self.cluster["mode"] == DNS else SETTLE_SECONDS
        return {
            **self.cluster,
            "hosts": self.cluster["nodes"],
            "listed_for_removal": self.cluster["remove"],
            "nodes": sorted([*wanted.entries.values(), *alone], key=lambda node: str(node["name"])),
            "remove": sorted({*self.cluster["remove"], *wanted.remove}),
            "settle": settle,
        }

    def remember(self, wanted: Wanted) -> None:
        """Save the memory of ``wanted`` for the next run. Raises _RefusedError."""
        try:
            self.memory_file.save(wanted.memory)
        except SnapshotError as error:
            raise _RefusedError(str(error)) from None

    def _looks(self) -> list[Mapping[str, Any]]:
        """Return what each host reports of its topology file.

        Leaves out hosts without the file, hosts without a result, and hosts whose server has not loaded the file.
        """
        looks = [self.hostvars[host].get(name) for host in self.here for name in ("__banyandb_host", "__banyandb_dns_look")]
        return [
            look["topology"]
            for look in looks
            if isinstance(look, Mapping) and look.get("topology") and not any(map(changes_mode, look.get("services", {}).values()))
        ]

    def _servers(self) -> Servers:
        """Return which servers this run starts, and whether servers query DNS.

        Without a probe, a run starts no server. A server without a probe counts as running.
        """
        probes = {host: self.hostvars[host].get("__banyandb_host") for host in self.here}
        services = {host: next(iter(probe["services"].values())) for host, probe in probes.items() if probe and probe.get("services")}
        starting = [host for host, service in services.items() if need(service) != KEEP]
        polling = len(services) < len(self.hosts.entries) or any(service["main_pid"] and not changes_mode(service) for service in services.values())
        return Servers(starting, polling, self.settings.interval)


def _known_as(node: Mapping[str, Any], variables: Mapping[str, Any]) -> frozenset[str]:
    places = (split_address(node["grpc_address"])[0], variables.get("ansible_host") or "", node["name"])
    return frozenset(canonical_host(str(place).rstrip(".")) for place in places if place)


def _settings(hosts: Sequence[Mapping[str, Any]]) -> _Settings:
    """Return the settings of the cluster. Raises _RefusedError if the hosts have different or invalid values."""
    given = [{name: host.get(name) for name in VARIABLES} for host in hosts]
    for name in VARIABLES:
        others = [host for host in given if host[name] != given[0][name]]
        if others:
            raise _RefusedError(f"{name} is not the same for all hosts of the cluster. Set it for all hosts, or for none.")
    values, problems = validated(("topology",), given[0], optional=("banyandb_srv_timeout", "banyandb_srv_attempts"))
    if problems:
        raise _RefusedError(" ".join(problems))
    try:
        nameservers = tuple(NameServer.parse(text) for text in values["banyandb_srv_nameservers"])
        terms = SrvTerms(
            nameservers,
            values["banyandb_srv_timeout"],
            values["banyandb_srv_attempts"],
            second_opinion=values["banyandb_srv_second_opinion"],
            tcp=values["banyandb_srv_tcp"],
        )
        names = srv_names(values["banyandb_srv_names"])
    except (NameServerError, SrvTermsError, SrvNamesError) as error:
        raise _RefusedError(str(error)) from None
    return _Settings(names, terms, values["banyandb_srv_snapshot_dir"], values["banyandb_srv_interval"], values["banyandb_override"])
