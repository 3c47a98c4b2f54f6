# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert messages of servers to values of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import parse
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View


def identity(node: Any) -> Identity:
    """Return the identity in a ``banyandb.database.v1.Node``. Raises ValueError for an invalid date."""
    return Identity(
        node_name=node.metadata.name,
        grpc_address=node.grpc_address,
        roles=roles(node),
        labels=tuple(sorted(node.labels.items())),
        created_at=created_at(node),
    )


def roles(node: Any) -> tuple[str, ...]:
    """Return the names of the node's roles. A role that this collection does not know becomes its number."""
    names = node.DESCRIPTOR.fields_by_name["roles"].enum_type.values_by_number
    return tuple(names[number].name if number in names else str(number) for number in node.roles)


def created_at(node: Any) -> str:
    """Return the date as RFC 3339, as in the server's JSON; empty when the node has no date. Raises ValueError."""
    try:
        return str(node.created_at.ToJsonString()) if node.HasField("created_at") else ""
    except OverflowError as error:  # protobuf 4; later versions raise ValueError
        raise ValueError(f"a node with a created_at that is no date ({error})") from None


class _Identities(dict):  # type: ignore[type-arg]
    """Bytes of a node -> its Identity. Each node is decoded at its first use."""

    def __missing__(self, data: bytes) -> Identity:
        self[data] = seen = identity(parse("banyandb.database.v1.Node", data))
        return seen


def view_decoder() -> Callable[[bytes], View]:
    """Return a decoder of GetClusterState answers, for all endpoints of one round.

    The answers of n nodes repeat the same n nodes, mostly with equal bytes. The decoder decodes each distinct node once. So 500 answers of 500 nodes
    cost
    little more than 500 nodes. The decoder raises ValueError for invalid bytes.
    """
    node = _Identities().__getitem__

    def decode(data: bytes) -> View:
        return View(
            {
                name: RouteTable(tuple(map(node, table.registered)), tuple(table.active), tuple(table.evictable))
                for name, table in parse("lean.ClusterState", data).route_tables.items()
            }
        )

    return decode
