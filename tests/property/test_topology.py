# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of topology.yml: our reader and every YAML reader read back the written nodes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import yaml
from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    HELD_BACK,
    Node,
    Topology,
    TopologyError,
    from_document,
    ordered,
    parse,
)

from .draw import PRINTABLE, TRAPS, Choices, Statements, made

HOSTS = ("n{}", "N{}.example.org", "n_{}.x.", "10.0.0.{}", "[2001:db8::{}]", "[::ffff:1.2.3.{}]", "xn--n-{}", "1.e{}")
# An error names the fault. It does not repeat its input.
MESSAGE = 2000


def topology(choices: Choices) -> Topology:
    """Return a legal topology of up to 4 entries. Each host appears once."""
    nodes = {}
    for index in range(choices.below(5)):
        name = choices.name()
        path = f"/{choices.text()}" if choices.once_in(2) else ""
        address = f"{choices.pick(HOSTS).format(index + 1)}:{choices.below(65535) + 1}"
        nodes[name] = Node(name, address, bool(path) and choices.once_in(2), path)
    entries = choices.shuffled(list(nodes.values()))
    held_back = choices.below(len(entries) + 1)
    return Topology(tuple(entries[held_back:]), tuple(entries[:held_back]))


def edited(choices: Choices) -> str:
    """Return the text of a topology with an insertion or a deletion."""
    text = topology(choices).render()
    for _ in range(choices.below(4)):
        at = choices.below(len(text))
        piece = choices.pick((choices.wild_text(), choices.pick(EDITS), choices.pick(TRAPS), ""))
        text = text[:at] + piece + text[at + choices.below(4) * choices.below(30) :]
    lines = text.split("\n")
    for _ in range(choices.below(3)):
        at = choices.below(len(lines))
        lines[at : at + choices.below(2)] = choices.pick(((choices.pick(LINES),), (lines[-1 - at],), (lines[at], lines[at])))
    return "\n".join(lines)


EDITS = (" ", "\t", "\r", "\n", "\\u0041", "\\ud83d\\ude00", "\\/", '"', ",", ":", "{", "}", ', "zone": 1', ', "name": "b"', '"tls_enabled": null, ')
LINES = (
    "", "nodes:", "nodes: []", "- {}", "# a note", "#\t", "---", "- ", "node:",
    '- {"name": "y", "grpc_address": "y:1"}',
    '- {"grpc_address": "y:1", "name": "y"}',
    '- {"name":"y","grpc_address":"y:1"}',
    '- {"name": "y", "name": "z", "grpc_address": "y:1"}',
    '- {"name": "y", "grpc_address":\t"y:1"}',
    '- {"name": "\\ud83d\\ude00", "grpc_address": "y:1"}',
    '- {"name": "\\u00e9", "grpc_address": "y:1", "zone": [1, {"a": NaN}]}',
    '- {"name": "y", "grpc_address": "y:1"} # a note',
    '- {"name": "y", "grpc_address": "y:1", "tls_enabled": false}',
    '# held back: {"name": "y", "grpc_address": "y:1"}',
    "# held back: y",
)  # fmt: skip


def entries_of(document: Any) -> Any:
    return (document or {}).get("nodes") or []


of_every_topology = Statements()


@given(made(160, topology))
def test_what_holds_of_every_topology(given_topology: Topology) -> None:
    of_every_topology.hold(given_topology)


@of_every_topology
def what_is_written_is_read_back(given_topology: Topology) -> None:
    assert parse(given_topology.render()) == given_topology


@of_every_topology
def each_entry_is_one_line_of_json(given_topology: Topology) -> None:
    *lines, rest = given_topology.render().split("\n")
    entries = [json.loads(line.removeprefix("- ").removeprefix(HELD_BACK)) for line in lines[3:]]
    assert rest == "" and all(line.isprintable() for line in lines)
    assert entries == [node.to_mapping() for node in given_topology.nodes]
    assert tuple(Node.from_mapping(entry, "entry") for entry in entries) == given_topology.nodes


# The server's YAML reader is a port of libyaml.
@of_every_topology
def every_reader_of_yaml_sees_what_is_listed_and_nothing_else(given_topology: Topology) -> None:
    text = given_topology.render()
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        document = yaml.load(text.encode(), loader)
        assert list(document) == ["nodes"]
        assert document["nodes"] == [node.to_mapping() for node in given_topology.listed]
        assert from_document(document).listed == given_topology.listed


@given(made(200, edited))
def test_what_is_read_line_by_line_a_reader_of_yaml_reads_alike_and_it_is_written_back(text: str) -> None:
    try:
        read = parse(text)
    except TopologyError as error:
        assert len(str(error)) < MESSAGE
        return
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert [Node.from_mapping(entry, "entry") for entry in entries_of(yaml.load(text, loader))] == list(read.listed)
    assert parse(read.render()) == read
    assert len(read.nodes) == sum(line.startswith(("- ", HELD_BACK)) for line in text.split("\n"))


@given(made(120, lambda choices: document(choices)))
def test_a_document_is_a_topology_or_is_refused_with_a_short_word(given_document: Any) -> None:
    try:
        read = from_document(given_document)
    except TopologyError as error:
        assert 0 < len(str(error)) < MESSAGE
    else:
        assert parse(read.render()) == read
        assert len(read.nodes) == len(given_document.get("nodes") or () if given_document else ())


def document(choices: Choices) -> Any:
    """Return a parsed document that is almost a topology."""
    keys = ("name", "grpc_address", "tls_enabled", "ca_cert_path", "zone")
    nodes: list[Any] = [node.to_mapping() for node in topology(choices).nodes]
    for entry in nodes:
        for _ in range(choices.below(3)):
            entry[choices.pick(keys)] = choices.value()
    if choices.once_in(4):
        nodes.append(choices.value())
    return choices.pick(({"nodes": nodes}, {"nodes": nodes, "x": choices.value()}, {"nodes": choices.value()}, choices.value(), {}))


@given(
    made(
        24, lambda choices: (choices.pick(HOSTS).format(choices.wild_text() if choices.once_in(2) else 1), choices.wild_text(), choices.below(70000))
    )
)
def test_an_address_that_is_taken_has_a_port_that_exists(drawn: tuple[str, str, int]) -> None:
    host, text, number = drawn
    for port in (text, str(number), str(number).rjust(9, "0"), f"{number:06}{text}"):
        with contextlib.suppress(TopologyError):
            node = Node("n", f"{host}:{port}")
            assert port == str(int(port)) and 1 <= int(port) <= 65535
            assert node.grpc_address.isascii() and node.grpc_address.isprintable() and " " not in node.grpc_address


@given(made(60, lambda choices: (choices.shuffled([Node(f"n{i}", f"h{choices.below(3)}-{i}:1") for i in range(6)]), choices.some("012345"))))
def test_the_order_is_that_of_the_names_with_those_away_last(drawn: tuple[list[Node], list[str]]) -> None:
    nodes, numbers = drawn
    away = {f"n{number}" for number in numbers}
    names = [node.name for node in ordered(nodes, away)]
    assert names == [f"n{i}" for i in range(6) if f"n{i}" not in away] + sorted(away)


def test_the_characters_are_those_of_all_planes() -> None:
    assert len(PRINTABLE) > 100_000
