# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the nodes of a cluster from DNS: which SRV record leads to which node, and which running nodes may leave. Pure.

Topology source ``dns``: the answer is compared with the entries in the hosts' topology.yml, and ``removal_guard`` decides which may leave.
Discovery mode ``dns``: the servers decide, and the result is the list of nodes that their views should show.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Candidate, Sighting
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NoData, Records, Standing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.removal_guard import Policy, decide, digest
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    LIAISON_PORT,
    canonical_address,
    canonical_host,
    split_address,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity

# An entry of a cluster, as cluster_inventory makes it: name, role, grpc_address, node_name, roles, labels, and with TLS
# tls_enabled and ca_cert_path.
Entry = dict[str, Any]

#: Names in a problem, and its longest length in characters. The message also has the name of the cluster.
FEW = 3
LONGEST = 185


@dataclass(frozen=True)
class Hosts:
    """The nodes of the inventory.

    ``entries``: name -> entry. ``known_as``: name -> host names and addresses of its host, as canonical_host() returns them.
    """

    entries: Mapping[str, Entry]
    known_as: Mapping[str, frozenset[str]]

    @cached_property
    def _by_place(self) -> dict[str, str]:
        return {place: name for name in sorted(self.entries, reverse=True) for place in self.known_as[name]}

    @cached_property
    def _by_node_name(self) -> dict[str, str]:
        return {entry["node_name"]: name for name, entry in self.entries.items()}

    def at(self, candidate: Candidate) -> str:
        """Return the name of the node whose host has the candidate's address; empty when there is none."""
        places = map(canonical_host, (candidate.host, *candidate.addresses))
        return next((self._by_place[place] for place in places if place in self._by_place), "")

    def called(self, node_name: str) -> str:
        """Return the name of the node that reports the name ``node_name``; empty when there is none."""
        return self._by_node_name.get(node_name, "")


@dataclass
class Found:
    """The nodes that DNS leads to.

    ``candidates``: name of a node -> records that lead to the node. ``entries``: name -> entry, whose address is chosen later.
    ``apart``: name -> why the candidate does not count as a node. ``problems``: sentences.
    """

    candidates: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    entries: dict[str, Entry] = field(default_factory=dict)
    apart: dict[str, Failure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Live:
    """The entries in the hosts' topology files now. ``addresses``: name -> ``host:port``; ``answering``: names that responded to any host."""

    addresses: Mapping[str, str]
    answering: frozenset[str]

    @classmethod
    def of(cls, looks: Iterable[Mapping[str, Any]]) -> Live:
        """Return the entries of all hosts. ``looks``: for each host, its topology file as ``host_info`` returned it."""
        addresses: dict[str, str] = {}
        answering: set[str] = set()
        for look in looks:
            for entry in [*look["held_back"], *look["listed"]]:
                addresses[entry["name"]] = entry["grpc_address"]
            answering.update(look["answering"])
        return cls(addresses, frozenset(answering))

    @cached_property
    def _by_address(self) -> dict[str, str]:
        return {canonical_address(address): name for name, address in sorted(self.addresses.items(), reverse=True)}

    def named(self, candidate: Candidate) -> str:
        """Return the name of the entry that lists the candidate, by address or by name; empty when there is none."""
        places = [_address(place, candidate.port) for place in (candidate.host, *candidate.addresses)]
        found = next((self._by_address[place] for place in places if place in self._by_address), "")
        return found or (candidate.host if candidate.host in self.addresses else "")


@dataclass(frozen=True)
class Memory:
    """The memory of earlier runs that changed hosts, kept on the controller.

    ``missing``: name -> number of consecutive observations without the name.
    ``entries``: name -> its entry when the node was last wanted. ``members``: name -> ``target:port`` that led to the node.
    """

    missing: Mapping[str, int] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """The nodes that a cluster should have.

    ``entries``: name -> entry. ``remove``: names that may leave, in addition to ``banyandb_remove``.
    ``memory``: for the next run, if this run changes a host.
    """

    entries: Mapping[str, Entry]
    remove: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)
    digest: str = ""


