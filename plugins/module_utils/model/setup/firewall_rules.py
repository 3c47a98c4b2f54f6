# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which networks may connect to which port of a node, and write the nftables table for this. Pure.

The table has rules only for the ports of the server. The chain accepts every other packet, so SSH and all other services stay unchanged.
nftables evaluates every base chain of a hook, and a packet passes only if all of them accept the packet. So the table never opens a port that
another firewall blocks.

The rules test the source address of each packet, and no state of a connection. So an open connection of a removed member also ends. A rule needs no
connection tracking, which the kernel loads for the whole host.

The table accepts the union of the members before and after a change until the change is complete (before_change()). Then only the members after the
change stay.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import nft_listing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.nft_listing import Range
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, Port
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed, shown

FAMILY, NAME = "inet", "banyandb_firewall"
TABLE = f"{FAMILY} {NAME}"
CHAIN = "input"
# Before the filter chains of other programs (priority 0 and higher), so that the counters show every attempt. After the tables of a drain (-150).
PRIORITY = -10

_HEADER = f"{MARK}; change banyandb_firewall_clients and the other banyandb_firewall variables, and deploy."
_WANTED = "# port -> networks that may connect: "


@dataclass(frozen=True)
class Wanted:
    """The networks that may connect to each port.

    ``sources``: port -> networks in CIDR notation, sorted, none inside another one. A port without networks is blocked. Loopback is always open.
    """

    sources: Mapping[int, tuple[str, ...]]

    @classmethod
    def of(cls, sources: Mapping[int, Iterable[str]]) -> Wanted:
        """Return the value with sorted ports and canonical networks. Raises ValueError for a text that is no network."""
        return cls({port: canonical(networks) for port, networks in sorted(sources.items())})


def wanted(ports: Iterable[Port], networks: Mapping[Audience, Iterable[str]]) -> Wanted:
    """Return the networks that may connect to each port of a node.

    ``networks``: peers -> their networks. Two purposes with the same port share the networks. Raises ValueError for a text that is no network.
    """
    found: dict[int, list[str]] = {}
    for port in ports:
        found.setdefault(port.number, []).extend(network for audience in port.audiences for network in networks.get(audience, ()))
    return Wanted.of(found)


def before_change(previous: Wanted | None, after: Wanted) -> Wanted:
    """Return what a host must have loaded before its cluster changes: the ports and networks before and after the change.

    A new member can then connect before a node knows the member. A member that leaves can connect until the member has left. ``previous``: what the
    host has, None without a firewall; ``after`` must then have the members that leave, too.
    """
    both = (previous.sources, after.sources) if previous else (after.sources,)
    return Wanted.of({port: [network for each in both for network in each.get(port, ())] for each in both for port in each})


def canonical(networks: Iterable[str]) -> tuple[str, ...]:
    """Return networks in CIDR notation, sorted, without networks inside other ones. Raises ValueError.

    Neighbours stay apart, so that an operator finds each address in the file.
    """
    parsed = sorted({(*nft_listing.range_of(network), network) for network in networks}, key=lambda each: (each[0], each[1][0], -each[1][1]))
    kept: list[tuple[int, Range, str]] = []
    for version, (first, last), network in parsed:
        if not kept or kept[-1][0] != version or last > kept[-1][1][1]:
            kept.append((version, (first, last), str(ipaddress.ip_network(network))))
    return tuple(network for _version, _range, network in kept)


def member_network(address: str) -> str:
    """Return the network of one address, such as ``10.0.0.1/32``. Raises ValueError.

    A zone is left out, because rules match addresses without zones. An IPv4-mapped address becomes its IPv4 address, because its packets are IPv4.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(ipaddress.ip_network(mapped or parsed))


def given_members(hosts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the networks of the hosts that are addresses, and the names of the others."""
    literals, names = [], []
    for host in hosts:
        try:
            literals.append(member_network(host.strip("[]")))
        except ValueError:
            names.append(host)
    return literals, names


# ---- the file


