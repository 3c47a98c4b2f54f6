# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the chains of other firewalls that drop packets to the ports of a node. Pure.

A packet passes only if each base chain of its hooks accepts the packet (nft(8), "Chains"). So the table of this collection cannot open a port that
firewalld, ufw or an administrator blocks.

The functions follow the rules of each chain for the first packet of a TCP connection: from another host, not translated, to an address of this host.
A rule matches surely, surely not, or perhaps. A chain counts only if every path through its rules surely ends with drop or reject. A rule that the
functions do not know may accept the packet, so the chain does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import iptables_rules, nft_listing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import FAMILY, NAME, Wanted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.nft_listing import Range
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed

#: Start of the names of the tables of this collection, all of the family inet.
_OURS = (NAME, "banyandb_drain", "banyandb_cut_")
_HOOKS = ("ingress", "prerouting", "input")
#: Family of a table -> the IP versions of its packets. Other families see no packet for a server of this host.
_VERSIONS = {"inet": (4, 6), "ip": (4,), "ip6": (6,)}
#: Name for the filter table of legacy iptables. nft allows no space in a name.
LEGACY_TABLE = "legacy filter"
#: The kernel allows 16 jumps (NFT_JUMP_STACK_SIZE).
_DEPTH = 16


class Firewall(str, Enum):
    """The program that wrote a chain. ``IPTABLES``: iptables-nft. ``LEGACY``: iptables with its own tables in the kernel, which nft does not see."""

    FIREWALLD = "firewalld"
    UFW = "ufw"
    IPTABLES = "iptables"
    NFTABLES = "nftables"
    LEGACY = "legacy"


@dataclass(frozen=True)
class Blocked:
    """A chain that surely drops connections to ``ports``.

    ``networks``: networks whose connections the chain drops, for at least one of the ports; empty for all networks.
    """

    firewall: Firewall
    family: str
    table: str
    chain: str
    ports: tuple[int, ...]
    networks: tuple[str, ...] = ()

    def commands(self) -> list[str]:
        """Return the commands that open the ports. The firewall of this collection still decides which hosts connect.

        firewalld and ufw keep the ports open after a reboot. Other rules must also go into the file that loads them at boot.
        """
        if self.firewall is Firewall.FIREWALLD:
            opened = " ".join(f"--add-port={port}/tcp" for port in self.ports)
            return [f"firewall-cmd --permanent {opened}", "firewall-cmd --reload"]
        if self.firewall is Firewall.UFW:
            return [f"ufw allow proto tcp from any to any port {','.join(map(str, self.ports))}"]
        if self.firewall in (Firewall.IPTABLES, Firewall.LEGACY):
            program = ("ip6tables" if self.family == "ip6" else "iptables") + ("-legacy" if self.firewall is Firewall.LEGACY else "")
            return [f"{program} -I {self.chain} -p tcp -m multiport --dports {','.join(map(str, self.ports))} -j ACCEPT"]
        ports = ", ".join(map(str, self.ports))
        return [f"nft insert rule {self.family} {self.table} {self.chain} tcp dport '{{ {ports} }}' accept"]

    def message(self) -> str:
        """Return the warning for a person, with the first command."""
        where = self.firewall.value if self.firewall in (Firewall.FIREWALLD, Firewall.UFW) else f"chain {self.family} {self.table} {self.chain}"
        ports = listed([str(port) for port in self.ports], 4)
        source = f" from {listed(self.networks, 1)}" if self.networks else ""
        return fitted(f"{where} drops connections to port {ports}{source}. Run: ", self.commands()[0], "")


def blocked(listing: str, needed: Wanted, iptables: Mapping[str, str] | None = None, legacy: Mapping[str, str] | None = None) -> list[Blocked]:
    """Return the chains of other programs that surely drop what the node needs. The result has only sure facts; an empty result proves nothing.

    ``listing``: what ``nft --json list ruleset`` prints. ``needed``: ports and the networks that must reach them; a port without networks does not
    count. ``iptables``: family (``ip``, ``ip6``) -> what iptables-nft prints for ``-S``. ``legacy``: the same of legacy iptables.
    Raises nft_listing.BadListing.
    """
    read = {family: iptables_rules.objects(family, text) for family, text in (iptables or {}).items()}
    # iptables knows what its own extensions do, so its text replaces what nft lists for the same table.
    objects = [(kind, value) for kind, value in nft_listing.objects(listing) if value.get("table") != "filter" or value.get("family") not in read]
    objects += [each for found in read.values() for each in found]
    objects += [each for family, text in (legacy or {}).items() for each in iptables_rules.objects(family, text, LEGACY_TABLE)]
    ruleset = _Ruleset(objects)
    found = []
    for chain in ruleset.base_chains():
        ports: list[int] = []
        networks: set[str] = set()
        everything = True
        for port, wanted in needed.sources.items():
            dropped = _dropped(ruleset, chain, port, wanted)
            if dropped:
                ports.append(port)
                networks.update(dropped)
                everything = everything and dropped == wanted
        if ports:
            family, table, name = chain
            some = () if everything else tuple(sorted(networks))
            found.append(Blocked(ruleset.firewall(chain), family, table, name, tuple(sorted(ports)), some))
    return found


