# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of one node: the route tables that its running server reports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, shown

# Names of the route tables, as the server spells them.
PROPERTY = "property"
TIRE1 = "tire1"
TIRE2 = "tire2"

# States of a connection.
ACTIVE = "active"
EVICTABLE = "evictable"


class ViewError(ValueError):
    """An answer that is not a cluster state. The message names the field that is wrong."""


class Identity(NamedTuple):
    """What a node reports, as another node has cached it."""

    node_name: str
    grpc_address: str = ""
    roles: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    created_at: str = ""

    @classmethod
    def from_mapping(cls, node: Mapping[str, Any]) -> Identity:
        """Read what to_mapping() returned."""
        labels = tuple(sorted(node["labels"].items()))
        return cls(node["node_name"], node["grpc_address"], tuple(node["roles"]), labels, node["created_at"])

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for a module's result."""
        return {
            "node_name": self.node_name,
            "grpc_address": self.grpc_address,
            "roles": list(self.roles),
            "labels": dict(self.labels),
            "created_at": self.created_at,
        }


@dataclass(frozen=True)
class RouteTable:
    """One table of a view. ``active`` and ``evictable``: node names, by the state of the connection."""

    registered: tuple[Identity, ...] = ()
    active: tuple[str, ...] = ()
    evictable: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Identity]:
        """Return node name -> identity."""
        return {node.node_name: node for node in self.registered}

    @cached_property
    def connections(self) -> Mapping[str, str]:
        """Return node name -> ``active`` or ``evictable``. A node in both lists counts as evictable."""
        return {**dict.fromkeys(self.active, ACTIVE), **dict.fromkeys(self.evictable, EVICTABLE)}


@dataclass(frozen=True)
class View:
    """The route tables of one running node: table name -> RouteTable."""

    tables: Mapping[str, RouteTable] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, answer: object) -> View:
        """Read the decoded JSON of ``/api/v1/cluster/state`` (camelCase). Raises ViewError."""
        fields = _mapping(answer, "the answer")
        if fields and "routeTables" not in fields:  # {} alone is proto3's JSON of a view without tables
            raise ViewError("routeTables is missing: not a cluster state")
        tables = _mapping(fields.get("routeTables", {}), "routeTables")
        return cls({name: _route_table(table, f"routeTables.{cut(name)}") for name, table in tables.items()})

    @classmethod
    def from_result(cls, tables: Mapping[str, Any]) -> View:
        """Read what to_mapping() returned. Raises ViewError, KeyError or TypeError for anything else."""
        return cls(
            {
                name: RouteTable(
                    tuple(Identity.from_mapping(node) for node in table["registered"]),
                    tuple(table["active"]),
                    tuple(table["evictable"]),
                )
                for name, table in tables.items()
            }
        )

    def registered_names(self) -> frozenset[str]:
        """Return the names of all nodes in all tables."""
        return frozenset(node.node_name for table in self.tables.values() for node in table.registered)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for a module's result."""
        return {
            name: {
                "registered": [node.to_mapping() for node in table.registered],
                "active": list(table.active),
                "evictable": list(table.evictable),
            }
            for name, table in sorted(self.tables.items())
        }


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ViewError(f"{where}: expected an object, got {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise ViewError(f"{where}: expected text keys, got {shown(key)}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ViewError(f"{where}: expected a list of texts, got {type(value).__name__}")
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(value))


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ViewError(f"{where}: expected a text, got {type(value).__name__}")
    return value


def _route_table(value: object, where: str) -> RouteTable:
    table = _mapping(value, where)
    registered = table.get("registered", [])
    if not isinstance(registered, (list, tuple)):
        raise ViewError(f"{where}.registered: expected a list of nodes, got {type(registered).__name__}")
    return RouteTable(
        registered=tuple(_identity(node, f"{where}.registered[{index}]") for index, node in enumerate(registered)),
        active=_texts(table.get("active", []), f"{where}.active"),
        evictable=_texts(table.get("evictable", []), f"{where}.evictable"),
    )


def _identity(value: object, where: str) -> Identity:
    node = _mapping(value, where)
    metadata = _mapping(node.get("metadata") or {}, f"{where}.metadata")
    labels = _mapping(node.get("labels") or {}, f"{where}.labels")
    return Identity(
        node_name=_text(metadata.get("name", ""), f"{where}.metadata.name"),
        grpc_address=_text(node.get("grpcAddress", ""), f"{where}.grpcAddress"),
        roles=_texts(node.get("roles", []), f"{where}.roles"),
        labels=tuple(sorted((key, _text(text, f"{where}.labels.{cut(key)}")) for key, text in labels.items())),
        created_at=_text(node.get("createdAt") or "", f"{where}.createdAt"),
    )
