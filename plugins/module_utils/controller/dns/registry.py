# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the nodes of a cluster in DNS, in a topology file, or in both.

A source lists candidates. A candidate becomes a node when it responds to GetCurrentNode. A candidate that does not respond is kept apart, with the
reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import SrvTerms, canonical
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import Snapshots, consult
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Apart, Candidate, Sighting, names, sorted_out
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import Records, SrvRecord, Standing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    TopologyError,
    canonical_address,
    from_document,
    split_address,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity

# Bounds in seconds for the time that the registry keeps an answer. A TTL of 0 must not cause a question for each template, and a TTL of a week
# must not hide a change.
LEAST_TTL = 5.0
MOST_TTL = 300.0


class Ask(Protocol):
    """Asks nodes for their identity, see node_identities."""

    def __call__(self, endpoints: Mapping[str, str]) -> Mapping[str, Identity | Failure]:
        """Return name -> identity or failure. ``endpoints``: name -> ``host:port``."""


class NodeRegistry(Protocol):
    """A source that knows nodes."""

    def look(self) -> Sighting:
        """Return the nodes that the source knows now."""


class DnsNodeRegistry:
    """The targets of SRV names.

    The registry keeps answers for their TTL, between LEAST_TTL and MOST_TTL seconds. Where DNS fails or denies a name, the registry uses the last
    good
    answer.

    ``directory``: directory of the last good answers; empty: none. ``max_age``: largest age of a last good answer in seconds.
    ``within_ttl``: also use answers that other processes have left in ``directory``. ``ask``: None asks no node.
    Raises SrvTermsError; look() also raises SnapshotError.
    """

    def __init__(
        self,
        services: Sequence[str],
        terms: SrvTerms,
        ask: Ask | None,
        directory: str = "",
        max_age: float = 86400.0,
        clock: Callable[[], float] = time.time,
        within_ttl: bool = False,
    ) -> None:
        self.services = services
        self.terms = terms
        self.ask = ask
        self.directory = directory
        self.max_age = max_age
        self.clock = clock
        self._remembered: dict[str, tuple[Standing, float]] = {}
        if within_ttl and directory:
            self._recall(Snapshots(directory))

    def look(self) -> Sighting:
        """Return the nodes that the names lead to now."""
        standings = self.standings()
        warnings = [warning for standing in standings.values() for warning in standing.warnings]
        complete = True
        good: list[Candidate] = []
        apart: list[Apart] = []
        for service, standing in standings.items():
            if not isinstance(standing.outcome, Records):
                complete = False
                if standing.age is None:
                    warnings.append(standing.outcome.message)
            for record in standing.records:
                candidate = Candidate(record.target.rstrip("."), record.port, service, record.addresses, record.unanswered)
                if record.addresses:
                    good.append(candidate)
                else:
                    apart.append(Apart(candidate.host or ".", candidate, _unusable(standing, record)))
        nodes, silent = sorted_out(good, self._answers(good))
        return Sighting(nodes, (*silent, *apart), tuple(warnings), complete)

    def _recall(self, snapshots: Snapshots) -> None:
        """Load the answers of other processes. An answer from the future does not count, because a clock has changed meanwhile."""
        now = self.clock()
        for service in self.services:
            snapshot, warnings = snapshots.last(canonical(service, self.terms.search))
            if snapshot and snapshot.time <= now:
                standing = Standing(snapshot.records, snapshot.records.records, warnings=warnings, serial=snapshot.records.serial)
                self._remembered[service] = standing, snapshot.time + _bounded(snapshot.records.ttl)

    def standings(self) -> dict[str, Standing]:
        """Return SRV name -> standing, from kept answers or from DNS. Raises SrvTermsError and SnapshotError."""
        now = self.clock()
        stale = [service for service in self.services if service not in self._remembered or self._remembered[service][1] <= now]
        for service, standing in consult(stale, self.terms, self.directory, self.max_age, now, hold=True).items():
            ttl = standing.outcome.ttl if isinstance(standing.outcome, Records) else 0
            self._remembered[service] = standing, now + _bounded(ttl)
        return {service: self._remembered[service][0] for service in self.services}

    def _answers(self, candidates: Sequence[Candidate]) -> Mapping[str, Identity | Failure] | None:
        if self.ask is None:
            return None
        # Ask by the addresses that DNS has just given, because the controller's resolver may know others. A node may be unreachable at one address
        # and respond at the next.
        answers: dict[str, Identity | Failure] = {}
        waiting = names(candidates)
        turn = 0
        while waiting:
            answers.update(self.ask({name: replace(each, host=each.addresses[turn]).endpoint for name, each in waiting.items()}))
            turn += 1
            waiting = {name: each for name, each in waiting.items() if isinstance(answers[name], Failure) and turn < len(each.addresses)}
        return answers


