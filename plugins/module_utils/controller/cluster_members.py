# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the nodes of an inventory without the effect of ``banyandb_remove``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import clusters


def members(variables: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return cluster -> the nodes of the inventory, including the nodes in ``banyandb_remove``. ``variables``: variables of a task."""
    hostvars = {host: Staying(variables["hostvars"][host]) for hosts in variables["groups"].values() for host in hosts}
    return {name: cluster.nodes for name, cluster in clusters(variables["groups"], hostvars).items()}


class Staying(Mapping[str, Any]):
    """The variables of a host without ``banyandb_remove``."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        if name == "banyandb_remove":
            raise KeyError(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._variables if name != "banyandb_remove")

    def __len__(self) -> int:
        return len(list(iter(self)))