def found(sighting: Sighting, hosts: Hosts, live: Live, memory: Memory) -> Found:
    """Sort the candidates into nodes and problems.

    The first source that knows the candidate gives the name of the node:
    - the node's own name,
    - a host of the inventory with this address,
    - the node with the same record in an earlier run,
    - the entry with this address.
    The entry of an inventory node comes from the inventory, because a deployment may be about to change the node.
    """
    result = Found()
    before = {member: name for name, member in memory.members.items()}
    for seen in sighting.nodes:
        candidate, identity = seen.candidate, seen.identity
        name = (hosts.called(identity.node_name) if identity else "") or hosts.at(candidate) or before.get(member(candidate), "")
        if name in hosts.entries:
            _add(result, name, hosts.entries[name], candidate)
        elif identity is None:
            not_asked = Failure(ErrorKind.NOT_ASKED, f"{candidate.endpoint}: not asked for its name. Install grpcio on the controller")
            _silent(result, seen.name, candidate, not_asked, name, live)
        elif not role_of(identity):
            says = ", ".join(identity.roles) or "no roles"
            result.problems.append(f"{candidate.source} leads to {candidate.endpoint}, which reports to be neither data node nor liaison ({says})")
        else:
            _add(result, name or seen.name, _entry(name or seen.name, role_of(identity), identity), candidate)
    for each in sighting.apart:
        name = hosts.at(each.candidate) or before.get(member(each.candidate), "")
        if name in hosts.entries:
            _add(result, name, hosts.entries[name], each.candidate)
        else:
            _silent(result, each.name, each.candidate, each.failure, name, live)
    return result


def _silent(result: Found, name: str, candidate: Candidate, failure: Failure, before: str, live: Live) -> None:
    """Add a candidate without an identity.

    The candidate counts as a node when an entry has its address, or when an entry has the name ``before``. Else it goes into ``apart``.
    """
    listed = live.named(candidate) or (before if before in live.addresses else "")
    if listed:
        result.candidates[listed].append(candidate)
    else:
        result.apart[name] = failure


def _add(result: Found, name: str, entry: Entry, candidate: Candidate) -> None:
    expected = split_address(entry["grpc_address"])[1]
    if candidate.port != expected:
        result.problems.append(
            f"{candidate.source} leads to {name} on port {candidate.port}, and that {entry['role']} node is listed on {expected}: correct the record"
        )
    result.candidates[name].append(candidate)
    result.entries[name] = entry


def member(candidate: Candidate) -> str:
    """Return ``target:port``, by which a server in DNS mode distinguishes nodes (contract, section 2)."""
    return f"{candidate.host}.:{candidate.port}"


def role_of(identity: Identity) -> str:
    """Return the role of a node from its identity; empty when no cluster node has these roles."""
    data, liaison = "ROLE_DATA" in identity.roles, "ROLE_LIAISON" in identity.roles
    return "" if data == liaison else DATA if data else LIAISON


def _entry(name: str, role: str, identity: Identity) -> Entry:
    return {
        "name": name,
        "role": role,
        "grpc_address": identity.node_name,
        "node_name": identity.node_name,
        "roles": list(identity.roles),
        "labels": dict(identity.labels),
    }


