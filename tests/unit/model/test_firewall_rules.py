# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks may connect to a node, and whether a loaded table says the same."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import nft_listing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    Difference,
    Wanted,
    What,
    before_change,
    canonical,
    differences,
    given_networks,
    member_network,
    problems,
    render,
    unlisted_message,
    unlisted_sources,
    wanted,
    wanted_in,
    warnings,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, server_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
VERSIONS = ("0.9.8", "1.0.6", "1.1.3")
NETWORKS = {Audience.MEMBERS: ["10.0.0.2", "10.0.0.1", "fd00::1"], Audience.CLIENTS: ["10.0.0.0/8"], Audience.MONITORING: ["192.0.2.9"]}
MEMBERS = ("10.0.0.1/32", "10.0.0.2/32", "fd00::1/128")
# The rules whose listing by each version of nft is recorded.
LOADED = Wanted.of(
    {
        17912: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "192.168.0.0/16", "fd00::/8", "2001:db8::1"],
        17913: ["0.0.0.0/0", "::/0"],
        6060: [],
        2121: ["10.0.0.8/30"],
    }
)


def recorded(version: str = "1.0.6") -> dict:
    return json.loads((RECORDED / f"nft-{version}-firewall.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("data", {2121: ("192.0.2.9/32",), 6060: (), 17912: MEMBERS, 17913: (), 17916: MEMBERS, 17932: MEMBERS}),
        (
            "liaison",
            {2121: ("192.0.2.9/32",), 6060: (), 17912: ("10.0.0.0/8", "fd00::1/128"), 17913: ("10.0.0.0/8",), 18912: MEMBERS, 18913: ()},
        ),
        ("standalone", {2121: ("192.0.2.9/32",), 6060: (), 17912: ("10.0.0.0/8", "fd00::1/128"), 17913: ("10.0.0.0/8",), 17916: ()}),
    ],
)
def test_each_port_accepts_the_peers_that_need_it(kind, expected):
    assert wanted(server_ports(kind, {}), NETWORKS).sources == expected


def test_a_network_inside_another_is_left_out_and_neighbours_stay_apart():
    assert canonical(["10.0.0.3", "10.0.0.2", "fd00::/8", "fd00::5", "10.0.0.2/32", "0.0.0.0/1", "128.0.0.0/1"]) == (
        "0.0.0.0/1",
        "128.0.0.0/1",
        "fd00::/8",
    )
    assert canonical(["10.0.0.3", "10.0.0.2"]) == ("10.0.0.2/32", "10.0.0.3/32")


@pytest.mark.parametrize(
    ("address", "network"),
    [("10.0.0.1", "10.0.0.1/32"), ("fe80::1%eth0", "fe80::1/128"), ("::ffff:10.0.0.1", "10.0.0.1/32"), ("FD00::0:1", "fd00::1/128")],
)
def test_the_network_of_one_address(address, network):
    assert member_network(address) == network


def test_before_a_change_the_members_before_and_after_it_can_connect():
    old = Wanted.of({17912: ["10.0.0.1", "10.0.0.2"], 2121: ["10.9.0.1"]})
    new = Wanted.of({27912: ["10.0.0.1", "10.0.0.3"], 2121: [], 17912: ["10.0.0.3"]})
    assert before_change(old, new).sources == {
        2121: ("10.9.0.1/32",),
        17912: ("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"),
        27912: ("10.0.0.1/32", "10.0.0.3/32"),
    }
    assert before_change(None, new) == new


def test_a_file_that_a_person_changed_has_no_rules_of_ours():
    text = render(LOADED)
    assert wanted_in(text) == LOADED
    for other in ("", text + "add table inet other\n", text.replace("10.0.0.1/32", "10.0.0.9/32", 1), text.replace("counter drop", "accept")):
        assert wanted_in(other) is None


@pytest.mark.parametrize("content", ["", "[]", "null", "1", '{"a": []}', '{"1": 5}', '{"1": ["host"]}', '{"1": [5]}', "[" * 100_000, "{"])
def test_a_file_with_a_damaged_line_has_no_rules_of_ours(content):
    assert wanted_in(f"# port -> networks that may connect: {content}\n") is None


# ---- the loaded table


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_nft_lists_what_was_loaded(version):
    assert differences(LOADED, json.dumps(recorded(version))) == []


def test_an_absent_table_and_tables_of_other_families_are_no_table():
    assert differences(LOADED, '{"nftables": []}') == [Difference(What.NO_TABLE)]
    listing = recorded()
    for each in listing["nftables"]:
        for value in each.values():
            value["family"] = "ip"
    assert differences(LOADED, json.dumps(listing)) == [Difference(What.NO_TABLE)]


def changed(act) -> list[Difference]:
    """Return the differences after ``act`` changed the values of a listing: objects of the table by kind."""
    listing = copy.deepcopy(recorded())
    by_kind: dict[str, list[dict]] = {}
    for each in listing["nftables"]:
        for kind, value in each.items():
            by_kind.setdefault(kind, []).append(value)
    act(by_kind)
    listing["nftables"] = [{kind: value} for kind, values in by_kind.items() for value in values]
    return differences(LOADED, json.dumps(listing))


