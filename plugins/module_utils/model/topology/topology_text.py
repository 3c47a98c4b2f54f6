# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the text of ``topology.yml``, the file with the entries of a server. Pure.

Format (rule 4 of the design): one entry a line, each line is JSON, the whole file is valid YAML. So the standard library can read the file, and
diff and grep work on it. Held back entries are known but not yet given to the server. They are comments: the server skips them, and the next
push still knows them.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, listed, shown

HEADER = (
    "# The nodes that this BanyanDB server knows. Written by the Ansible collection skywalking.banyandb:\n"
    "# change the inventory and push, changes made here are replaced.\n"
)
HELD_BACK = "# held back: "
LIAISON_PORT = 18912
GRPC_PORT = 17912
HTTP_PORT = 17913
#: Characters of a line in a message, which also names the file and what to do.
QUOTED = 24

_KEYS = ("name", "grpc_address", "tls_enabled", "ca_cert_path")
_IPV6 = re.compile(r"[0-9a-fA-F:.]+(%[A-Za-z0-9._-]+)?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)


class TopologyError(ValueError):
    """The input must not become a topology; the message says what, where and what to do."""


class ForeignFormat(TopologyError):
    """The text does not have this collection's line format. It may still be a topology from another writer."""


@dataclass(frozen=True, order=True)
class Node:
    """One entry. ``grpc_address``: ``host:port``. ``ca_cert_path``: a file on the host that reads the entry.

    For the server, another spelling of an address (``Host:1``, ``host:1``) is another address. So an entry keeps the spelling in the file; see
    canonical_address().
    Raises TopologyError for an entry that the server would reject or misread.
    """

    name: str
    grpc_address: str
    tls_enabled: bool = False
    ca_cert_path: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip() or not self.name.isprintable():
            raise TopologyError(f"node name {shown(self.name)}: expected printable text without blanks around it")
        split_address(self.grpc_address, f"node {shown(self.name)}: grpc_address")
        if self.tls_enabled and not self.ca_cert_path:
            raise TopologyError(f"node {shown(self.name)}: tls_enabled needs ca_cert_path, or the server rejects the whole file. Set it.")
        if self.ca_cert_path and not (self.ca_cert_path.startswith("/") and self.ca_cert_path.isprintable()):
            raise TopologyError(f"node {shown(self.name)}: ca_cert_path {shown(self.ca_cert_path)}: expected an absolute path")

    @classmethod
    def from_mapping(cls, entry: object, where: str) -> Node:
        """Return one entry of a ``nodes`` list. Other keys do not count, as in the server. Raises TopologyError."""
        if not isinstance(entry, Mapping):
            raise TopologyError(f"{where}: expected a mapping with name and grpc_address, got {type(entry).__name__}")
        for key in _KEYS[:2]:
            if not entry.get(key):
                raise TopologyError(f"{where}: {key} is missing or empty")
        values = [entry.get(key) for key in _KEYS]
        name, address, tls, path = values
        for key, value in zip(_KEYS, values):
            expected = bool if key == "tls_enabled" else str
            if value is not None and not isinstance(value, expected):
                raise TopologyError(f"{where}: {key} {shown(value)}: expected {expected.__name__}, got {type(value).__name__}")
        return cls(str(name), str(address), bool(tls), str(path or ""))

    def to_mapping(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.name, "grpc_address": self.grpc_address}
        if self.tls_enabled:
            entry["tls_enabled"] = True
        if self.ca_cert_path:
            entry["ca_cert_path"] = self.ca_cert_path
        return entry


@dataclass(frozen=True)
class Topology:
    """The entries of one file, in order. ``listed``: entries that the server reads; ``held_back``: entries that the server does not read.

    Raises TopologyError when two entries have the same name or address.
    """

    listed: tuple[Node, ...] = ()
    held_back: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        for what, values in (
            ("name", [node.name for node in self.nodes]),
            ("address", [canonical_address(node.grpc_address) for node in self.nodes]),
        ):
            twice = sorted(value for value, count in Counter(values).items() if count > 1)
            if twice:
                raise TopologyError(f"{what} {listed(list(map(shown, twice)), 2)} is listed twice. Delete one.")

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return self.listed + self.held_back

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def by_address(self) -> dict[str, Node]:
        return {node.grpc_address: node for node in self.nodes}

    def render(self) -> str:
        """Return the text of the file."""
        lines = [HEADER, "nodes:\n" if self.listed else "nodes: []\n"]
        lines += [f"- {_line(node)}\n" for node in self.listed]
        lines += [f"{HELD_BACK}{_line(node)}\n" for node in self.held_back]
        return "".join(lines)


def ordered(nodes: Iterable[Node], away: Iterable[str] = ()) -> tuple[Node, ...]:
    """Return the nodes sorted by name, the nodes in ``away`` last.

    The server waits 5 s for an entry that does not respond before it reads the next entry (section 1 of the contract).

    ``away``: names of entries that do not respond.
    """
    away = frozenset(away)
    return tuple(sorted(nodes, key=lambda node: (node.name in away, node.name)))


def parse(text: str) -> Topology:
    """Return the topology in a text that render() wrote.

    Comments that are no held back entries do not count. The text must match exactly, also its spaces. JSON and YAML read a tab, an escaped
    surrogate or a repeated key differently, so the server could read other nodes than this function.
    Raises ForeignFormat for any other text, and TopologyError for a bad entry.
    """
    listed: list[Node] = []
    held_back: list[Node] = []
    key = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(HELD_BACK):
            held_back.append(_entry(line[len(HELD_BACK) :], number))
        elif line.startswith("- ") and key == "nodes:":
            listed.append(_entry(line[2:], number))
        elif line in ("nodes:", "nodes: []") and not key:
            key = line
        elif line and not (line.startswith("#") and line.isprintable()):
            raise ForeignFormat(f"line {number}: {line[:QUOTED]!r} was not written by this collection")
    if not key:
        raise ForeignFormat("no line 'nodes:'")
    return Topology(tuple(listed), tuple(held_back))


def held_back_in(text: str) -> tuple[Node, ...]:
    """Return the held back entries in a text of any writer. They are comments, so a YAML reader does not return them."""
    lines = enumerate(text.split("\n"), start=1)
    return tuple(_entry(line[len(HELD_BACK) :], number) for number, line in lines if line.startswith(HELD_BACK))


def from_document(document: object) -> Topology:
    """Return the topology in a parsed YAML or JSON document. Unknown keys do not count, as in the server. Raises TopologyError."""
    if document is None:
        return Topology()
    if not isinstance(document, Mapping):
        raise TopologyError(f"expected a mapping with the key nodes, got {type(document).__name__}")
    entries = document.get("nodes")
    return Topology(from_entries([] if entries is None else entries, "nodes"))


def from_entries(entries: object, where: str) -> tuple[Node, ...]:
    """Return the nodes of a list of entries, in order. Raises TopologyError."""
    if not isinstance(entries, (list, tuple)):
        raise TopologyError(f"{where}: expected a list of entries, got {type(entries).__name__}")
    return tuple(Node.from_mapping(entry, f"{where}[{index}]") for index, entry in enumerate(entries))


def split_address(address: str, where: str = "address") -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 host is in brackets. Raises TopologyError."""
    host, colon, port = address.rpartition(":")
    if not colon or not is_port(port):
        raise TopologyError(f"{where} {shown(address)}: expected host:port with a port from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
            if not _IPV6.fullmatch(host[1:-1]):  # Python accepts any text as a zone
                raise ValueError("a zone is letters, digits, . _ and -")
        except ValueError as error:
            raise TopologyError(f"{where} {shown(address)}: {cut(host)} is not an IPv6 address ({cut(str(error))})") from None
        return host[1:-1], int(port)
    name = host[:-1] if host.endswith(".") else host
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise TopologyError(f"{where} {shown(address)}: {shown(host)} is not a host name, an IPv4 address or an IPv6 address in brackets")
    if labels[-1].isdigit():
        try:
            ipaddress.IPv4Address(name)
        except ValueError as error:
            raise TopologyError(f"{where} {shown(address)}: {cut(host)} is not an IPv4 address ({cut(str(error))})") from None
    return host, int(port)


def canonical_host(host: str) -> str:
    """Return one spelling for all spellings of a host: lower case, and RFC 5952 for an IPv6 address, with or without brackets.

    A trailing dot stays: without the dot, a search list may lead to another host. The zone of an IPv6 address stays too.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        address, percent, zone = bare.partition("%")
        try:
            return f"{ipaddress.IPv6Address(address).compressed}{percent}{zone}"
        except ValueError:
            pass  # not an address: compare as text
    return bare.lower()


@lru_cache(maxsize=4096)
def canonical_address(address: str) -> str:
    """Return one spelling for all spellings of ``host:port``. A text that is no address becomes lower case.

    Use the result only for comparison. For the server each spelling is an address of its own (tests/contract/test_addresses.py), so a file keeps
    its spelling.
    """
    host, colon, port = address.rpartition(":")
    if not colon:
        return address.lower()
    host = canonical_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_port(text: str) -> bool:
    """Return whether ``text`` is a port from 1 to 65535 without leading zeros."""
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def _line(node: Node) -> str:
    return json.dumps(node.to_mapping(), ensure_ascii=False)


def _entry(text: str, number: int) -> Node:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ForeignFormat(f"line {number}: not a line of JSON ({error})") from None
    node = Node.from_mapping(entry, f"line {number}")
    if _line(node) != text:
        raise ForeignFormat(f"line {number}: {text[:QUOTED]!r} was not written by this collection")
    return node
