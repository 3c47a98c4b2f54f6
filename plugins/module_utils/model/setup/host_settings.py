# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a host that tasks read of each host of a run: from its variables, or the defaults of the roles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import roots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import (
    DEFAULT_CLUSTER,
    DEFAULT_DATA_DIR,
    DEFAULT_DRAIN,
    DEFAULT_USER,
)

#: The variables that host_settings() reads.
VARIABLES = ("banyandb_cluster", "banyandb_user", "banyandb_liaison_drain", "banyandb_data_dir", "banyandb_storage")


class HostSettings(NamedTuple):
    """``data_roots``: data directories, the one of ``banyandb_data_dir`` first."""

    cluster: str
    user: str
    drain: str
    data_roots: tuple[str, ...]


def host_settings(role: str, variables: Mapping[str, Any]) -> HostSettings:
    """Return the settings of a host. ``role``: kind of the node. Preflight refuses values of other types."""
    given = variables.get("banyandb_storage")
    storage = {name: path for name, path in given.items() if isinstance(path, str)} if isinstance(given, Mapping) else {}
    data_dir = str(variables.get("banyandb_data_dir") or DEFAULT_DATA_DIR)
    return HostSettings(
        cluster=str(variables.get("banyandb_cluster") or DEFAULT_CLUSTER),
        user=str(variables.get("banyandb_user") or DEFAULT_USER),
        drain=str(variables.get("banyandb_liaison_drain") or DEFAULT_DRAIN),
        data_roots=tuple(roots({"banyandb_kind": role, "banyandb_storage": storage, "banyandb_data_dir": data_dir})),
    )