def _dropped(ruleset: _Ruleset, chain: _Chain, port: int, networks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks whose connections to a port the chain surely drops."""
    by_version: dict[int, list[tuple[str, Range]]] = {}
    for network in networks:
        version, addresses = nft_listing.range_of(network)
        by_version.setdefault(version, []).append((network, addresses))
    found: list[str] = []
    for version, each in by_version.items():
        if version not in _VERSIONS[chain[0]]:
            continue
        # Most chains do not look at the source address, so one run for all addresses is usually enough.
        outcomes = ruleset.outcomes(chain, _Packet(port, version, (0, nft_listing.LAST[version])))
        for network, addresses in each:
            of_network = outcomes if len(outcomes) == 1 else ruleset.outcomes(chain, _Packet(port, version, addresses))
            if of_network == {_DROP}:
                found.append(network)
    return tuple(network for network in networks if network in found)


# ---- the rules

_Chain = tuple[str, str, str]
_ACCEPT, _DROP, _RETURN, _UNKNOWN = "accept", "drop", "return", "unknown"


@dataclass(frozen=True)
class _Packet:
    """The first packet of a TCP connection to ``port``, from an address of ``source``."""

    port: int
    version: int
    source: Range


class _Match(Enum):
    NO = 0
    PERHAPS = 1
    YES = 2

    def inverted(self) -> _Match:
        return _Match(2 - self.value)


def _sure(value: bool) -> _Match:
    return _Match.YES if value else _Match.NO


class _Ruleset:
    """The chains, sets and rules of a listing."""

    def __init__(self, objects: Iterable[tuple[str, dict[str, Any]]]) -> None:
        self._chains: dict[_Chain, dict[str, Any]] = {}
        self._rules: dict[_Chain, list[Any]] = {}
        self._sets: dict[_Chain, dict[str, Any]] = {}
        self._dormant: set[tuple[str, str]] = set()
        self._known: dict[tuple[_Chain, _Packet], frozenset[str]] = {}
        for kind, value in objects:
            family, table = str(value.get("family")), str(value.get("table"))
            if kind == "table" and "dormant" in nft_listing.names(value.get("flags")):
                self._dormant.add((family, str(value.get("name"))))
            elif kind == "chain":
                self._chains[family, table, str(value.get("name"))] = value
            elif kind in ("set", "map"):
                self._sets[family, table, str(value.get("name"))] = value
            elif kind == "rule":
                self._rules.setdefault((family, table, str(value.get("chain"))), []).append(value.get("expr"))

    def base_chains(self) -> list[_Chain]:
        """Return the chains of other programs that see each packet for this host."""
        return [
            key
            for key, chain in self._chains.items()
            if chain.get("hook") in _HOOKS
            and key[0] in _VERSIONS
            and not (key[0] == FAMILY and key[1].startswith(_OURS))
            and key[:2] not in self._dormant
            # An ingress chain belongs to one network device, which the packet may not use.
            and chain.get("hook") != "ingress"
        ]

    def firewall(self, chain: _Chain) -> Firewall:
        family, table, name = chain
        if any(key[:2] == (family, table) and key[2].startswith(("ufw-", "ufw6-")) for key in self._chains):
            return Firewall.UFW
        if table == LEGACY_TABLE:
            return Firewall.LEGACY
        if table.startswith("firewalld"):
            return Firewall.FIREWALLD
        return Firewall.IPTABLES if family in ("ip", "ip6") and name.isupper() else Firewall.NFTABLES

    def outcomes(self, chain: _Chain, packet: _Packet) -> frozenset[str]:
        """Return each possible end of a packet in a base chain."""
        found = self._outcomes(chain, packet, 0)
        if _RETURN not in found:
            return found
        policy = self._chains[chain].get("policy", _ACCEPT)
        return found - {_RETURN} | {policy if policy in (_ACCEPT, _DROP) else _UNKNOWN}

    def _outcomes(self, chain: _Chain, packet: _Packet, depth: int) -> frozenset[str]:
        if depth > _DEPTH or chain not in self._chains:
            return frozenset({_UNKNOWN})
        known = self._known.get((chain, packet))
        if known is None:
            found: set[str] = set()
            for expressions in self._rules.get(chain, ()):
                ends, goes_on = self._rule(expressions, chain, packet, depth)
                found |= ends
                if not goes_on:
                    break
            else:
                found.add(_RETURN)
            known = frozenset(found)
            self._known[chain, packet] = known
        return known

    def _rule(self, expressions: Any, chain: _Chain, packet: _Packet, depth: int) -> tuple[set[str], bool]:
        """Return the possible ends of a packet in one rule, and whether the packet may reach the next rule."""
        if not isinstance(expressions, list):
            return {_UNKNOWN}, True
        sure = True
        ends: set[str] = set()
        for each in expressions:
            if not isinstance(each, Mapping) or len(each) != 1:
                return ends | {_UNKNOWN}, True
            ((kind, value),) = each.items()
            if kind == "match":
                matched = self._match(value, chain, packet)
                if matched is _Match.NO:
                    return ends, True
                sure = sure and matched is _Match.YES
            elif kind in ("limit", "quota"):
                sure = False
            elif kind == "xt":
                # nft does not show what an extension of iptables does.
                sure = False
                ends.add(_UNKNOWN)
            elif kind in _VERDICTS:
                verdicts, goes_on = self._verdict(kind, value, chain, packet, depth)
                return ends | verdicts, goes_on or not sure
            elif kind == "vmap":
                verdicts, goes_on = self._verdict_map(value, chain, packet, depth)
                ends |= verdicts
                if not goes_on:
                    return ends, not sure
                sure = False
            elif kind not in _NEUTRAL:
                return ends | {_UNKNOWN}, True
        return ends, True

    def _verdict(self, kind: str, value: Any, chain: _Chain, packet: _Packet, depth: int) -> tuple[set[str], bool]:
        if kind in ("drop", "reject"):
            return {_DROP}, False
        if kind == "accept":
            return {_ACCEPT}, False
        if kind == "continue":
            return set(), True
        if kind == "return":
            return {_RETURN}, False
        if kind in ("jump", "goto") and isinstance(value, Mapping):
            found = self._outcomes((chain[0], chain[1], str(value.get("target"))), packet, depth + 1)
            if kind == "goto":
                return set(found), False
            return set(found) - {_RETURN}, _RETURN in found
        return {_UNKNOWN}, True

    def _verdict_map(self, value: Any, chain: _Chain, packet: _Packet, depth: int) -> tuple[set[str], bool]:
        """Return the possible ends in a map of verdicts. A packet that no element matches reaches the next rule."""
        entries = self._elements(value.get("data"), chain) if isinstance(value, Mapping) else None
        if entries is None:
            return {_UNKNOWN}, True
        ends: set[str] = set()
        for entry in entries:
            if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], Mapping) or len(entry[1]) != 1:
                return {_UNKNOWN}, True
            matched = self._match({"op": "==", "left": value.get("key"), "right": entry[0]}, chain, packet)
            if matched is _Match.NO:
                continue
            ((kind, target),) = entry[1].items()
            verdicts, goes_on = self._verdict(kind, target, chain, packet, depth)
            ends |= verdicts
            if matched is _Match.YES:
                return ends, goes_on
        return ends, True

    def _elements(self, value: Any, chain: _Chain) -> list[Any] | None:
        """Return the elements of an anonymous or a named set or map. None for an unknown set, and for a set that programs fill while they run."""
        if isinstance(value, Mapping) and isinstance(value.get("set"), list):
            return list(value["set"])
        if isinstance(value, str) and value.startswith("@"):
            named = self._sets.get((chain[0], chain[1], value[1:]))
            if named is None or {"dynamic", "timeout"} & {*nft_listing.names(named.get("flags"))}:
                return None
            elements = named.get("elem", [])
            return elements if isinstance(elements, list) else None
        return None

    def _match(self, value: Any, chain: _Chain, packet: _Packet) -> _Match:
        if not isinstance(value, Mapping):
            return _Match.PERHAPS
        left, right, operator = value.get("left"), value.get("right"), value.get("op")
        if operator not in ("==", "!=", "in"):
            return _Match.PERHAPS
        if not isinstance(left, Mapping) or len(left) != 1:
            return _Match.PERHAPS
        ((kind, what),) = left.items()
        if not isinstance(what, Mapping):
            return _Match.PERHAPS
        if _excluded(kind, what, packet):
            return _Match.NO
        candidates = self._elements(right, chain)
        if candidates is None:
            if isinstance(right, str) and right.startswith("@"):
                return _Match.PERHAPS
            candidates = right if isinstance(right, list) else [right]
        matched = _any_of([_equal(kind, what, each, packet) for each in candidates])
        return matched.inverted() if operator == "!=" else matched


_VERDICTS = ("accept", "drop", "reject", "return", "continue", "jump", "goto", "queue")
#: Statements that end no packet.
_NEUTRAL = ("counter", "log", "comment", "mangle", "notrack", "ct helper", "ct timeout", "ct expectation", "set", "last")
_TRANSPORTS = {"tcp": 6, "udp": 17, "udplite": 136, "sctp": 132, "dccp": 33, "icmp": 1, "icmpv6": 58, "ah": 51, "esp": 50, "comp": 108, "igmp": 2}
_NUMBERS = {"ipv6-icmp": 58, **_TRANSPORTS}


def _any_of(matches: Sequence[_Match]) -> _Match:
    return max(matches, key=lambda match: match.value, default=_Match.NO)


def _excluded(kind: str, what: Mapping[str, Any], packet: _Packet) -> bool:
    """Return whether a match concerns only packets of another protocol. nft tests the protocol before the field."""
    protocol = what.get("protocol") if kind == "payload" else None
    if protocol == "ip":
        return packet.version != 4
    if protocol == "ip6":
        return packet.version != 6
    return isinstance(protocol, str) and protocol != "tcp" and protocol in _TRANSPORTS


def _equal(kind: str, what: Mapping[str, Any], right: Any, packet: _Packet) -> _Match:
    """Return whether the packet's value of ``kind`` is ``right``."""
    if kind == "payload":
        return _payload_equal(what, right, packet)
    key = what.get("key")
    if kind == "meta":
        if key in ("iifname", "iif"):
            # The packet comes from another host. The name of the device is not known, and a name with * is a pattern.
            return _Match.NO if right == "lo" else _Match.PERHAPS
        if key == "l4proto":
            return _protocol_equal(right)
        if key == "nfproto":
            return _named({"ipv4": packet.version == 4, "ipv6": packet.version == 6, 2: packet.version == 4, 10: packet.version == 6}, right)
        if key == "protocol":
            return _named({"ip": packet.version == 4, "ip6": packet.version == 6, 0x0800: packet.version == 4, 0x86DD: packet.version == 6}, right)
        if key == "pkttype":
            return _named({"host": True, "unicast": True, "broadcast": False, "multicast": False}, right)
    if kind == "ct":
        if key == "state":
            return _named({"new": True, "established": False, "related": False, "invalid": False, "untracked": False}, right)
        if key == "status":
            return _named({"dnat": False, "snat": False}, right)
    if kind == "fib" and what.get("result") == "type" and what.get("flags") in ("daddr", ["daddr"]):
        return _named({"local": True, "broadcast": False, "multicast": False, "anycast": False, "unicast": False}, right)
    return _Match.PERHAPS


def _payload_equal(what: Mapping[str, Any], right: Any, packet: _Packet) -> _Match:
    protocol, field = what.get("protocol"), what.get("field")
    if protocol in ("tcp", "th") and field == "dport":
        ports = nft_listing.number_range(right)
        return _Match.PERHAPS if ports is None else _sure(ports[0] <= packet.port <= ports[1])
    if protocol in ("ip", "ip6") and field == "saddr":
        addresses = nft_listing.address_range(right, packet.version)
        if addresses is None:
            return _Match.PERHAPS
        if addresses[1] < packet.source[0] or packet.source[1] < addresses[0]:
            return _Match.NO
        return _Match.YES if addresses[0] <= packet.source[0] and packet.source[1] <= addresses[1] else _Match.PERHAPS
    if (protocol, field) == ("ip", "protocol"):
        return _protocol_equal(right)
    if (protocol, field) == ("ip6", "nexthdr") and isinstance(right, str) and right in _NUMBERS and _protocol_equal(right) is _Match.NO:
        return _Match.NO  # the number of another extension header may precede TCP
    return _Match.PERHAPS


def _protocol_equal(right: Any) -> _Match:
    if isinstance(right, str):
        right = _NUMBERS.get(right)
    numbers = nft_listing.number_range(right)
    return _Match.PERHAPS if numbers is None else _sure(numbers[0] <= _TRANSPORTS["tcp"] <= numbers[1])


def _named(known: Mapping[Any, bool], right: Any) -> _Match:
    """Return the match of a value with names; an unknown name matches perhaps."""
    try:
        return _sure(known[right]) if right in known else _Match.PERHAPS
    except TypeError:  # a value that is no name
        return _Match.PERHAPS
