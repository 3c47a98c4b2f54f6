# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks ports of this host for all clients except the server and root, until a lease ends. Standard library only, Python 3.9+.

Uses its own nftables table. The elements of the table have a time-out, so the ports open even if the process that blocked them dies. The firewall
answers packets to a blocked port with a TCP reset, also in open connections, so clients connect to another liaison at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import kept_table, nftables

TABLE = "inet banyandb_drain"
# Before other filter hooks (priority 0), which may accept a blocked port.
_PRIORITY = -150
# The server's HTTP port queries its own gRPC port, and this collection queries the HTTP port as root. Only the output hook knows the sender's uid.
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
# The lease is renewed when this part of the lease is left.
_RENEW = 0.5


def closed() -> list[int]:
    """Return the blocked ports. Raises HostStateError."""
    return sorted(map(int, nftables.elements(TABLE, "closed"))) if nftables.has(TABLE) else []


def close(ports: Sequence[int], lease: float, hold: float = 0.0, user: str | None = None) -> int:
    """Block ``ports`` for ``lease`` seconds, and return after ``hold`` seconds without a break. Return how often another program removed the table.

    The lease starts again at the return. ``user``: the account of the server, which may still use the ports. Raises HostStateError.
    """
    elements = ", ".join(f"{port} timeout {lease:.0f}s" for port in ports)
    script = _CLOSED.replace("{elements}", elements).replace("{exempt}", nftables.exempt(user))
    return kept_table.hold(TABLE, script, hold, lease * _RENEW)


def reopen() -> None:
    """Open the blocked ports. Raises HostStateError."""
    nftables.remove(TABLE)