def rule_of(by_kind: dict[str, list[dict]], port: int, last: bool = True) -> int:
    """Return the index of the last (the rule that drops) or first rule of a port."""
    found = [index for index, rule in enumerate(by_kind["rule"]) if f'"right": {port}' in json.dumps(rule)]
    return found[-1 if last else 0]


def elements(by_kind: dict[str, list[dict]], name: str) -> dict:
    return next(value for value in by_kind["set"] if value["name"] == name)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda of: of["chain"][0].update(policy="drop"), [Difference(What.NO_CHAIN)]),
        (lambda of: of["chain"][0].update(prio=0), [Difference(What.NO_CHAIN)]),
        (lambda of: of["chain"][0].update(hook="forward"), [Difference(What.NO_CHAIN)]),
        (lambda of: of["chain"].clear(), [Difference(What.NO_CHAIN)]),
        (lambda of: of["table"][0].update(flags=["dormant"]), [Difference(What.NO_CHAIN)]),
        (lambda of: of["table"][0].update(flags="dormant"), [Difference(What.NO_CHAIN)]),
        (lambda of: of["rule"].pop(rule_of(of, 6060)), [Difference(What.OPEN, 6060)]),
        (lambda of: of["rule"].pop(rule_of(of, 2121, last=False)), [Difference(What.FEWER, 2121, ("10.0.0.8/30",))]),
        (lambda of: of["rule"].pop(0), [Difference(What.CHANGED)]),
        (lambda of: of["rule"].insert(0, of["rule"].pop()), [Difference(What.FEWER, 17913, ("0.0.0.0/0", "::/0"))]),
        (lambda of: of["rule"].append({**of["rule"][0], "expr": [{"accept": None}]}), [Difference(What.CHANGED)]),
        (lambda of: of["rule"].append({**of["rule"][0], "chain": "other"}), []),
        (lambda of: of["chain"].append({**of["chain"][0], "name": "other"}), [Difference(What.CHANGED)]),
        (lambda of: of.update(map=[{"family": "inet", "table": "banyandb_firewall", "name": "m"}]), [Difference(What.CHANGED)]),
        (
            lambda of: elements(of, "from_17912_ip4")["elem"].append({"range": ["10.0.0.4", "10.0.0.7"]}),
            [Difference(What.MORE, 17912, ("10.0.0.4/30",))],
        ),
        (lambda of: elements(of, "from_17912_ip4")["elem"].remove("10.0.0.2"), [Difference(What.FEWER, 17912, ("10.0.0.2/32",))]),
        (lambda of: elements(of, "from_17912_ip6").pop("elem"), [Difference(What.FEWER, 17912, ("2001:db8::1/128", "fd00::/8"))]),
        (
            lambda of: elements(of, "from_17912_ip4").update(type="inet_service"),
            [Difference(What.FEWER, 17912, ("10.0.0.1/32", "10.0.0.2/31", "192.168.0.0/16"))],
        ),
        (lambda of: elements(of, "from_2121_ip4").update(elem=["host"]), [Difference(What.FEWER, 2121, ("10.0.0.8/30",))]),
        (
            lambda of: elements(of, "from_2121_ip4").update(
                elem=[{"elem": {"val": "10.0.0.8", "comment": "a"}}, {"range": ["10.0.0.9", "10.0.0.11"]}]
            ),
            [],
        ),
        (lambda of: elements(of, "from_2121_ip4").update(flags="interval", type=["ipv4_addr"]), []),
    ],
)
def test_a_change_by_another_program_is_found(act, expected):
    assert changed(act) == expected


@pytest.mark.parametrize(
    "statement",
    [
        {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "lo"}},
        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth0"}},
        {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": "new"}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [1]}}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@none"}},
        {"match": None},
        {"limit": {"rate": 1}},
        {"accept": None},
        {"a": 1, "b": 2},
        None,
        5,
    ],
)
def test_a_rule_with_another_statement_is_no_rule_of_ours(statement):
    def act(by_kind):
        by_kind["rule"][rule_of(by_kind, 6060)]["expr"].insert(0, statement)

    assert changed(act) == [Difference(What.OPEN, 6060)]


def test_a_protocol_that_a_newer_version_prints_too_is_no_change():
    def act(by_kind):
        for rule in by_kind["rule"][1:]:
            rule["expr"].insert(0, {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}})

    assert changed(act) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_rule_for_every_other_port_or_network_is_no_rule_of_ours(number):
    def act(by_kind):
        by_kind["rule"][rule_of(by_kind, 2121, last=False)]["expr"][number]["match"]["op"] = "!="

    assert changed(act) == [Difference(What.FEWER, 2121, ("10.0.0.8/30",))]


def test_an_element_of_the_other_ip_version_is_no_element_of_ours():
    assert changed(lambda of: elements(of, "from_2121_ip4")["elem"].append("fd00::1")) == [Difference(What.FEWER, 2121, ("10.0.0.8/30",))]


