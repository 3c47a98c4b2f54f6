# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse a topology file by the rules of the real server's YAML library.

The library decodes into typed fields. A scalar is a text with its exact spelling. Only the first document counts. An empty list item
is ignored. A repeated key or a value of the wrong kind rejects the whole file. JSON is valid YAML.
Each of these rules was tried on the real server.
"""

from __future__ import annotations

from typing import NamedTuple

import yaml

_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}
_FALSE = {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"}


class InvalidFile(Exception):
    """The server rejects the whole topology file. The message says why."""


class InvalidEntry(InvalidFile):
    """The server rejects the file because of the content of one entry. Only this error counts as a failed load (measured)."""


class Entry(NamedTuple):
    """One node of the topology file."""

    name: str
    address: str
    tls: bool
    ca_cert_path: str


def parse_topology(content):
    """Return the entries of a topology file, in their order. content: bytes.

    Unknown keys are ignored; an empty file has no entries. Raises InvalidFile (contract, section 1: rejected files).
    """
    try:
        loader = yaml.BaseLoader(content)
        root = loader.get_node() if loader.check_node() else None
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidFile(f"failed to parse YAML: {error}") from None
    nodes = _fields(root, "the document").get("nodes")
    if _is_null(nodes):
        return []
    if not isinstance(nodes, yaml.SequenceNode):
        raise InvalidFile("failed to parse YAML: nodes is not a list")
    # Read all entries before the check of the first: a wrong form rejects the file before a wrong entry does.
    entries = [_entry(_fields(node, "a node")) for node in nodes.value if not _is_null(node)]
    for index, entry in enumerate(entries):
        if not entry.address:
            raise InvalidEntry(f"node {entry.name} at index {index} is missing required field: grpc_address")
        if entry.tls and not entry.ca_cert_path:
            raise InvalidEntry(f"node {entry.name} at index {index} has TLS enabled but missing ca_cert_path")
    return entries


def _is_null(node):
    return node is None or (isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS)


def _fields(node, what):
    if _is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise InvalidFile(f"failed to parse YAML: {what} is not a mapping")
    fields, merged = {}, {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value == "<<" and key.style is None:
            merged.update(_fields(value, "what is merged"))
            continue
        if key.value in fields:
            raise InvalidFile(f"failed to parse YAML: {what} has the key {key.value} twice")
        fields[key.value] = value
    return {**merged, **fields}


def _entry(fields):
    return Entry(
        _text(fields.get("name"), "name"),
        _text(fields.get("grpc_address"), "grpc_address"),
        _boolean(fields.get("tls_enabled"), "tls_enabled"),
        _text(fields.get("ca_cert_path"), "ca_cert_path"),
    )


def _text(node, field):
    if _is_null(node):
        return ""
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidFile(f"failed to parse YAML: {field} is not a text")
    return node.value


def _boolean(node, field):
    if _is_null(node):
        return False
    if isinstance(node, yaml.ScalarNode) and node.value in _TRUE | _FALSE:
        return node.value in _TRUE
    raise InvalidFile(f"failed to parse YAML: {field} is not a boolean")