def wanted_topology(
    seen: Found,
    whole: bool,
    hosts: Hosts,
    live: Live,
    memory: Memory,
    remove: Sequence[str],
    override: str,
    cas: Mapping[str, str],
    policy: Policy | None = None,
) -> Wanted:
    """Return the nodes that topology.yml should list (topology source ``dns``).

    ``whole``: whether DNS gave a complete answer for every name. When False, no node leaves, and the look does not count as an observation.
    ``remove``: names in ``banyandb_remove``. ``override``: see removal_guard. ``cas``: SRV name -> CA, for the names whose nodes use TLS.
    """
    live = _renamed(live, seen, remove)
    observed = {name: _role(name, seen, hosts, live, memory) for name in seen.candidates if name not in remove}
    standing = {name: _role(name, seen, hosts, live, memory) for name in live.addresses if name not in remove}
    policy = policy or Policy()
    decision = decide(standing, observed if whole else None, live.answering, memory.missing, policy, override)
    # A node that has left keeps its count when the file of an unreachable host still lists the node. A node that DNS lists again loses its count,
    # also when DNS answered only in part or banyandb_remove has the node.
    gone = {**memory.missing, **dict.fromkeys(decision.removed, policy.observations)}
    missing = {**{name: count for name, count in gone.items() if name not in standing or name in decision.removed}, **decision.missing}
    missing = {name: count for name, count in missing.items() if name not in seen.candidates}
    names = {**decision.keep, **({} if whole else observed)}
    entries = {name: _listed(name, seen, hosts, live, memory, cas) for name in sorted(names)}
    warnings = [
        f"{held.name} stays, though DNS no longer lists it: {held.reason}. Add it to banyandb_remove, or accept the whole answer: "
        f"run with banyandb_override={decision.digest}"
        for held in decision.held
    ]
    warnings += [f"{name} is gone from DNS for good and leaves the topology" for name in decision.removed]
    warnings += [f"{name} is in DNS and left out: {failure.message}" for name, failure in sorted(seen.apart.items())]
    warnings += [
        f"{name} is in the inventory, and no SRV record leads to it, so no server lists it. Add the record"
        for name in sorted(hosts.entries)
        if name not in entries and name not in remove
    ]
    problems = list(seen.problems)
    if not entries:
        problems.append("DNS gives no node and no host lists one: an empty topology is never written")
    return Wanted(
        entries,
        tuple(name for name in decision.removed),
        tuple(warnings),
        tuple(problems),
        Memory(missing, entries, {**{name: one for name, one in memory.members.items() if name in entries}, **_members(seen)}),
        decision.digest,
    )


def _renamed(live: Live, seen: Found, remove: Sequence[str]) -> Live:
    """Return the live entries under the names that the nodes have in DNS now, when the address is equal.

    The name of an entry is only a label of this collection.
    """
    places = {
        _address(place, candidate.port): name
        for name, candidates in seen.candidates.items()
        for candidate in candidates
        for place in (candidate.host, *candidate.addresses)
    }
    new = {
        name: places.get(canonical_address(address), name)
        for name, address in live.addresses.items()
        if name not in seen.candidates and name not in remove and places.get(canonical_address(address), name) not in live.addresses
    }
    addresses = {new.get(name, name): address for name, address in live.addresses.items()}
    return Live(addresses, frozenset(new.get(name, name) for name in live.answering))


def _role(name: str, seen: Found, hosts: Hosts, live: Live, memory: Memory) -> str:
    entry = seen.entries.get(name) or hosts.entries.get(name) or memory.entries.get(name)
    if entry:
        return str(entry["role"])
    return LIAISON if split_address(live.addresses[name])[1] == LIAISON_PORT else DATA


def _listed(name: str, seen: Found, hosts: Hosts, live: Live, memory: Memory, cas: Mapping[str, str]) -> Entry:
    """Return the entry of a node with the address to list: the current address, while DNS still gives it."""
    address = live.addresses.get(name, "")
    known = seen.entries.get(name) or hosts.entries.get(name) or memory.entries.get(name)
    role = _role(name, seen, hosts, live, memory)
    entry: Entry = dict(known) if known else {"role": role, "grpc_address": address, "node_name": address, "roles": None, "labels": None}
    given = [
        (_address(place, candidate.port), candidate.source) for candidate in sorted(seen.candidates.get(name, ())) for place in candidate.addresses
    ]
    # The host has another name or address that DNS still gives. This is no reason to change a running view.
    known_as = hosts.known_as.get(name, frozenset())
    same = [
        (_address(place, candidate.port), candidate.source)
        for candidate in seen.candidates.get(name, ())
        if known_as.intersection(map(canonical_host, candidate.addresses))
        for place in known_as
    ]
    listed = address or str(entry["grpc_address"])  # used when DNS gives no address
    chosen, source = next((each for each in given + same if each[0] == canonical_address(address)), given[0] if given else (listed, ""))
    if address and _may_be_given(address, seen.candidates.get(name, ())):
        chosen = canonical_address(address)
    if chosen == canonical_address(address):
        chosen = address  # keep the spelling of the files: for a server, another spelling is another address
    entry.update(name=name, grpc_address=chosen)
    ca = cas.get(source, "" if source else entry.get("ca_cert_path", ""))
    entry.pop("tls_enabled", None)
    entry.pop("ca_cert_path", None)
    if ca:
        entry.update(tls_enabled=True, ca_cert_path=ca)
    return entry