def render(rules: Wanted) -> str:
    """Return the nft script that replaces the whole table in one transaction.

    ``add`` before ``delete`` also works on a host without the table. Raises ValueError for a text that is no network.
    """
    rules = Wanted.of(rules.sources)
    sets, chain = [], ['iifname "lo" accept']
    for port, networks in rules.sources.items():
        for version in (4, 6):
            of_version = [network for network in networks if nft_listing.range_of(network)[0] == version]
            if of_version:
                elements = ",\n".join(f"\t\t\t{network}" for network in of_version)
                sets.append(
                    f"\tset {_set(port, version)} {{\n\t\ttype ipv{version}_addr\n\t\tflags interval\n\t\telements = {{\n{elements}\n\t\t}}\n\t}}\n"
                )
                chain.append(f"tcp dport {port} {_IP[version]} saddr @{_set(port, version)} accept")
        chain.append(f"tcp dport {port} counter drop")
    lines = "\n".join(f"\t\t{rule}" for rule in chain)
    return (
        f"{_HEADER}\n{_WANTED}{json.dumps({str(port): list(networks) for port, networks in rules.sources.items()})}\n"
        f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{''.join(sets)}"
        f"\tchain {CHAIN} {{\n\t\ttype filter hook input priority {PRIORITY}; policy accept;\n{lines}\n\t}}\n}}\n"
    )


def wanted_in(text: str) -> Wanted | None:
    """Return the rules of a file that render() wrote. None for any other text, also for a file that a person has changed."""
    for line in text.splitlines():
        if line.startswith(_WANTED):
            try:
                found = Wanted.of({int(port): networks for port, networks in json.loads(line[len(_WANTED) :]).items()})
                return found if render(found) == text else None
            except (ValueError, TypeError, AttributeError, RecursionError):
                return None
    return None


_IP = {4: "ip", 6: "ip6"}


def _set(port: int, version: int) -> str:
    return f"from_{port}_ip{version}"


# ---- the loaded table


