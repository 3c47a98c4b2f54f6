# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: srv
author: The skywalking.banyandb contributors (@skywalking-banyandb)
short_description: Find the nodes of a cluster by DNS SRV records
version_added: 0.9.0
description:
  - Queries DNS for the SRV records (RFC 2782) of the cluster's names, and queries each target for its identity (C(GetCurrentNode)).
  - The name of the inventory file must end in C(.banyandb.yml) or C(.banyandb.yaml).
  - The name of a host is its target without the trailing dot. If a target has several ports, the name is C(target:port).
  - A node that responds is in the group of its role, C(banyandb_data), C(banyandb_liaison) or C(banyandb_standalone). The node is also in
    C(banyandb_label_<key>_<value>) for each of its labels.
  - A node that is not responding is in C(banyandb_apart), and in the group of the role that O(services) gives. The variable C(banyandb_apart)
    has the reason.
  - Every host has C(ansible_host) (its first address) and C(banyandb_srv) (name, target, port, addresses). A node that responds has
    C(banyandb_node_host) and C(banyandb_node_labels). A data node that responds also has C(banyandb_grpc_port) and C(banyandb_has_meta_role).
options:
  plugin:
    description: Name of this plugin. Marks the file as an inventory of this plugin.
    type: str
    choices: [skywalking.banyandb.srv]
    required: true
  services:
    description:
      - The SRV names, as a list of mappings. C(name) is an SRV name, such as C(_data._tcp.example.org).
      - C(role) is optional and is V(data), V(liaison) or V(standalone). The plugin uses C(role) if a node does not report its role.
    type: list
    elements: dict
    required: true
  cluster:
    description: Value of the variable C(banyandb_cluster) for all hosts.
    type: str
    default: ""
  enrich:
    description:
      - Whether to query every target for its identity. The plugin queries in a separate process, and needs grpcio and protobuf.
      - With V(false), only O(services) decides the groups.
    type: bool
    default: true
  enrich_timeout:
    description: Seconds to wait for the identity of a target.
    type: float
    default: 5.0
  username:
    description:
      - User for the question about the identity. Only port 17912 of a liaison or of a standalone server asks for a user.
      - The plugin sends user and password to every target, without encryption.
    type: str
    default: ""
    env:
      - name: BANYANDB_USERNAME
  password:
    description: Password of O(username).
    type: str
    default: ""
    env:
      - name: BANYANDB_PASSWORD
  static:
    description: Path of a topology.yml on the controller.
    type: path
  static_mode:
    description: V(fallback) uses O(static) if DNS fails and no stored answer exists. V(override) adds the entries of O(static) to the nodes of DNS.
    type: str
    choices: [fallback, override]
    default: fallback
  serve_stale:
    description: Whether to use the last good answer, with a warning, if DNS fails or denies a name. With O(strict) the plugin fails instead.
    type: bool
    default: true
  within_ttl:
    description:
      - Whether to use a stored answer of O(snapshot_dir) without a DNS query until the answer's TTL ends. A TTL counts as at least 5 and at most
        300 seconds.
      - Use V(true) for inventories of thousands of hosts. The plugin sees a change in DNS as late as a DNS cache. Needs O(serve_stale).
    type: bool
    default: false
  strict:
    description: Whether to fail if DNS returns no records for a name, or if a composed group or variable is invalid.
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
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
                raise AnsibleParserError(message(f"{path}: {error}")) from None
            if self.get_option("cache"):
                self._cache[key] = [asdict(host) for host in found]
        else:
            found = [Host(**host) for host in cached]
        self._fill(inventory, found)

    def _look(self) -> list[Host]:
        """Query DNS and the nodes, and return the hosts. Raises ServicesError if ``strict`` is set and a name has no records."""
        roles = services(self.get_option("services"))
        sighting = self._registry(list(roles)).look()
        for warning in sighting.warnings:
            self.display.warning(message(warning))
        if self.get_option("strict") and not sighting.complete:
            raise ServicesError("services: DNS returned no records for a name, and strict is set. The warnings above say why.")
        for each in sighting.apart:
            self.display.warning(message(f"{each.name} is in banyandb_apart: {each.failure.message}"))
        return hosts(sighting, roles, self.get_option("cluster"))

    def _registry(self, names: list[str]) -> NodeRegistry:
        ask: Ask | None = None
        if self.get_option("enrich"):
            user, password = self.get_option("username"), self.get_option("password")
            terms = Terms(timeout=self.get_option("enrich_timeout"), retries=0, username=user, password=password)
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
