# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the nodes that a drain of this collection blocks on this host. A run that was killed leaves the tables of its drain until their lease ends.

Standard library only, Python 3.9+.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables, peer_cut, port_drain


def left() -> list[str]:
    """Return the tables of drains on this host, also those whose lease has ended. Raises HostStateError."""
    return [table for table in nftables.tables() if table == port_drain.TABLE or table.startswith(peer_cut.TABLES)]


def blocked(names: Iterable[str], here: str = "") -> dict[str, int]:
    """Return node -> seconds after which the firewall of this host opens the connections to this node. Nodes that are not blocked are left out.

    ``names``: nodes to look for; a cut has the inventory name of its liaison. ``here``: the node of this host, whose ports a drain may block.
    The result is empty for an account other than root, and on a host without nft: such a host cannot tell.
    """
    tables = {peer_cut.table_of(name): name for name in names}
    tables.update({port_drain.TABLE: here} if here else {})
    try:
        found = {name: nftables.seconds_left(table) for table in nftables.tables() if (name := tables.get(table))}
    except HostStateError:
        return {}
    return {name: seconds for name, seconds in found.items() if seconds}
