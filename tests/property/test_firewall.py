# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a node, packet by packet: a small model of nftables says what a packet meets."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    Wanted,
    before_change,
    differences,
    problems,
    render,
    wanted_in,
    warnings,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.foreign_chains import blocked
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.nft_listing import BadListing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message

from .draw import Choices, Statements, made

PORTS = (6060, 17912, 17913)
# Few addresses, so that networks overlap, touch and repeat.
ADDRESSES = ("10.0.0.{}", "192.0.2.{}", "2001:db8::{:x}", "::{:x}")

Address = Any


def address(choices: Choices) -> Address:
    return ipaddress.ip_address(choices.pick(ADDRESSES).format(choices.below(256)))


def network(choices: Choices) -> str:
    """Return a network: one address, a few addresses, or every address. The spelling is any that Python accepts."""
    of = address(choices)
    prefix = choices.pick((of.max_prefixlen, of.max_prefixlen - choices.below(9), choices.below(of.max_prefixlen + 1), 0))
    found = ipaddress.ip_network(f"{of}/{prefix}", strict=False)
    return choices.pick((str(found), found.exploded, str(found.network_address) if prefix == of.max_prefixlen else str(found)))


def rules(choices: Choices) -> dict[int, list[str]]:
    return {port: [network(choices) for _ in range(choices.below(4))] for port in choices.some(PORTS)}


def is_accepted(sources: dict[int, list[str]], port: int, of: Address) -> bool:
    return port not in sources or any(of in ipaddress.ip_network(each) for each in sources[port])


def listing(choices: Choices, wanted: Wanted) -> str:
    """Return what nft prints for the table, in any of the forms that the versions of nft use."""

    def element(each: str) -> Any:
        parsed = ipaddress.ip_network(each)
        form = choices.below(4)
        if parsed.num_addresses == 1 and form < 2:
            return str(parsed.network_address)
        if form == 3:
            return {"elem": {"val": {"prefix": {"addr": str(parsed.network_address), "len": parsed.prefixlen}}, "comment": "a"}}
        if form == 2:
            return {"range": [str(parsed.network_address), str(parsed.broadcast_address)]}
        return {"prefix": {"addr": str(parsed.network_address), "len": parsed.prefixlen}}

    of = {"family": "inet", "table": "banyandb_firewall"}
    sets: list[Any] = []
    found: list[Any] = [[{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": None}]]
    for port, networks in wanted.sources.items():
        to = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": port}}
        for version, protocol in ((4, "ip"), (6, "ip6")):
            elements = [element(each) for each in networks if ipaddress.ip_network(each).version == version]
            if elements:
                name = f"from_{port}_ip{version}"
                sets.append({"set": {**of, "name": name, "type": f"ipv{version}_addr", "flags": ["interval"], "elem": choices.shuffled(elements)}})
                source = {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "saddr"}}, "right": f"@{name}"}}
                found.append([to, source, {"accept": None}])
        found.append([to, {"counter": {"packets": 5, "bytes": 300}}, {"drop": None}])
    chain = {"chain": {**of, "name": "input", "type": "filter", "hook": "input", "prio": -10, "policy": "accept"}}
    table = {"table": {"family": "inet", "name": "banyandb_firewall", "handle": 5}}
    ordered = [{"rule": {**of, "chain": "input", "expr": each}} for each in found]
    parts = [[chain], sets] if choices.once_in(2) else [sets, [chain]]
    return json.dumps({"nftables": [{"metainfo": {}}, table, *parts[0], *parts[1], *ordered]})


def firewall(choices: Choices) -> tuple[dict[int, list[str]], dict[int, list[str]], str, list[tuple[int, Address]]]:
    """Return the rules before and after a change, the listing of the rules before, and packets."""
    before, after = rules(choices), rules(choices)
    packets = [(choices.pick((*PORTS, 22)), address(choices)) for _ in range(5)]
    return before, after, listing(choices, Wanted.of(before)), packets


checks = Statements()


@checks
def the_canonical_networks_have_the_same_addresses(before, after, listed, packets):
    sources = {port: list(networks) for port, networks in Wanted.of(before).sources.items()}
    for port, of in packets:
        assert is_accepted(sources, port, of) == is_accepted(before, port, of)
    for networks in sources.values():
        parsed = [ipaddress.ip_network(each) for each in networks]
        assert not any(one != other and one.version == other.version and one.subnet_of(other) for one in parsed for other in parsed)


