# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes ports of this host to all but the server itself and root, for as long as a lease lasts. Standard library only, Python 3.9+.

By a table of nftables of our own, whose elements remove themselves: ports are open again when whoever closed them dies. Packets
to a closed port are answered by a TCP reset, connections that stand included, so that clients go elsewhere at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables

TABLE = "inet banyandb_drain"
# Before the filter hooks of others (0): a port that they accept is closed all the same.
_PRIORITY = -150
# The server's own HTTP asks its gRPC port, and the proof, as root, asks the HTTP port. Who sends is known on the way out alone.
_CLOSED = (
    f"add table {TABLE}\n"
    f"add set {TABLE} closed {{ type inet_service; flags timeout; }}\n"
    f"add chain {TABLE} input {{ type filter hook input priority {_PRIORITY}; policy accept; }}\n"
    f"flush chain {TABLE} input\n"
    f'add rule {TABLE} input iifname "lo" accept\n'
    f"add rule {TABLE} input tcp dport @closed reject with tcp reset\n"
    f"add chain {TABLE} output {{ type filter hook output priority {_PRIORITY}; policy accept; }}\n"
    f"flush chain {TABLE} output\n"
    f'add rule {TABLE} output oifname "lo" tcp dport @closed meta skuid != {{ {{exempt}} }} reject with tcp reset\n'
    f"flush set {TABLE} closed\n"
    f"add element {TABLE} closed {{ {{elements}} }}\n"
)
# A lease is renewed when this share of it is left.
_RENEW = 0.5


def closed() -> list[int]:
    """The ports that are closed now. Raises HostStateError."""
    return sorted(map(int, nftables.elements(TABLE, "closed"))) if nftables.has(TABLE) else []


def close(ports: Sequence[int], lease: float, hold: float = 0.0, user: str | None = None) -> None:
    """Close ``ports`` for ``lease`` seconds, and return when they have been closed, or again, for ``hold`` seconds.

    The lease counts from the end. ``user``: the account of the server, which goes on to ask itself. Raises HostStateError.
    """
    elements = ", ".join(f"{port} timeout {lease:.0f}s" for port in ports)
    script = _CLOSED.replace("{elements}", elements).replace("{exempt}", nftables.exempt(user))
    nftables.apply(script)
    ends = time.monotonic() + hold
    while time.monotonic() < ends:
        time.sleep(max(0.0, min(ends - time.monotonic(), lease * _RENEW)))
        nftables.apply(script)


def reopen() -> None:
    """Open what was closed. Raises HostStateError."""
    nftables.remove(TABLE)
