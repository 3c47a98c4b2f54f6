# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what DNS lists to the nodes of a cluster: which SRV record leads to which node, and what may become of the nodes that run.

Pure. In the topology source ``dns`` the answer is held against what the hosts' files list now, and ``guard`` decides what may
leave. In the discovery mode ``dns`` the servers decide, and what is told here is what their views should show.
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

# An entry of a cluster, as model/inventory makes them: name, role, grpc_address, node_name, roles, labels, and with TLS
# tls_enabled and ca_cert_path.
Entry = dict[str, Any]

#: Names that a problem lists, and its characters: the name of the cluster comes before it.
FEW = 3
LONGEST = 185


@dataclass(frozen=True)
class Hosts:
    """The nodes that the inventory describes. ``entries``: name -> entry; ``known_as``: name -> the host names and addresses by which
    its host is known, as canonical_host() has them."""

    entries: Mapping[str, Entry]
    known_as: Mapping[str, frozenset[str]]

    @cached_property
    def _by_place(self) -> dict[str, str]:
        return {place: name for name in sorted(self.entries, reverse=True) for place in self.known_as[name]}

    @cached_property
    def _by_node_name(self) -> dict[str, str]:
        return {entry["node_name"]: name for name, entry in self.entries.items()}

    def at(self, candidate: Candidate) -> str:
        """Name of the node on whose host the candidate is; empty when it is on none."""
        places = map(canonical_host, (candidate.host, *candidate.addresses))
        return next((self._by_place[place] for place in places if place in self._by_place), "")

    def called(self, node_name: str) -> str:
        """Name of the node that says of itself that it is ``node_name``; empty when there is none."""
        return self._by_node_name.get(node_name, "")


@dataclass
class Found:
    """What DNS leads to. ``candidates``: name of a node -> the records that lead to it; ``entries``: name -> its entry, whose address is
    still to be chosen; ``apart``: name -> why it is taken for no node; ``problems``: sentences."""

    candidates: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    entries: dict[str, Entry] = field(default_factory=dict)
    apart: dict[str, Failure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Live:
    """What the hosts' files list now. ``addresses``: name -> ``host:port``; ``answering``: the names that answered on any host."""

    addresses: Mapping[str, str]
    answering: frozenset[str]

    @classmethod
    def of(cls, looks: Iterable[Mapping[str, Any]]) -> Live:
        """From what ``host_info`` gave of each host's file."""
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
        """Name of the entry that lists the candidate, by address or by name; empty when none does."""
        places = [_address(place, candidate.port) for place in (candidate.host, *candidate.addresses)]
        found = next((self._by_address[place] for place in places if place in self._by_address), "")
        return found or (candidate.host if candidate.host in self.addresses else "")


@dataclass(frozen=True)
class Memory:
    """What earlier runs that changed hosts left on the controller. ``missing``: name -> observations in a row that left it out;
    ``entries``: name -> its entry when it was last wanted; ``members``: name -> ``target:port`` that led to it."""

    missing: Mapping[str, int] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """``entries``: the nodes of the cluster by name; ``remove``: names that may leave besides those that somebody named; ``memory``: for
    the next run, if this one changes anything."""

    entries: Mapping[str, Entry]
    remove: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)
    digest: str = ""


def found(sighting: Sighting, hosts: Hosts, live: Live, memory: Memory) -> Found:
    """Sort out what was seen: by the name that a node gives itself, else by the host of the inventory that the address is of, else by
    the node that the same record led to before, else by the entry that lists the address.

    What the inventory describes is what is expected of its node, as a deployment may be about to make it so.
    """
    result = Found()
    before = {member: name for name, member in memory.members.items()}
    for seen in sighting.nodes:
        candidate, identity = seen.candidate, seen.identity
        name = (hosts.called(identity.node_name) if identity else "") or hosts.at(candidate) or before.get(member(candidate), "")
        if name in hosts.entries:
            _add(result, name, hosts.entries[name], candidate)
        elif identity is None:
            not_asked = Failure(ErrorKind.NOT_ASKED, f"{candidate.endpoint}: not asked who it is, for that grpcio has to be on the controller")
            _silent(result, seen.name, candidate, not_asked, name, live)
        elif not role_of(identity):
            says = ", ".join(identity.roles) or "no roles"
            result.problems.append(f"{candidate.source} leads to {candidate.endpoint}, which says that it is neither data node nor liaison ({says})")
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
    """One that does not say who it is: a node if it is listed, by its address or under the name that it had ``before``, else kept apart."""
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
    """What a server in DNS mode tells its nodes by (contract, section 2)."""
    return f"{candidate.host}.:{candidate.port}"


