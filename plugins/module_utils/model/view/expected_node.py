# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must be, to compare a view with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import labels_expected
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import role_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity


class ExpectedNode(NamedTuple):
    """What a node must be.

    ``name``: entry name, which is the inventory name. ``node_name``: the name that the node reports. ``role``: data, liaison or standalone.
    ``roles`` (``ROLE_*``) and ``labels``: None means that a view may show any.
    """

    name: str
    node_name: str
    role: str
    roles: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> ExpectedNode:
        """Read one node of a cluster: ``name``, ``node_name``, ``role``, ``roles`` and ``labels``, whose values are text.

        An entry without ``node_name`` or ``role`` has the defaults of its ``grpc_address``: the address itself, and the kind of its port.
        Raises TopologyError for a bad address.
        """
        labels = entry["labels"]
        return cls(
            name=entry["name"],
            node_name=entry["node_name"] or entry["grpc_address"],
            role=entry["role"] or role_of(entry["grpc_address"]),
            roles=None if entry["roles"] is None else tuple(entry["roles"]),
            labels=None if labels is None else tuple(sorted(labels.items())),
        )

    @classmethod
    def of_option(cls, entry: Mapping[str, Any]) -> ExpectedNode:
        """Read one node of a module's option ``nodes``, whose labels may also be numbers and booleans. Raises BadLabel, TopologyError."""
        labels = labels_expected(entry["labels"], f"node {entry['name']!r}: labels")
        return cls.of({**entry, "labels": None if labels is None else dict(labels)})

    @classmethod
    def observer(cls, name: str, role: str) -> ExpectedNode:
        """Return the node that gives a view. The name that this node reports is not known, and no view is compared with it."""
        return cls(name, "", role)

    def describes(self, seen: Identity) -> bool:
        """Return whether ``seen`` is what this node must be."""
        return (
            seen.node_name == self.node_name
            and (self.roles is None or sorted(seen.roles) == sorted(self.roles))
            and (self.labels is None or sorted(seen.labels) == sorted(self.labels))
        )