@checks
def the_file_says_which_rules_it_has(before, after, listed, packets):
    wanted = Wanted.of(before)
    assert wanted_in(render(wanted)) == wanted and render(Wanted(before)) == render(wanted)


@checks
def a_loaded_table_is_right_exactly_when_it_accepts_the_same_packets(before, after, listed, packets):
    assert differences(Wanted.of(before), listed) == []
    found = differences(Wanted.of(after), listed)
    for port, of in packets:
        if is_accepted(before, port, of) != is_accepted(after, port, of):
            assert found
    if before.keys() != after.keys():
        assert found
    for each in found:
        assert len(each.text()) <= MOST
        for text in each.networks:
            of = ipaddress.ip_network(text).network_address
            accepted = is_accepted({**{key: [] for key in PORTS}, **before}, each.port, of)
            assert accepted == (each.what == "more") and is_accepted(after, each.port, of) == (each.what == "fewer")


@checks
def before_a_change_every_packet_of_both_rules_passes_and_no_other(before, after, listed, packets):
    both = before_change(Wanted.of(before), Wanted.of(after)).sources
    assert both.keys() == before.keys() | after.keys()
    for port, of in packets:
        accepted = [is_accepted(each, port, of) for each in (before, after) if port in each]
        assert is_accepted({key: list(value) for key, value in both.items()}, port, of) == (any(accepted) if accepted else True)


@given(made(400, firewall))
def test_the_rules_of_a_node(example):
    checks.hold(*example)


# ---- what is no listing, and what is no variable


RECORDED = Path(__file__).resolve().parents[1] / "unit" / "recorded"
OTHERS = tuple(path.read_text(encoding="utf-8") for path in sorted(RECORDED.glob("nft-*-others.json")))


def damaged(choices: Choices) -> str:
    """Return a listing with one value replaced, or any other text."""
    document = json.loads(choices.pick(OTHERS) if choices.once_in(2) else listing(choices, Wanted.of(rules(choices))))
    here: Any = document
    for _ in range(choices.below(20)):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            break
        key = choices.pick(keys)
        if choices.once_in(8) or not isinstance(here[key], (dict, list)):
            here[key] = choices.value()
            break
        here = here[key]
    try:
        return json.dumps(document)
    except (TypeError, ValueError):
        return choices.wild_text()


@given(made(500, damaged))
def test_no_output_of_nft_is_a_traceback(text):
    for read in (differences, lambda wanted, found: blocked(found, wanted)):
        try:
            read(Wanted.of({17912: ["10.0.0.1", "2001:db8::1"], 6060: []}), text)
        except BadListing as error:
            assert len(message(error)) <= MOST


@given(made(200, lambda choices: {name: choices.value(3) if choices.once_in(2) else [network(choices), choices.value(0)] for name in VARIABLES}))
def test_variables_are_right_or_refused_in_one_short_line(variables):
    found = problems(variables)
    for text in found:
        assert len(text) <= MOST and text.isprintable()
    if not found:
        warnings(variables)


VARIABLES = ("banyandb_firewall", "banyandb_firewall_clients", "banyandb_firewall_monitoring", "banyandb_firewall_members")


# ---- chains of other programs