class What(str, Enum):
    """How the loaded table is wrong. ``OPEN``: the port has no rule that drops. ``CHANGED``: a part that this collection did not write."""

    NO_TABLE = "no_table"
    NO_CHAIN = "no_chain"
    OPEN = "open"
    MORE = "more"
    FEWER = "fewer"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """``port``: None for a fault of the table. ``networks``: with ``MORE`` the table accepts them, with ``FEWER`` the table drops them."""

    what: What
    port: int | None = None
    networks: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the difference for a person, without what to do."""
        some = listed(self.networks, 3)
        return {
            What.NO_TABLE: f"the table {TABLE} is not loaded",
            What.NO_CHAIN: f"the chain {CHAIN} of the table {TABLE} does not filter incoming packets",
            What.OPEN: f"port {self.port} is open",
            What.MORE: f"port {self.port} accepts {some}",
            What.FEWER: f"port {self.port} drops {some}",
            What.CHANGED: f"another program changed the table {TABLE}",
        }[self.what]


@dataclass(frozen=True)
class _Rule:
    """``port``: 0 for the rule of loopback. ``version``: 0 for a rule that drops. ``accepted``: addresses of a rule that accepts."""

    port: int
    version: int
    accepted: tuple[Range, ...] = ()


_LOOPBACK = _Rule(0, 0)


def differences(rules: Wanted, listing: str) -> list[Difference]:
    """Return how the loaded table is wrong; empty if the table does exactly what ``rules`` says.

    ``listing``: what ``nft --json list table inet banyandb_firewall`` prints, or the listing of the whole ruleset. Raises nft_listing.BadListing.
    """
    ours = [(kind, value) for kind, value in nft_listing.objects(listing) if value.get("family") == FAMILY and _table_of(kind, value) == NAME]
    tables = [value for kind, value in ours if kind == "table"]
    if not tables:
        return [Difference(What.NO_TABLE)]
    chains = [value for kind, value in ours if kind == "chain"]
    hooked = [chain for chain in chains if _is_ours(chain)]
    if not hooked or "dormant" in nft_listing.names(tables[0].get("flags")):
        return [Difference(What.NO_CHAIN)]
    sets = {str(value.get("name")): value for kind, value in ours if kind == "set"}
    found = [_rule(value.get("expr"), sets) for kind, value in ours if kind == "rule" and value.get("chain") == CHAIN]
    expected = _expected(rules)
    if found == expected and len(chains) == 1 and {kind for kind, _value in ours} <= {"table", "chain", "set", "rule"}:
        return []
    return _port_differences(expected, [rule for rule in found if rule]) or [Difference(What.CHANGED)]


def _port_differences(expected: Sequence[_Rule], found: Sequence[_Rule]) -> list[Difference]:
    result = []
    for port in sorted({rule.port for rule in expected} - {0}):
        dropping = _Rule(port, 0) in found
        # A rule after the rule that drops has no effect.
        before = found[: found.index(_Rule(port, 0))] if dropping else found
        if not dropping:
            result.append(Difference(What.OPEN, port))
        for what, first, second in ((What.MORE, before, expected), (What.FEWER, expected, before)):
            surplus = [
                network
                for version in (4, 6)
                for network in nft_listing.networks(nft_listing.without(_accepted(first, port, version), _accepted(second, port, version)), version)
            ]
            if surplus:
                result.append(Difference(what, port, tuple(surplus)))
    return result


def _accepted(rules: Sequence[_Rule], port: int, version: int) -> tuple[Range, ...]:
    return nft_listing.merged(each for rule in rules if (rule.port, rule.version) == (port, version) for each in rule.accepted)


def _expected(rules: Wanted) -> list[_Rule]:
    found = [_LOOPBACK]
    for port, networks in rules.sources.items():
        ranges = [nft_listing.range_of(network) for network in networks]
        for version in (4, 6):
            accepted = nft_listing.merged(each for of_version, each in ranges if of_version == version)
            if accepted:
                found.append(_Rule(port, version, accepted))
        found.append(_Rule(port, 0))
    return found


def _table_of(kind: str, value: Mapping[str, Any]) -> Any:
    return value.get("name" if kind == "table" else "table")


def _is_ours(chain: Mapping[str, Any]) -> bool:
    expected = {"name": CHAIN, "type": "filter", "hook": "input", "prio": PRIORITY, "policy": "accept"}
    return all(chain.get(key) == value for key, value in expected.items())


def _rule(expressions: Any, sets: Mapping[str, Mapping[str, Any]]) -> _Rule | None:
    """Return a rule of render(). None for a rule that render() does not write. A match that another match implies does not count."""
    port = version = 0
    loopback, verdict = False, ""
    accepted: tuple[Range, ...] | None = ()
    for each in expressions if isinstance(expressions, list) else [None]:
        if not isinstance(each, Mapping) or len(each) != 1 or verdict:
            return None
        ((kind, value),) = each.items()
        if kind in ("accept", "drop"):
            verdict = kind
        elif kind == "match" and isinstance(value, Mapping) and value.get("op") == "==":
            left, right = json.dumps(value.get("left"), sort_keys=True), value.get("right")
            if left == _IIFNAME and right == "lo":
                loopback = True
            elif left == _DPORT and isinstance(right, int):
                port = right
            elif left in _SADDR and isinstance(right, str):
                version = _SADDR[left]
                accepted = _elements(sets.get(right[1:]), version) if right.startswith("@") else None
                if accepted is None:
                    return None
            elif (left, right) not in _IMPLIED:
                return None
        elif kind != "counter":
            return None
    if loopback and verdict == "accept" and not port and not version:
        return _LOOPBACK
    if not loopback and port and verdict == ("accept" if version else "drop"):
        return _Rule(port, version, accepted or ())
    return None


_IIFNAME = json.dumps({"meta": {"key": "iifname"}})
_DPORT = json.dumps({"payload": {"field": "dport", "protocol": "tcp"}})
_SADDR = {json.dumps({"payload": {"field": "saddr", "protocol": protocol}}): version for version, protocol in _IP.items()}
_IMPLIED = ((json.dumps({"meta": {"key": "l4proto"}}), "tcp"), (json.dumps({"meta": {"key": "l4proto"}}), 6))


def _elements(found: Mapping[str, Any] | None, version: int) -> tuple[Range, ...] | None:
    """Return the addresses of a set. None for a set of another type, or with an unknown element."""
    if not found or nft_listing.names(found.get("type")) != [f"ipv{version}_addr"]:
        return None
    elements = found.get("elem") or []
    ranges = [nft_listing.address_range(each, version) for each in elements] if isinstance(elements, list) else [None]
    known = [each for each in ranges if each]
    return nft_listing.merged(known) if len(known) == len(ranges) else None


# ---- the variables of a user

FIREWALL = "banyandb_firewall"
OFF, NFTABLES = "none", "nftables"
#: Variable with networks -> the peers in these networks.
VARIABLES = {
    "banyandb_firewall_clients": Audience.CLIENTS,
    "banyandb_firewall_monitoring": Audience.MONITORING,
    "banyandb_firewall_members": Audience.MEMBERS,
}
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def given_networks(variables: Mapping[str, Any]) -> dict[Audience, tuple[str, ...]]:
    """Return the networks of the variables. ``banyandb_firewall_members``: networks of members beside the addresses of the nodes.

    A node with several addresses may connect from an address that no other node knows. Raises ValueError; problems() explains.
    """
    return {audience: canonical(variables.get(name) or ()) for name, audience in VARIABLES.items()}


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the variables, as messages. A variable without a value has no problem."""
    firewall = variables.get(FIREWALL)
    found = [] if firewall in (None, OFF, NFTABLES) else [f"{FIREWALL} is {shown(firewall)}: expected {OFF} or {NFTABLES}. Correct it."]
    for name in VARIABLES:
        value = variables.get(name)
        if value is None:
            continue
        if isinstance(value, str) or not isinstance(value, Sequence):
            found.append(f"{name} is {shown(value)}: expected a list of networks such as [10.0.0.0/8]. Write a list.")
            continue
        seen: dict[str, str] = {}
        for index, each in enumerate(value):
            network, problem = _parsed(each)
            if not problem and network in seen:
                problem = f"expected each network once, and {seen[network]} is the same network. Delete one"
            if problem:
                found.append(f"{name}[{index}] is {shown(each)}: {problem}.")
            else:
                seen[network] = shown(each)
    return found