def role_of(identity: Identity) -> str:
    """The kind of node behind what it says of itself; empty for one that no cluster has."""
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
    """The nodes that topology.yml should list (source ``dns``).

    ``whole``: whether DNS answered every name as a whole; otherwise nothing leaves, and the look is no observation. ``remove``: names
    that somebody named. ``override``: see guard. ``cas``: SRV name -> CA, for those whose nodes speak TLS.
    """
    live = _renamed(live, seen, remove)
    observed = {name: _role(name, seen, hosts, live, memory) for name in seen.candidates if name not in remove}
    standing = {name: _role(name, seen, hosts, live, memory) for name in live.addresses if name not in remove}
    policy = policy or Policy()
    decision = decide(standing, observed if whole else None, live.answering, memory.missing, policy, override)
    # What has left is not counted anew when a host that was away still lists it, unless DNS has listed it meanwhile: be it in part, or
    # beside a removal that somebody named, what it left out before counts no more.
    gone = {**memory.missing, **dict.fromkeys(decision.removed, policy.observations)}
    missing = {**{name: count for name, count in gone.items() if name not in standing or name in decision.removed}, **decision.missing}
    missing = {name: count for name, count in missing.items() if name not in seen.candidates}
    names = {**decision.keep, **({} if whole else observed)}
    entries = {name: _listed(name, seen, hosts, live, memory, cas) for name in sorted(names)}
    warnings = [
        f"{held.name} stays, though DNS no longer lists it: {held.reason}. Name it in banyandb_remove; to accept this whole answer, "
        f"run with banyandb_override={decision.digest}"
        for held in decision.held
    ]
    warnings += [f"{name} is gone from DNS for good and leaves the topology" for name in decision.removed]
    warnings += [f"{name} is in DNS and left out: {failure.message}" for name, failure in sorted(seen.apart.items())]
    warnings += [
        f"{name} is in the inventory, and no SRV record leads to it: no server is told of it"
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
    """Live entries under the names that DNS's nodes go by now, where the address is the same: an entry name is a label of ours."""
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
    """The entry of a node with the address that it is to be listed under: the one that it has, while DNS still gives it."""
    address = live.addresses.get(name, "")
    known = seen.entries.get(name) or hosts.entries.get(name) or memory.entries.get(name)
    role = _role(name, seen, hosts, live, memory)
    entry: Entry = dict(known) if known else {"role": role, "grpc_address": address, "node_name": address, "roles": None, "labels": None}
    given = [
        (_address(place, candidate.port), candidate.source) for candidate in sorted(seen.candidates.get(name, ())) for place in candidate.addresses
    ]
    # Another name or address of the same host, which DNS still leads to: no reason to change a running view.
    known_as = hosts.known_as.get(name, frozenset())
    same = [
        (_address(place, candidate.port), candidate.source)
        for candidate in seen.candidates.get(name, ())
        if known_as.intersection(map(canonical_host, candidate.addresses))
        for place in known_as
    ]
    listed = address or str(entry["grpc_address"])  # what stands where DNS gives no address
    chosen, source = next((each for each in given + same if each[0] == canonical_address(address)), given[0] if given else (listed, ""))
    if address and _may_be_given(address, seen.candidates.get(name, ())):
        chosen = canonical_address(address)
    if chosen == canonical_address(address):
        chosen = address  # in the spelling that the files have: to a server another spelling is another address
    entry.update(name=name, grpc_address=chosen)
    ca = cas.get(source, "" if source else entry.get("ca_cert_path", ""))
    entry.pop("tls_enabled", None)
    entry.pop("ca_cert_path", None)
    if ca:
        entry.update(tls_enabled=True, ca_cert_path=ca)
    return entry


def _may_be_given(address: str, candidates: Iterable[Candidate]) -> bool:
    """Whether DNS may still give this address: it did not tell of all addresses of the node, so its silence is no reason to re-address."""
    host = split_address(address)[0]
    try:
        kinds = {"AAAA" if ipaddress.ip_address(host).version == 6 else "A"}
    except ValueError:
        kinds = {"A", "AAAA"}  # a name, which is known by the addresses
    return any(kinds.intersection(candidate.unanswered) for candidate in candidates)


def _members(seen: Found) -> dict[str, str]:
    return {name: min(map(member, candidates)) for name, candidates in seen.candidates.items()}


@dataclass(frozen=True)
class Servers:
    """The servers of a cluster as this run finds them. ``starting``: hosts whose server it would start or restart; ``polling``: whether one
    runs that asks DNS already; ``interval``: seconds between two of its questions."""

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
    """The nodes that servers in DNS mode should show: those that DNS lists and those that the inventory has. And why this run must
    not go on (``problems``)."""
    problems = [*seen.problems, *_zone_problems(standings)]
    failed = [standing.outcome.message for standing in standings.values() if not isinstance(standing.outcome, (Records, NoData))]
    failed += [each.outcome.message for each in standings.values() if isinstance(each.outcome, NoData) and not each.outcome.withdrawn]
    left_out = [name for name in sorted(hosts.entries) if name not in seen.candidates and name not in remove]
    warnings = [f"{name} is in DNS and not shown by anybody: {failure.message}" for name, failure in sorted(seen.apart.items())]
    doubtful = [fitted("", message, ". Servers that run keep the nodes that they know", LONGEST) for message in failed]
    doubtful += [] if failed else [f"no SRV record leads to {name}: a server that asks DNS does not know it. Add the record" for name in left_out]
    if servers.starting and doubtful:
        which = f"{listed(servers.starting, FEW)} would be started or restarted, with what DNS says now"
        problems += [fitted("", doubt, f" ({which})", LONGEST) for doubt in doubtful]
    else:
        warnings += doubtful
    for name, candidates in sorted(seen.candidates.items()):
        if len(candidates) > 1:
            records = " and ".join(sorted(map(member, candidates)))
            problems.append(f"{records} are one node, {name}: when one of the records goes, every server loses it for good. Leave one record for it")
    members = _members(seen)
    changed = {name: now for name, now in members.items() if memory.members.get(name, now) != now}
    plan = digest(memory.members, members)
    if changed and servers.polling and override != plan:
        steps = ", ".join(f"{name} from {memory.members[name]} to {now}" for name, now in sorted(changed.items()))
        # Servers that see this in one step lose the node for good, also when the record changes back.
        then = f"Delete it, wait {servers.interval} s, add the new one, then run with banyandb_override={plan}"
        problems.append(fitted("", steps, f": the record of a node changed. {then}", LONGEST))
    # A host without a record is asked for all the same: that it is in no view is what a verdict has to say.
    entries = {name: dict(entry) for name, entry in sorted({**hosts.entries, **seen.entries}.items()) if name not in remove}
    warnings += [f"{name} is named for removal, and DNS still lists it: take its record out" for name in sorted(seen.candidates) if name in remove]
    return Wanted(entries, (), tuple(warnings), tuple(problems), Memory({}, {}, members if not failed else memory.members), plan)


def _zone_problems(standings: Mapping[str, Standing]) -> list[str]:
    """What must not reach a server that asks for itself."""
    problems = []
    for name, standing in standings.items():
        outcome = standing.outcome
        if isinstance(outcome, NoData) and outcome.withdrawn:
            problems.append(f"{outcome.message}: a server takes that for an answer without nodes and drops every one. Put the records of {name} back")
        for problem in outcome.problems if isinstance(outcome, Records) else ():
            if problem.kind in ("alias", "withdrawn"):
                problems.append(f"{name}: {problem.message}; correct the record, no server may see it")
    return problems


def _address(host: str, port: int) -> str:
    return canonical_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