def statement(choices: Choices) -> Any:
    """Return a match that the model of packets below knows."""
    operator = choices.pick(("==", "!="))
    kind = choices.below(6)
    if kind == 0:
        right = choices.pick((17912, 22, {"range": [17000, 18000]}, {"set": [22, 17912]}, {"set": [22, {"range": [1, 9]}]}))
        return {"match": {"op": operator, "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}}
    if kind == 1:
        return {"match": {"op": operator, "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 17912}}
    if kind == 2:
        of = ipaddress.ip_network(network(choices))
        right = {"prefix": {"addr": str(of.network_address), "len": of.prefixlen}}
        return {"match": {"op": operator, "left": {"payload": {"protocol": "ip" if of.version == 4 else "ip6", "field": "saddr"}}, "right": right}}
    if kind == 3:
        return {"match": {"op": operator, "left": {"meta": {"key": "iifname"}}, "right": choices.pick(("lo", "eth0", {"set": ["lo", "eth1"]}))}}
    if kind == 4:
        return {"match": {"op": operator, "left": {"ct": {"key": "state"}}, "right": {"set": choices.pick((["new"], ["established", "related"]))}}}
    return {"match": {"op": operator, "left": {"meta": {"key": "nfproto"}}, "right": choices.pick(("ipv4", "ipv6"))}}


def ruleset(choices: Choices) -> tuple[str, dict[str, list[list[Any]]], list[str]]:
    """Return the policy of the chain ``input``, chain -> rules, and the networks that need port 17912."""
    verdicts = ({"accept": None}, {"drop": None}, {"reject": None}, {"return": None}, {"jump": {"target": "a"}}, {"goto": {"target": "b"}})
    chains = {}
    for number, name in enumerate(("input", "a", "b")):
        # A chain calls only the chains after it.
        possible = verdicts[: len(verdicts) - number] if name != "a" else (*verdicts[:4], verdicts[5])
        chains[name] = [
            [*(statement(choices) for _ in range(choices.below(3))), choices.pick(({"counter": None}, {"log": None})), choices.pick(possible[:6])]
            for _ in range(choices.below(4))
        ]
    chains["b"] = [[each for each in rule if "jump" not in each and "goto" not in each] for rule in chains["b"]]
    return choices.pick(("drop", "accept")), chains, [network(choices) for _ in range(1 + choices.below(3))]


def outcome(chains: dict[str, list[list[Any]]], name: str, of: Address, device: str) -> str:
    """Return where the first packet of a connection to port 17912 ends in a chain: ``accept``, ``drop`` or ``return``."""
    for rule in chains[name]:
        for each in rule:
            ((kind, value),) = each.items()
            if kind == "match" and not matches(value, of, device):
                break
            if kind in ("accept", "return"):
                return kind
            if kind in ("drop", "reject"):
                return "drop"
            if kind in ("jump", "goto"):
                end = outcome(chains, value["target"], of, device)
                if end != "return" or kind == "goto":
                    return end
    return "return"


def matches(value: Any, of: Address, device: str) -> bool:
    ((kind, what),) = value["left"].items()
    right = value["right"]
    if kind == "payload" and what["protocol"] == "udp":
        return False
    if kind == "payload" and what["field"] == "saddr":
        version = 4 if what["protocol"] == "ip" else 6
        if of.version != version:
            return False
        found = of in ipaddress.ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}")
    else:
        actual = {"payload": 17912, "ct": "new"}.get(kind) or (device if what["key"] == "iifname" else f"ipv{of.version}")
        found = any(
            each["range"][0] <= actual <= each["range"][1] if isinstance(each, dict) else each == actual
            for each in (right["set"] if isinstance(right, dict) and "set" in right else [right])
        )
    return found == (value["op"] == "==")


@given(made(400, lambda choices: (*ruleset(choices), [address(choices) for _ in range(4)])))
def test_a_chain_that_is_reported_drops_every_packet(example):
    policy, chains, networks, addresses = example
    of = {"family": "inet", "table": "filter"}
    objects: list[Any] = [{"chain": {**of, "name": "input", "hook": "input", "policy": policy}}]
    objects += [{"chain": {**of, "name": name}} for name in ("a", "b")]
    objects += [{"rule": {**of, "chain": name, "expr": rule}} for name, found in chains.items() for rule in found]
    wanted = Wanted.of({17912: networks})
    found = blocked(json.dumps({"nftables": objects}), wanted)
    dropped = [text for each in found for text in each.networks or wanted.sources[17912]]
    for text in dropped:
        parsed = ipaddress.ip_network(text)
        for source in (parsed.network_address, parsed.broadcast_address, *(each for each in addresses if each in parsed)):
            for device in ("eth0", "eth1", "eth2"):
                end = outcome(chains, "input", source, device)
                assert (policy if end == "return" else end) == "drop", (text, source, device)
    if all("match" not in each for found in chains.values() for rule in found for each in rule):
        # Without a match, every outcome is sure.
        end = outcome(chains, "input", addresses[0], "eth0")
        assert bool(found) == ((policy if end == "return" else end) == "drop")
