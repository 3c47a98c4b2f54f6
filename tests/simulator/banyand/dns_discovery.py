# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Discovery in mode `dns` (contract, section 2): it polls SRV names.

- The key of a node is `target:port`, the target with its trailing dot. Priority and weight do not matter.
- When a name does not resolve for any reason, discovery uses the last answer of that name, and new answers of the other names.
Answers are never on disk. The target `.` is an answer like any other: an address without a node.
- Discovery tries an address that is not responding again every second, without longer pauses.
- There is no lock: the retries and the poll run independently.
"""

from __future__ import annotations

import random
import time

from .channel import Unreachable, client_tls, fetch_node
from .discovery import AskingDiscovery, Backoff
from .dns_client import LookupFailed, lookup_services
from .log import log
from .security import ConfigError, trust
from .tasks import background

_MODULE = "METADATA-DISCOVERY-DNS"


class DiscoveryFailed(OSError):
    """No name has ever had an answer, or a new address is not responding. The message has the name or address."""


class DnsDiscovery(AskingDiscovery):
    """flags: the values of the `node-discovery-*` flags. Raises ConfigError."""

    def __init__(self, flags, metrics):
        super().__init__(_MODULE, metrics, Backoff(0.0, 0.0, 0.0))
        prefix = "node-discovery-dns-"
        self.names = flags[prefix + "srv-addresses"]
        self.init_interval = flags[prefix + "fetch-init-interval"]
        self.init_duration = flags[prefix + "fetch-init-duration"]
        self.interval = flags[prefix + "fetch-interval"]
        self.timeout = flags["node-discovery-grpc-timeout"]
        self.ca_certs = dict(zip(self.names, flags[prefix + "ca-certs"])) if flags[prefix + "tls"] else {}
        self.answers = {}
        self.name_of = {}
        self.tasks = []
        for name, path in self.ca_certs.items():
            try:
                trust(path)
            except ConfigError as error:
                message = f"failed to initialize CA certificate reloader for path {path} (SRV {name}): {error}"
                raise ConfigError(f"failed to create DNS discovery service: {message}") from None

    async def nodes(self, role):
        await self.query()
        return await super().nodes(role)

    async def start(self):
        await super().start()
        self.tasks = [background(run()) for run in (self._follow_names, self._follow_retries)]

    async def close(self):
        self.closing.set()
        for task in self.tasks:
            task.cancel()

    async def _follow_names(self):
        settled = time.monotonic() + self.init_duration
        while True:
            try:
                await self.query()
            except DiscoveryFailed as error:
                log("error", _MODULE, "failed to query DNS and update nodes", error=str(error))
            if await self._pause(self.init_interval if time.monotonic() < settled else self.interval):
                return

    async def query(self):
        """Ask for all names and apply the answers. Raises DiscoveryFailed after the usable answers are applied."""
        began = time.monotonic()
        try:
            await self._apply(await self._ask_names())
        except DiscoveryFailed:
            self.metrics.count("discovery_failed_count")
            raise
        finally:
            self._took("discovery", began)

    def _took(self, what, began):
        seconds = time.monotonic() - began
        self.metrics.count(f"{what}_count")
        self.metrics.observe(f"{what}_duration", seconds)
        self.metrics.count(f"{what}_total_duration", seconds)

    async def _ask_names(self):
        """Return the addresses of each name that has, or had, an answer."""
        began, failures = time.monotonic(), {}
        answered = 0
        for name in self.names:
            self.metrics.count("dns_srv_lookup_count")
            try:
                services = await lookup_services(name)
            except LookupFailed as error:
                self.metrics.count("dns_srv_lookup_failed_count")
                failures[name] = error
                continue
            self.answers[name] = [f"{service.target}:{service.port}" for service in services]
            answered += 1
        if failures and not answered:
            self.metrics.count("dns_query_failed_count")
        self._took("dns_query", began)
        for name, error in failures.items():
            if name in self.answers:
                cached = self.answers[name]
                log("warn", _MODULE, "Using cached addresses for failed SRV query", srv=name, error=str(error), cached_addresses=cached)
            else:
                log("warn", _MODULE, "SRV query failed and no cached addresses available", srv=name, error=str(error))
        if not self.answers:
            reasons = "\n".join(f"SRV {name}: {error}" for name, error in failures.items())
            raise DiscoveryFailed(f"all DNS queries failed and no cached addresses available: {reasons}")
        return self.answers

    async def _apply(self, answers):
        # The order of the names changes each time. An address in two names gets the CA bundle of one of them.
        lists = [(name, answers[name]) for name in random.sample(list(answers), len(answers))]
        self.name_of.update({address: name for name, addresses in lists for address in addresses})
        failures = []
        for _, addresses in lists:
            for address in addresses:
                if address not in self.cache and address not in self.retries:
                    failures.append(await self._admit(address))
        listed = {address for _, addresses in lists for address in addresses}
        for address in self.cache.keys() - listed:
            self.name_of.pop(address, None)
        await self._drop_all_but(listed)
        failures = [str(error) for error in failures if error is not None]
        if failures:
            raise DiscoveryFailed("\n".join(failures))

    async def _ask(self, address):
        began = time.monotonic()
        try:
            return await fetch_node(address, self._tls(address), self.timeout)
        except Unreachable:
            self.metrics.count("grpc_query_failed_count")
            raise
        finally:
            self._took("grpc_query", began)

    def _tls(self, address):
        if not self.ca_certs:
            return None
        path = self.ca_certs[self.name_of.get(address) or next(iter(self.ca_certs))]
        try:
            return client_tls(path)
        except (OSError, ValueError) as error:
            raise Unreachable(f"failed to get dial options for {address}: {error}") from None