def _may_be_given(address: str, candidates: Iterable[Candidate]) -> bool:
    """Return whether DNS may still have this address.

    DNS did not give all addresses of the node, so a missing address is no reason to re-address the node.
    """
    host = split_address(address)[0]
    try:
        kinds = {"AAAA" if ipaddress.ip_address(host).version == 6 else "A"}
    except ValueError:
        kinds = {"A", "AAAA"}  # a host name may have addresses of both types
    return any(kinds.intersection(candidate.unanswered) for candidate in candidates)


def _members(seen: Found) -> dict[str, str]:
    return {name: min(map(member, candidates)) for name, candidates in seen.candidates.items()}


@dataclass(frozen=True)
class Servers:
    """The servers of a cluster at the start of this run.

    ``starting``: hosts whose server this run would start or restart. ``polling``: whether a running server already asks DNS.
    ``interval``: seconds between two questions of a server.
    """

    starting: Sequence[str]
    polling: bool
    interval: int


def followed(
    seen: Found,
    standings: Mapping[str, Standing],
    hosts: Hosts,
    memory: Memory,
    remove: Sequence[str],
    override: str,
    servers: Servers,
) -> Wanted:
    """Return the nodes that servers in DNS mode should show: the nodes in DNS and the nodes of the inventory.

    ``problems`` of the result says why this run must stop.
    """
    problems = [*seen.problems, *_zone_problems(standings)]
    failed = [standing.outcome.message for standing in standings.values() if not isinstance(standing.outcome, (Records, NoData))]
    failed += [each.outcome.message for each in standings.values() if isinstance(each.outcome, NoData) and not each.outcome.withdrawn]
    left_out = [name for name in sorted(hosts.entries) if name not in seen.candidates and name not in remove]
    warnings = [f"{name} is in DNS and in no view: {failure.message}" for name, failure in sorted(seen.apart.items())]
    doubtful = [fitted("", message, ". Running servers keep their nodes", LONGEST) for message in failed]
    doubtful += [] if failed else [f"no SRV record leads to {name}: a server that asks DNS does not know it. Add the record" for name in left_out]
    if servers.starting and doubtful:
        which = f"{listed(servers.starting, FEW)} would be started or restarted, with what DNS says now"
        problems += [fitted("", doubt, f" ({which})", LONGEST) for doubt in doubtful]
    else:
        warnings += doubtful
    for name, candidates in sorted(seen.candidates.items()):
        if len(candidates) > 1:
            records = " and ".join(sorted(map(member, candidates)))
            problems.append(f"{records} are one node, {name}: when one record goes, every server loses the node for good. Keep one record")
    members = _members(seen)
    changed = {name: now for name, now in members.items() if memory.members.get(name, now) != now}
    plan = digest(memory.members, members)
    if changed and servers.polling and override != plan:
        steps = ", ".join(f"{name} from {memory.members[name]} to {now}" for name, now in sorted(changed.items()))
        # A server that sees the change in one step loses the node for good, even when the record changes back.
        then = f"Delete it, wait {servers.interval} s, add the new one, then run with banyandb_override={plan}"
        problems.append(fitted("", steps, f": the record of a node changed. {then}", LONGEST))
    # A host without a record stays in the list, so that the verdict reports that the host is in no view.
    entries = {name: dict(entry) for name, entry in sorted({**hosts.entries, **seen.entries}.items()) if name not in remove}
    warnings += [f"{name} is in banyandb_remove, and DNS still lists it. Delete its record" for name in sorted(seen.candidates) if name in remove]
    return Wanted(entries, (), tuple(warnings), tuple(problems), Memory({}, {}, members if not failed else memory.members), plan)


def _zone_problems(standings: Mapping[str, Standing]) -> list[str]:
    """Return the DNS answers that must not reach a server that asks DNS, as messages."""
    problems = []
    for name, standing in standings.items():
        outcome = standing.outcome
        if isinstance(outcome, NoData) and outcome.withdrawn:
            problems.append(f"{outcome.message}: a server that asks DNS drops every node. Restore its records")
        for problem in outcome.problems if isinstance(outcome, Records) else ():
            if problem.kind in ("alias", "withdrawn"):
                problems.append(f"{name}: {problem.message}. Correct the record before a server asks DNS")
    return problems


def _address(host: str, port: int) -> str:
    return canonical_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