def test_a_rule_without_a_list_of_statements_is_no_rule_of_ours():
    assert changed(lambda of: of["rule"][rule_of(of, 6060)].update(expr="drop")) == [Difference(What.OPEN, 6060)]
    assert changed(lambda of: of["rule"][rule_of(of, 6060)].pop("expr")) == [Difference(What.OPEN, 6060)]


@pytest.mark.parametrize(
    "text",
    ["", "table inet a", "[]", "null", "{}", '{"nftables": {}}', '{"nftables": [1]}', '{"nftables": [{}]}', '{"nftables": [{"a": {}, "b": {}}]}',
     '{"nftables": [{"table": null}]}', '{"nftables": [{"rule": []}]}', "[" * 100_000, '{"nftables": [', "\0",
     '{"nftables": [{"table": {"name": 5}}]}', '{"nftables": [{"rule": {"chain": []}}]}'],
)  # fmt: skip
def test_other_output_of_nft_is_refused(text):
    with pytest.raises(nft_listing.BadListing) as refused:
        differences(LOADED, text)
    assert len(str(refused.value)) <= MOST


@pytest.mark.parametrize("what", list(What))
def test_a_difference_is_one_short_line(what):
    text = Difference(what, 17912, tuple(f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{number}/128" for number in range(99))).text()
    assert len(text) <= MOST and "\n" not in text


# ---- the variables


def test_right_variables_have_no_problem():
    variables = {
        "banyandb_firewall": "nftables",
        "banyandb_firewall_clients": ["10.0.0.0/8", "192.0.2.1", "fd00::/8"],
        "banyandb_firewall_monitoring": [],
        "banyandb_firewall_members": None,
    }
    assert problems(variables) == [] and warnings(given_networks(variables)) == []
    assert problems({}) == [] and problems({"banyandb_firewall": "none"}) == []
    assert given_networks(variables) == {
        Audience.CLIENTS: ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8"),
        Audience.MONITORING: (),
        Audience.MEMBERS: (),
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("10.0.0.0/8", "expected a list of networks"),
        ({"a": 1}, "expected a list of networks"),
        (5, "expected a list of networks"),
        (["10.0.0.1/8"], "Write 10.0.0.0/8, or 10.0.0.1 for one host."),
        (["fd00::1/8"], "Write fd00::/8, or fd00::1 for one host."),
        (["data1.example.org"], "no host name. Correct it."),
        (["10.0.0.0/33"], "Correct it."),
        ([""], "Correct it."),
        ([5], "Correct it."),
        ([None], "Correct it."),
        ([["10.0.0.0/8"]], "Correct it."),
        (["fe80::1%eth0/64"], "expected a network without a zone. Delete % and the zone."),
        (["10.0.0.0/8", "10.0.0.0/255.0.0.0"], "expected each network once, and '10.0.0.0/8' is the same network. Delete one."),
        (["10.0.0.1", "10.0.0.1/32"], "Delete one."),
        (["::ffff:10.0.0.0/104"], "Write 10.0.0.0/8."),
        (["::ffff:10.0.0.1"], "Write 10.0.0.1/32."),
        (["x" * 999], "Correct it."),
    ],
)
@pytest.mark.parametrize("name", ["banyandb_firewall_clients", "banyandb_firewall_monitoring", "banyandb_firewall_members"])
def test_wrong_networks_are_refused_with_what_to_write(name, value, said):
    (problem,) = problems({name: value})
    assert problem.startswith(name) and said in problem and message(problem) == problem and len(problem) <= MOST


def test_a_wrong_firewall_is_refused():
    assert problems({"banyandb_firewall": "ufw"}) == ["banyandb_firewall is 'ufw': expected none or nftables. Correct it."]
    assert len(problems({"banyandb_firewall": True})) == 1


def test_a_network_of_every_host_is_a_warning():
    found = warnings(given_networks({"banyandb_firewall_clients": ["0.0.0.0/0"], "banyandb_firewall_members": ["::/0", "10.0.0.0/8"]}))
    assert [text.partition(":")[0] for text in found] == ["banyandb_firewall_clients has 0.0.0.0/0", "banyandb_firewall_members has "]


# ---- members with several addresses


def test_an_address_that_no_other_node_knows_is_found():
    sources = {"data1": ["10.0.0.1", "fd00::1"], "data2": ["10.1.0.2", "fe80::2"], "data3": []}
    networks = ["10.0.0.0/24", "fd00::1"]
    assert unlisted_sources(sources, networks) == {"data2": ("10.1.0.2", "fe80::2")}
    assert unlisted_sources(sources, [*networks, "10.1.0.0/16", "fe80::/10"]) == {}


def test_the_message_for_such_a_member_ends_with_the_variable():
    text = unlisted_message("data1.banyandb.eu-west-1.example.org", [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{number}" for number in range(9)])
    assert len(text) <= MOST and text.endswith(" to banyandb_firewall_members.")
    assert "Add 10.1.0.2/32 to" in unlisted_message("data2", ["10.1.0.2"])
