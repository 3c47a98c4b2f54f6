# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of nodes. Pure."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT, split_address

DATA = "data"
LIAISON = "liaison"
STANDALONE = "standalone"
ROLES = (DATA, LIAISON, STANDALONE)


def role_of(grpc_address: str) -> str:
    """Return the kind of the node at ``grpc_address`` (``host:port``): topologies list a liaison by port 18912 (section 3 of the contract)."""
    return LIAISON if split_address(grpc_address)[1] == LIAISON_PORT else DATA