def warnings(networks: Mapping[Audience, Iterable[str]]) -> list[str]:
    """Return settings that are valid and open a port to every address. ``networks``: as given_networks() returns them."""
    return [
        f"{name} has {network}: every host can connect to these ports. List the networks of your hosts."
        for name, audience in VARIABLES.items()
        for network in networks[audience]
        if network.endswith("/0")
    ]


def _parsed(value: Any) -> tuple[str, str]:
    """Return a canonical network and an empty text, or an empty text and what is wrong."""
    text = value if isinstance(value, str) else ""
    if "%" in text:
        return "", "expected a network without a zone. Delete % and the zone"
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return "", "expected a network such as 10.0.0.0/8 or fd00::/8, no host name. Correct it"
        return "", f"the address has bits after the prefix. Write {network}, or {text.partition('/')[0]} for one host"
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        address = network.network_address.ipv4_mapped
        return "", f"packets of IPv4 hosts have IPv4 addresses. Write {address}/{network.prefixlen - 96}"
    return str(network), ""


def unlisted_sources(sources: Mapping[str, Iterable[str]], networks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return member -> addresses from which the member connects to the others and that are in no network of the members.

    ``sources``: member -> addresses, as firewall_table.source_addresses() returned on this member. ``networks``: networks of the members.
    """
    ranges = [nft_listing.range_of(network) for network in networks]
    accepted = {version: nft_listing.merged(each for of, each in ranges if of == version) for version in (4, 6)}
    found = {}
    for member, addresses in sources.items():
        missing = []
        for address in addresses:
            version, own = nft_listing.range_of(member_network(address))
            if nft_listing.without((own,), accepted[version]):
                missing.append(address)
        if missing:
            found[member] = tuple(sorted(set(missing)))
    return found


def unlisted_message(member: str, addresses: Sequence[str]) -> str:
    """Return the refusal for a member of unlisted_sources()."""
    networks = [member_network(address) for address in addresses]
    return fitted(f"{member}: connects to other members from {listed(addresses, 1)}. Add ", listed(networks, 2), " to banyandb_firewall_members.")