def _bounded(ttl: float) -> float:
    return min(max(ttl, LEAST_TTL), MOST_TTL)


def _unusable(standing: Standing, record: SrvRecord) -> Failure:
    problems = standing.outcome.problems if isinstance(standing.outcome, Records) else ()
    of_record = (problem.message for problem in problems if problem.target == record.target and (problem.kind == "port") == (record.port == 0))
    return Failure(ErrorKind.UNRESOLVED, next(of_record, f"target {record.target} has no address"))


class StaticNodeRegistry:
    """The entries of a topology.yml.

    The registry reads the file again when the file changes. After an invalid change the registry keeps the last valid entries.
    """

    def __init__(self, path: str, ask: Ask | None) -> None:
        self.path = os.path.expanduser(path)
        self.ask = ask
        self._read: tuple[tuple[int, int, int], tuple[Candidate, ...]] | None = None
        self._warning = ""

    def look(self) -> Sighting:
        """Return the nodes that the file lists now."""
        self._refresh()
        good = self._read[1] if self._read else ()
        answers = self.ask({name: each.endpoint for name, each in names(good).items()}) if self.ask else None
        nodes, apart = sorted_out(good, answers)
        return Sighting(nodes, apart, (self._warning,) if self._warning else (), complete=not self._warning)

    def _refresh(self) -> None:
        # Imported here: ansible-test imports all of module_utils without any library. ansible-core itself needs yaml.
        import yaml

        try:
            with open(self.path, "rb") as stream:
                stat = os.fstat(stream.fileno())
                key = stat.st_ino, stat.st_mtime_ns, stat.st_size
                if self._read and self._read[0] == key and not self._warning:
                    return
                document = yaml.safe_load(stream)
            listed = from_document(document).listed
            self._read = key, tuple(Candidate(*split_address(node.grpc_address), self.path) for node in listed)
            self._warning = ""
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TopologyError) as error:
            kept = f"the {len(self._read[1])} entries that it had stand" if self._read else "it gives no node"
            self._warning = f"{self.path}: {' '.join(str(error).split())}; {kept}"


class FallbackNodeRegistry:
    """The registry ``first``; and ``second`` when ``first`` is incomplete and has no node."""

    def __init__(self, first: NodeRegistry, second: NodeRegistry) -> None:
        self.first = first
        self.second = second

    def look(self) -> Sighting:
        """Return the nodes of ``first``, or of ``second``."""
        seen = self.first.look()
        if seen.complete or seen.nodes or seen.apart:
            return seen
        instead = self.second.look()
        return replace(instead, warnings=(*seen.warnings, *instead.warnings), complete=False)


class OverrideNodeRegistry:
    """The registries ``base`` and ``override``. When both list an address, the entry of ``override`` wins."""

    def __init__(self, base: NodeRegistry, override: NodeRegistry) -> None:
        self.base = base
        self.override = override

    def look(self) -> Sighting:
        """Return the nodes of both."""
        base, over = self.base.look(), self.override.look()
        listed = [*(node.candidate for node in over.nodes), *(each.candidate for each in over.apart)]
        overridden = {canonical_address(candidate.endpoint) for candidate in listed}
        nodes = [*over.nodes, *(node for node in base.nodes if canonical_address(node.candidate.endpoint) not in overridden)]
        apart = [*over.apart, *(each for each in base.apart if canonical_address(each.candidate.endpoint) not in overridden)]
        return Sighting(
            tuple(sorted(nodes, key=lambda node: node.name)),
            tuple(sorted(apart, key=lambda each: each.name)),
            (*base.warnings, *over.warnings),
            base.complete and over.complete,
        )
