# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chains of other firewalls surely drop what a node needs. Real versions of nft and iptables wrote the recorded rulesets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import iptables_rules
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import Wanted, render
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.foreign_chains import Blocked, Firewall, blocked
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.nft_listing import BadListing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
EMPTY = '{"nftables": []}'
NEEDED = Wanted.of(
    {
        17912: ["10.0.0.1", "10.2.0.1", "fd00::1"],
        17913: ["10.0.0.0/8"],
        17916: ["10.9.0.1", "10.8.0.1"],
        18912: ["fd00::1"],
        2121: ["10.0.5.1"],
        6060: [],
    }
)
UFW = (RECORDED / "iptables-1.8.9-ufw.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["0.9.8", "1.0.6", "1.1.3"])
def test_firewalld_and_own_chains_of_an_administrator(version):
    found = blocked((RECORDED / f"nft-{version}-others.json").read_text(encoding="utf-8"), NEEDED)
    assert found == [
        # The zone "trusted" of firewalld accepts 10.9.0.0/16.
        Blocked(
            Firewall.FIREWALLD, "inet", "firewalld", "filter_INPUT", (17912, 17916, 18912),
            ("10.0.0.1/32", "10.2.0.1/32", "10.8.0.1/32", "fd00::1/128"),
        ),
        # The set "trusted" accepts 10.0.0.0/24 on port 17912.
        Blocked(
            Firewall.NFTABLES, "inet", "filter", "input", (17912, 17913, 17916, 18912),
            ("10.0.0.0/8", "10.2.0.1/32", "10.8.0.1/32", "10.9.0.1/32", "fd00::1/128"),
        ),
        Blocked(Firewall.NFTABLES, "ip6", "mine", "incoming", (18912,)),
    ]  # fmt: skip


def test_ufw_with_each_variant_of_iptables():
    needed = Wanted.of({22: ["10.0.0.1"], 80: ["10.0.0.1"], 443: ["11.0.0.1", "10.0.0.1"], 17912: ["10.0.0.1"], 17913: ["fd00::1"]})
    blocks = (Firewall.UFW, "ip", "filter", "INPUT", (443, 17912), ("10.0.0.1/32", "11.0.0.1/32"))
    assert blocked(EMPTY, needed, iptables={"ip": UFW}) == [Blocked(*blocks)]
    assert blocked(EMPTY, needed, legacy={"ip": UFW}) == [Blocked(Firewall.UFW, "ip", "legacy filter", *blocks[3:])]
    assert blocked(EMPTY, needed, iptables={"ip": UFW.replace("-P INPUT DROP", "-P INPUT ACCEPT")}) == []


def test_iptables_explains_its_own_table_better_than_nft():
    listing = json.dumps(
        {
            "nftables": [
                {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}},
                {"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{"xt": {"type": "match", "name": "conntrack"}}]}},
            ]
        }
    )
    needed = Wanted.of({17912: ["10.0.0.1"]})
    assert blocked(listing, needed) == []
    found = blocked(listing, needed, iptables={"ip": "-P INPUT DROP\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"})
    assert found == [Blocked(Firewall.IPTABLES, "ip", "filter", "INPUT", (17912,))]


def test_our_own_tables_and_tables_without_packets_for_a_server_do_not_count():
    def listing(family: str, table: str, hook: str = "input", flags: object = ()) -> str:
        chain = {"family": family, "table": table, "name": "c", "hook": hook, "policy": "drop"}
        return json.dumps({"nftables": [{"table": {"family": family, "name": table, "flags": flags}}, {"chain": chain}]})

    needed = Wanted.of({17912: ["10.0.0.1"]})
    assert blocked(listing("inet", "filter"), needed) != [] and blocked(listing("inet", "filter", "prerouting"), needed) != []
    for other in (
        listing("inet", "banyandb_firewall"),
        listing("inet", "banyandb_drain"),
        listing("inet", "banyandb_cut_0123456789ab"),
        listing("inet", "filter", "forward"),
        listing("inet", "filter", "output"),
        listing("netdev", "filter", "ingress"),
        listing("bridge", "filter"),
        listing("arp", "filter"),
        listing("ip6", "filter"),
        listing("inet", "filter", flags=["dormant"]),
        listing("inet", "filter", flags="dormant"),
    ):
        assert blocked(other, needed) == []
    assert blocked(listing("ip", "banyandb_firewall"), needed) != []


def match(left: object, right: object, operator: str = "==") -> dict:
    return {"match": {"op": operator, "left": left, "right": right}}


def meta(key: str) -> dict:
    return {"meta": {"key": key}}


def ct(key: str) -> dict:
    return {"ct": {"key": key}}


def field(protocol: str, name: str) -> dict:
    return {"payload": {"protocol": protocol, "field": name}}


def drops(*rules: list, policy: str = "drop", chains: dict | None = None, sets: list | None = None, network: str = "10.0.0.1") -> bool:
    """Return whether a base chain with these rules surely drops connections from a network to port 17912."""
    of = {"family": "inet", "table": "filter"}
    objects: list[dict] = [{kind: {**of, **value}} for kind, value in sets or []]
    objects.append({"chain": {**of, "name": "input", "hook": "input", "policy": policy}})
    objects += [{"rule": {**of, "chain": "input", "expr": rule}} for rule in rules]
    for name, more in (chains or {}).items():
        objects.append({"chain": {**of, "name": name}})
        objects += [{"rule": {**of, "chain": name, "expr": rule}} for rule in more]
    return bool(blocked(json.dumps({"nftables": objects}), Wanted.of({17912: [network]})))


ACCEPT = {"accept": None}
TCP = field("tcp", "dport")

SURELY_NOT = [
    match(TCP, 22),
    match(TCP, {"set": [22, {"range": [18000, 19000]}]}),
    match(TCP, 17912, "!="),
    match(TCP, {"range": [17000, 18000]}, "!="),
    match(field("th", "dport"), 53),
    match(field("udp", "dport"), 17912),
    match(field("udp", "dport"), 17912, "!="),
    match(field("icmp", "type"), "echo-request"),
    match(field("ip6", "saddr"), "fd00::1"),
    match(field("ip", "saddr"), "10.0.0.2"),
    match(field("ip", "saddr"), {"set": [{"prefix": {"addr": "192.0.2.0", "len": 24}}, {"range": ["10.0.0.2", "10.0.0.9"]}]}),
    match(field("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}, "!="),
    match(field("ip", "saddr"), "@others"),
    match(field("ip", "protocol"), "icmp"),
    match(field("ip6", "nexthdr"), "tcp"),
    match(meta("l4proto"), {"set": ["icmp", "ipv6-icmp"]}),
    match(meta("l4proto"), 17),
    match(meta("l4proto"), "tcp", "!="),
    match(meta("nfproto"), "ipv6"),
    match(meta("protocol"), "ip6"),
    match(meta("iifname"), "lo"),
    match(meta("iif"), "lo"),
    match(meta("pkttype"), {"set": ["broadcast", "multicast"]}),
    match(ct("state"), ["established", "related"], "in"),
    match(ct("state"), {"set": ["established", "related"]}),
    match(ct("state"), "invalid", "in"),
    match(ct("state"), "new", "!="),
    match(ct("status"), "dnat", "in"),
    match({"fib": {"result": "type", "flags": ["daddr"]}}, "broadcast"),
]
PERHAPS = [
    match(TCP, 17912),
    match(TCP, {"range": [17912, 17916]}),
    match(TCP, 22, "!="),
    match(TCP, {"set": ["ssh"]}),
    match(TCP, "@filled"),
    match(TCP, "@none"),
    match(TCP, 22, "<"),
    match(field("tcp", "sport"), 22),
    match(field("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}),
    match(field("ip", "saddr"), "host"),
    match(field("ip", "daddr"), "10.0.0.9"),
    match(meta("iifname"), "eth0"),
    match(meta("iifname"), "lo", "!="),
    match(meta("mark"), 1),
    match(meta("l4proto"), "tcp"),
    match(meta("l4proto"), "esp-of-the-future"),
    match(meta("nfproto"), ["ipv4"]),
    match(meta("nfproto"), {"a": 1}),
    match(ct("state"), ["new", "established"], "in"),
    match(ct("state"), 8, "in"),
    match(ct("mark"), 1),
    match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
    match({"fib": {"result": "oif", "flags": ["saddr"]}}, False),
    match({"&": [ct("mark"), 1]}, 1),
    match({"concat": [TCP, TCP]}, 1),
    match("text", 1),
    match(None, None),
    {"match": None},
    {"limit": {"rate": 5}},
    {"quota": {"val": 5}},
    {"xt": None},
    {"future": {"a": 1}},
    {"counter": {"packets": 5, "bytes": 5}},
    {"log": {"prefix": "a"}},
    {"a": 1, "b": 2},
    None,
]
SETS = [
    ("set", {"name": "others", "type": "ipv4_addr", "elem": ["10.0.0.2", "10.0.0.3"]}),
    ("set", {"name": "filled", "type": "inet_service", "flags": ["dynamic"]}),
]


@pytest.mark.parametrize("statement", SURELY_NOT)
def test_a_rule_that_surely_does_not_match_opens_nothing_and_blocks_nothing(statement):
    assert drops([statement, ACCEPT], sets=SETS)
    assert not drops([statement, {"drop": None}], policy="accept", sets=SETS)


@pytest.mark.parametrize("statement", PERHAPS)
def test_a_rule_that_perhaps_matches_may_open(statement):
    assert not drops([statement, ACCEPT], sets=SETS)


@pytest.mark.parametrize(
    "statement",
    [
        match(TCP, 17912),
        match(TCP, 22, "!="),
        match(TCP, {"set": [1, {"range": [17000, 18000]}]}),
        match(field("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}),
        match(field("ip", "saddr"), "@others", "!="),
        match(ct("state"), "new", "in"),
        match(meta("iifname"), "lo", "!="),
        match(meta("l4proto"), {"set": ["tcp", "udp"]}),
        {"counter": None},
        {"log": None},
    ],
)
def test_a_rule_that_surely_matches_blocks(statement):
    assert drops([statement, {"reject": {"type": "tcp reset"}}], policy="accept", sets=SETS)


@pytest.mark.parametrize("statement", [match(meta("iifname"), "eth0"), {"limit": {"rate": 5}}, match(field("ip", "daddr"), "10.0.0.9"), {"xt": None}])
def test_a_rule_that_perhaps_matches_blocks_nothing_surely(statement):
    assert not drops([statement, {"drop": None}], policy="accept", sets=SETS)


def test_a_network_of_which_a_rule_accepts_a_part_is_not_surely_blocked():
    assert not drops([match(field("ip", "saddr"), "10.0.0.5"), ACCEPT], network="10.0.0.0/8")
    assert drops([match(field("ip", "saddr"), "10.0.0.5"), ACCEPT], network="10.0.0.8/29")


def test_jumps_returns_and_maps_of_verdicts():
    def to(kind: str, target: str) -> dict:
        return {kind: {"target": target}}

    assert drops([to("jump", "a")], chains={"a": [[match(TCP, 22), ACCEPT]]})
    assert drops([to("jump", "a")], policy="accept", chains={"a": [[{"drop": None}]]})
    assert not drops([to("jump", "a")], chains={"a": [[ACCEPT]]})
    assert not drops([to("jump", "a")], [ACCEPT], chains={"a": [[{"return": None}], [{"drop": None}]]})
    assert drops([to("goto", "a")], [ACCEPT], chains={"a": [[{"continue": None}]]})  # after goto, the policy decides
    assert not drops([to("goto", "a")], [ACCEPT], policy="accept", chains={"a": []})
    assert not drops([to("jump", "absent")])
    assert not drops([to("jump", "a")], chains={"a": [[to("jump", "a")]]})
    assert not drops([{"queue": {"num": 0}}])
    assert not drops([{"jump": None}])
    for data, dropped in (
        ({"set": [[22, {"accept": None}], [17912, {"drop": None}]]}, True),
        ({"set": [[17912, to("jump", "a")]]}, True),
        ({"set": [[22, {"drop": None}]]}, False),
        ({"set": [["ssh", {"accept": None}], [17912, {"drop": None}]]}, False),
        ({"set": [[17912]]}, False),
        ({"set": [[17912, {"drop": None, "a": 1}]]}, False),
        ({"set": "a"}, False),
        ("@verdicts", True),
        ("@absent", False),
        (None, False),
    ):
        sets = [("map", {"name": "verdicts", "type": "inet_service", "map": "verdict", "elem": [[17912, {"drop": None}]]})]
        assert drops([{"vmap": {"key": TCP, "data": data}}], policy="accept", chains={"a": [[{"drop": None}]]}, sets=sets) is dropped, data
    assert not drops([{"vmap": {"key": TCP, "data": "@absent"}}])
    assert not drops([{"vmap": None}])
    assert not drops([match(meta("iifname"), "eth0"), {"vmap": {"key": TCP, "data": {"set": [[17912, {"drop": None}]]}}}], policy="accept")


def test_a_chain_with_rules_that_are_no_list_is_not_judged():
    assert not drops("accept")
    assert not drops(policy="queue")


@pytest.mark.parametrize("text", ["", "[]", '{"nftables": [1]}'])
def test_other_output_of_nft_is_refused(text):
    with pytest.raises(BadListing):
        blocked(text, NEEDED)


# ---- iptables


def iptables_drops(*rules: str, policy: str = "DROP") -> bool:
    text = "\n".join([f"-P INPUT {policy}", "-P FORWARD DROP", "-N mine", *(f"-A {rule}" for rule in rules)])
    return bool(blocked(EMPTY, Wanted.of({17912: ["10.0.0.1"]}), iptables={"ip": text}))


@pytest.mark.parametrize(
    "rule",
    [
        "INPUT -i lo -j ACCEPT",
        "INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "INPUT -m state --state ESTABLISHED -j ACCEPT",
        "INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
        "INPUT -p 17 -j ACCEPT",
        "INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "INPUT -p tcp -m tcp ! --dport 17912 -j ACCEPT",
        "INPUT -p tcp -m multiport --dports 22,80:90 -j ACCEPT",
        "INPUT -s 10.0.0.2/32 -j ACCEPT",
        "INPUT ! -s 10.0.0.0/8 -j ACCEPT",
        'INPUT -m comment --comment "a -j ACCEPT b" -j LOG --log-prefix "c "',
        "INPUT -j mine",
        "INPUT -p udp -j mine",
        "mine -j ACCEPT",
        "OTHER -j ACCEPT",
    ],
)
def test_iptables_rules_that_do_not_match(rule):
    assert iptables_drops(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "INPUT -j ACCEPT",
        "INPUT -p tcp -m tcp --dport 17912 -j ACCEPT",
        "INPUT -p tcp -m tcp --dport 17000:18000 -j ACCEPT",
        "INPUT -p tcp -m tcp --dport http-alt -j ACCEPT",
        "INPUT -p tcp -m multiport --dports 22,17912 -j ACCEPT",
        "INPUT -s 10.0.0.0/8 -j ACCEPT",
        "INPUT ! -i lo -j ACCEPT",
        "INPUT -i eth+ -j ACCEPT",
        "INPUT -m set --match-set trusted src -j ACCEPT",
        "INPUT -m conntrack --ctstate NEW -j ACCEPT",
        "INPUT -j NFQUEUE --queue-num 0",
        "INPUT -j absent",
        'INPUT -m comment --comment "no end -j ACCEPT',
        "INPUT -m limit --limit 3/min -j ACCEPT",
    ],
)
def test_iptables_rules_that_may_open(rule):
    assert not iptables_drops(rule)


def test_chains_of_iptables():
    assert not iptables_drops("INPUT -g mine", "mine -p tcp -j ACCEPT")
    assert iptables_drops("INPUT -g mine", "INPUT -j ACCEPT")  # after -g, the policy decides
    assert not iptables_drops("INPUT -j mine", "mine -p tcp -j RETURN", "INPUT -j ACCEPT")
    assert iptables_drops("INPUT -j mine", "mine -j REJECT --reject-with icmp-port-unreachable", policy="ACCEPT")
    assert not iptables_drops("INPUT -j LOG", policy="ACCEPT")
    assert not iptables_drops(policy="QUEUE")


def test_lines_of_another_program_are_left_out():
    assert iptables_rules.objects("ip", "# Warning\n\n-P\nP INPUT DROP\n-A") == []


# ---- what a person reads


@pytest.mark.parametrize("firewall", list(Firewall))
@pytest.mark.parametrize("networks", [(), tuple(f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{number}/128" for number in range(9))])
def test_the_message_has_one_line_and_the_first_command(firewall, networks):
    found = Blocked(firewall, "inet", "filter", "input", (2121, 17912, 17916, 17932), networks)
    assert len(found.message()) <= MOST and "\n" not in found.message()
    assert "Run: " in found.message() and all(str(port) in found.commands()[0] for port in found.ports)


def test_the_command_is_for_the_family_of_the_chain():
    assert Blocked(Firewall.IPTABLES, "ip6", "filter", "INPUT", (1,)).commands()[0].startswith("ip6tables -I INPUT ")
    assert Blocked(Firewall.LEGACY, "ip", "legacy filter", "INPUT", (1,)).commands()[0].startswith("iptables-legacy -I INPUT ")


def test_the_table_of_this_collection_blocks_nothing_of_its_own():
    assert "priority -10" in render(NEEDED)  # recorded with the name that is left out
    assert blocked((RECORDED / "nft-1.0.6-firewall.json").read_text(encoding="utf-8"), NEEDED) == []
