# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server that was restarted with few entries is given once it listens. Pure.

A server starts with the entries that respond, since each other entry delays its start by 5 s (section 1 of the contract). What it listed
before must not get lost by that: a node that cannot be reached for a moment comes back, and then the server must know it.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, ordered


def after_start(before: Topology, started: Topology, own: Collection[str]) -> Topology:
    """Return the topology for a server that listens again.

    ``before``: what the file listed when the server was stopped; ``started``: what it was started with; ``own``: names of the entries of the
    server itself, which respond by now. Every entry that ``started`` lists stays. An entry that it holds back is listed as ``before`` listed it.
    """
    listed = list(started.listed)
    taken = {node.grpc_address.lower() for node in listed}
    stood = {node.name: node for node in before.listed}
    addresses = {node.grpc_address for node in before.listed}
    held_back, silent = [], []
    for node in started.held_back:
        # The same address under another name is the same entry to the server.
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
