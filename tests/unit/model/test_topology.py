# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    HELD_BACK,
    ForeignFormat,
    Node,
    Topology,
    TopologyError,
    canonical_address,
    from_document,
    from_entries,
    held_back_in,
    ordered,
    parse,
    split_address,
)

A = Node("a", "10.0.0.1:17912")
B = Node("b", "10.0.0.2:17912", tls_enabled=True, ca_cert_path="/etc/ca.pem")
C = Node("c", "c.example.org:18912")


def test_what_is_written_reads_back_with_held_back_entries() -> None:
    topology = Topology((A, B), (C,))
    assert parse(topology.render()) == topology


def test_a_server_reads_the_listed_entries_and_not_those_held_back() -> None:
    document = yaml.safe_load(Topology((A, B), (C,)).render())
    assert document == {
        "nodes": [
            {"name": "a", "grpc_address": "10.0.0.1:17912"},
            {"name": "b", "grpc_address": "10.0.0.2:17912", "tls_enabled": True, "ca_cert_path": "/etc/ca.pem"},
        ]
    }


@pytest.mark.parametrize("name", ["no", "1e3", "~", 'qu"ote', "it's", "ünï☃", "a: b", "# x", "- x", "back\\slash", "{}", "😀"])
def test_names_that_are_traps_in_yaml_survive(name: str) -> None:
    topology = Topology((Node(name, "h:1"),))
    assert parse(topology.render()) == topology
    assert yaml.safe_load(topology.render())["nodes"][0]["name"] == name


def test_each_entry_is_one_line_of_json() -> None:
    lines = [line[2:] for line in Topology((A, B)).render().splitlines() if line.startswith("- ")]
    assert [json.loads(line)["name"] for line in lines] == ["a", "b"]


def test_an_empty_list_is_written_as_one() -> None:
    assert yaml.safe_load(Topology().render()) == {"nodes": []}
    assert parse(Topology((), (A,)).render()) == Topology((), (A,))


def test_entries_that_are_not_responding_stand_last() -> None:
    assert ordered([C, B, A], away={"a"}) == (B, C, A)


@pytest.mark.parametrize("text", ["", "nodes:\n  - name: a\n", "node:\n- {}\n", "- {}\n", "nodes:\n- {\n", '{"nodes": []}', "nodes: []\n- {}\n"])
def test_text_of_another_writer_is_recognised(text: str) -> None:
    with pytest.raises(ForeignFormat):
        parse(text)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"name": "a"}, "grpc_address is missing"),
        ({"name": "", "grpc_address": "h:1"}, "name is missing"),
        ({"name": "a", "grpc_address": "h:1", "tls_enabled": True}, "tls_enabled needs ca_cert_path"),
        ({"name": "a", "grpc_address": "h:1", "tls_enabled": "yes"}, "expected bool"),
        ({"name": "a", "grpc_address": "h:1", "ca_cert_path": "ca.pem"}, "absolute path"),
        ({"name": 7, "grpc_address": "h:1"}, "expected str"),
        ({"name": " a", "grpc_address": "h:1"}, "printable"),
        ({"name": "a\nb", "grpc_address": "h:1"}, "printable"),
        ("a", "expected a mapping"),
    ],
)
def test_a_bad_entry_is_refused_with_its_place(entry: object, says: str) -> None:
    with pytest.raises(TopologyError, match=says):
        from_entries([entry], "nodes")


@pytest.mark.parametrize(
    "address",
    [
        "h", "h:", ":1", "h:0", "h:65536", "h:x", "h:\u0661", "h h:1", "-h:1", "h-:1", "h..x:1", "1.2.3:1", "1.2.3.256:1", "::1:1",
        "[::1:1", "[::g]:1", "[fe80::1%\0]:1", "[fe80::1%a b]:1", "http://h:1", "h:1/", "a" * 64 + ":1", "h:999999999999999",
        "h:017912", "h:0000801234", "h:" + "9" * 5000,
    ],
)  # fmt: skip
def test_a_bad_address_is_refused(address: str) -> None:
    with pytest.raises(TopologyError, match="host:port|host name|IPv4|IPv6"):
        split_address(address)


