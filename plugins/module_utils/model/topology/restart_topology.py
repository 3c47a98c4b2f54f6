# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the topology of a server after a restart with few entries. Pure.

A server starts with only the entries that respond, because each other entry delays the start by 5 s (section 1 of the contract).
The entries from before the restart must return: an unreachable node may come back, and the server must then list the node.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, ordered


def after_start(before: Topology, started: Topology, own: Collection[str]) -> Topology:
    """Return the topology for a server that listens again.

    ``before``: topology when the server was stopped. ``started``: topology with which the server was started.
    ``own``: names of the server's own entries, which respond now.
    Every listed entry of ``started`` stays. A held back entry of ``started`` is listed as in ``before``.
    """
    listed = list(started.listed)
    taken = {node.grpc_address.lower() for node in listed}
    stood = {node.name: node for node in before.listed}
    addresses = {node.grpc_address for node in before.listed}
    held_back, silent = [], []
    for node in started.held_back:
        # For the server, the same address under another name is the same entry.
        now = node if node.name in own or node.grpc_address in addresses else stood.get(node.name)
        if now is None or now.grpc_address.lower() in taken:
            held_back.append(node)
            continue
        listed.append(now)
        taken.add(now.grpc_address.lower())
        if node.name not in own:
            silent.append(now.name)
    taken_by = {node.grpc_address.lower() for node in listed}
    return Topology(ordered(listed, silent), ordered(node for node in held_back if node.grpc_address.lower() not in taken_by))
