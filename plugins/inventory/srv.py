# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: srv
author: The skywalking.banyandb contributors (@skywalking-banyandb)
short_description: The nodes of a cluster, found by DNS SRV records
version_added: 0.9.0
description:
  - Asks DNS for the SRV records (RFC 2782) of the cluster's names, and each target who it is (C(GetCurrentNode)).
  - A file of this inventory ends in C(.banyandb.yml) or C(.banyandb.yaml).
  - Hosts are named for their targets, without the trailing dot; where a target stands with several ports, C(target:port).
  - A node that answers is in the group of the role that it says, C(banyandb_data), C(banyandb_liaison) or C(banyandb_standalone), and in
    C(banyandb_label_<key>_<value>) for each of its labels. One that does not answer is in C(banyandb_apart), and in the group of its
    service's role where one is given; the variable C(banyandb_apart) has the reason.
  - Every host has C(ansible_host) (its first address) and C(banyandb_srv) (name, target, port, addresses). One that answered has
    C(banyandb_node_host), C(banyandb_node_labels), and as a data node C(banyandb_grpc_port) and C(banyandb_has_meta_role).
options:
  plugin:
    description: Marks a file of this inventory.
    type: str
    choices: [skywalking.banyandb.srv]
    required: true
  services:
    description:
      - The SRV names. Each a mapping with the key C(name), such as C(_data._tcp.example.org), and optionally C(role) (V(data), V(liaison) or
        V(standalone)), which counts while a node does not say itself what it is.
    type: list
    elements: dict
    required: true
  cluster:
    description: Sets the variable C(banyandb_cluster) of all hosts.
    type: str
    default: ""
  enrich:
    description:
      - Ask every target who it is. That is done in a process of its own, and needs grpcio and protobuf.
      - Without it, groups come from O(services) alone.
    type: bool
    default: true
  enrich_timeout:
    description: Seconds that a target has to say who it is.
    type: float
    default: 5.0
  static:
    description: A topology.yml on the controller.
    type: path
  static_mode:
    description: V(fallback) uses O(static) when DNS fails and nothing is remembered. With V(override) its entries stand beside those of DNS.
    type: str
    choices: [fallback, override]
    default: fallback
  serve_stale:
    description: When DNS fails or denies a name, use the last good answer, with a warning. O(strict) fails instead.
    type: bool
    default: true
  within_ttl:
    description:
      - Take an answer that is in O(snapshot_dir), and within its TTL (which counts as at least 5 and at most 300 seconds), without asking DNS.
      - For inventories of thousands of hosts. A change in DNS is seen as late as through any DNS cache. It needs O(serve_stale).
    type: bool
    default: false
  strict:
    description: Fail when DNS does not answer every name with records, and on groups and variables that cannot be composed.
extends_documentation_fragment:
  - skywalking.banyandb.srv
  - constructed
  - inventory_cache
seealso:
  - module: skywalking.banyandb.srv_info
"""

EXAMPLES = r"""
# lab.banyandb.yml
plugin: skywalking.banyandb.srv
services:
  - name: _data._tcp.example.org
    role: data
  - name: _liaison._tcp.example.org
    role: liaison
nameservers: [192.0.2.53]
keyed_groups:
  - key: banyandb_srv.port | string
    prefix: port
"""

from dataclasses import asdict
from functools import partial
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.node_identities import AskingError, identities_apart
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.registry import (
    Ask,
    DnsNodeRegistry,
    FallbackNodeRegistry,
    NodeRegistry,
    OverrideNodeRegistry,
    StaticNodeRegistry,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_options import require_age, terms_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import DNS_IMPORT_ERROR, SrvTermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServerError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_host_variables import Host, ServicesError, hosts, services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Terms, TermsError

COMPOSITIONS: dict[str, type[FallbackNodeRegistry | OverrideNodeRegistry]] = {"fallback": FallbackNodeRegistry, "override": OverrideNodeRegistry}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "skywalking.banyandb.srv"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".banyandb.yml", ".banyandb.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if DNS_IMPORT_ERROR:
            raise AnsibleParserError(missing_required_lib("dnspython", reason="to ask DNS for SRV records"))
        key = self.get_cache_key(path)
        cached = self._cache.get(key) if cache and self.get_option("cache") else None
        if cached is None:
            try:
                found = self._look()
            except (ServicesError, SrvTermsError, NameServerError, SnapshotError, TermsError, AskingError) as error:
                raise AnsibleParserError(f"{path}: {error}") from None
            if self.get_option("cache"):
                self._cache[key] = [asdict(host) for host in found]
        else:
            found = [Host(**host) for host in cached]
        self._fill(inventory, found)

    def _look(self) -> list[Host]:
        """The hosts, as the registry sees them now."""
        roles = services(self.get_option("services"))
        sighting = self._registry(list(roles)).look()
        for warning in sighting.warnings:
            self.display.warning(warning)
        if self.get_option("strict") and not sighting.complete:
            raise ServicesError("services: DNS did not answer every name, and strict is set: " + "; ".join(sighting.warnings))
        for each in sighting.apart:
            self.display.warning(f"{each.name} is in banyandb_apart: {each.failure.message}")
        return hosts(sighting, roles, self.get_option("cluster"))

    def _registry(self, names: list[str]) -> NodeRegistry:
        ask: Ask | None = None
        if self.get_option("enrich"):
            terms = Terms(timeout=self.get_option("enrich_timeout"), retries=0)
            ask = partial(identities_apart, terms=terms)
        options = self.get_options()
        require_age(options["max_age"])
        directory = options["snapshot_dir"] if options["serve_stale"] else ""
        registry = DnsNodeRegistry(names, terms_of(options), ask, directory, options["max_age"], within_ttl=options["within_ttl"])
        if not options["static"]:
            return registry
        return COMPOSITIONS[options["static_mode"]](registry, StaticNodeRegistry(options["static"], ask))

    def _fill(self, inventory: Any, found: list[Host]) -> None:
        strict = self.get_option("strict")
        for host in found:
            inventory.add_host(host.name)
            for group in host.groups:
                inventory.add_host(host.name, group=inventory.add_group(group))
            for name, value in host.variables.items():
                inventory.set_variable(host.name, name, value)
            variables = inventory.get_host(host.name).get_vars()
            self._set_composite_vars(self.get_option("compose"), variables, host.name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host.name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host.name, strict=strict)