@pytest.mark.parametrize(
    ("address", "parts"),
    [("h:1", ("h", 1)), ("[::1]:17912", ("::1", 17912)), ("1.2.3.4:65535", ("1.2.3.4", 65535)), ("n_1.x.:5", ("n_1.x.", 5))],
)
def test_a_good_address_is_split(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        (("Node1.Example.org:17912", "node1.example.ORG:17912"), "node1.example.org:17912"),
        (("[2001:db8::1]:1", "[2001:db8:0::1]:1", "[2001:0DB8:0:0:0:0:0:1]:1"), "[2001:db8::1]:1"),
        (("[FE80:0::1%eth0]:1",), "[fe80::1%eth0]:1"),
        (("10.0.0.1:1",), "10.0.0.1:1"),
        (("h.:1",), "h.:1"),
        (("No Address",), "no address"),
        (("[::G]:1",), "[::g]:1"),
    ],
)
def test_all_spellings_of_an_address_are_compared_as_one(spellings: tuple[str, ...], canonical: str) -> None:
    assert {canonical_address(spelling) for spelling in spellings} == {canonical}


def test_a_name_or_an_address_stands_once() -> None:
    with pytest.raises(TopologyError, match="name 'a' is listed twice"):
        Topology((A, Node("a", "h:1")))
    with pytest.raises(TopologyError, match="address '10.0.0.1:17912' is listed twice"):
        Topology((A,), (Node("x", "10.0.0.1:17912"),))
    with pytest.raises(TopologyError, match="listed twice"):
        Topology((Node("x", "Host:1"), Node("y", "host:1")))
    with pytest.raises(TopologyError, match="address '\\[2001:db8::1\\]:1' is listed twice"):
        Topology((Node("x", "[2001:db8::1]:1"), Node("y", "[2001:db8:0::1]:1")))


def test_a_document_of_another_writer_is_read_as_the_server_reads_it() -> None:
    assert from_document({"nodes": [{"name": "a", "grpc_address": "h:1", "zone": "x"}], "other": 1}).listed == (Node("a", "h:1"),)
    assert from_document(None) == from_document({}) == from_document({"nodes": None}) == Topology()
    with pytest.raises(TopologyError, match="expected a mapping"):
        from_document(["a"])
    with pytest.raises(TopologyError, match="expected a list"):
        from_document({"nodes": {"a": 1}})


@pytest.mark.parametrize("nodes", ["", 0, False, {}, "a"])
def test_nodes_that_are_no_list_are_not_taken_for_an_empty_one(nodes: object) -> None:
    with pytest.raises(TopologyError, match="expected a list"):
        from_document({"nodes": nodes})


# Texts that JSON and YAML read differently, or that the server rejects: a tab, a surrogate pair, a duplicate key, a control character.
@pytest.mark.parametrize(
    "line",
    [
        '- {"name": "a",\t"grpc_address": "h:1"}',
        '- {"name": "\\ud83d\\ude00", "grpc_address": "h:1"}',
        '- {"name": "b", "name": "a", "grpc_address": "h:1"}',
        '- {"grpc_address": "h:1", "name": "a"}',
        "# \0",
    ],
)
def test_a_line_that_render_does_not_write_is_of_another_writer(line: str) -> None:
    with pytest.raises(ForeignFormat):
        parse(f"nodes:\n{line}\n")


@pytest.mark.parametrize("name", [1 << 20000, ["a" * 10**6] * 1000, {"a": 1 << 20000}], ids=["number", "list", "mapping"])
def test_a_value_that_cannot_be_shown_whole_is_shown_in_short(name: object) -> None:
    with pytest.raises(TopologyError, match=r"nodes\[0\]: name .*expected str") as error:
        from_entries([{"name": name, "grpc_address": "h:1"}], "nodes")
    assert len(str(error.value)) < 400


def test_what_a_text_of_another_writer_holds_back_is_reported_too() -> None:
    text = "nodes:\n  - name: a\n" + HELD_BACK + '{"name": "b", "grpc_address": "b:1"}\n'
    assert held_back_in(text) == (Node("b", "b:1"),)
    with pytest.raises(ForeignFormat, match="line 1"):
        held_back_in(HELD_BACK + "b\n")
