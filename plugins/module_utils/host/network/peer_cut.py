# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks the connection from the liaison on this host to a drained liaison. Clients wait meanwhile. Standard library only, Python 3.9+.

A liaison that still uses the drained liaison when the drained liaison becomes unreachable can acknowledge a part of a batch and then drop this part.
The lost points are points for a node without an open stream, in a batch whose first point was for the drained liaison. Under load, 24 of 19,200
points were lost (measured; source: the server's banyand/queue/pub/batch.go). So no client may write until the server on this host has noticed that
the drained liaison is unreachable.

The firewall drops the packets of clients, and TCP sends the packets again. Clients see a slow answer and no error.

The server never answers a batch whose connection breaks (measured: only the client's limit of 20 s ended the batch). So the cut first waits for open
batches, and accepts the rest of a batch that a client has half sent.

Each drained liaison has its own nftables table. The elements of the table have a time-out.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import TIRE1, RouteTable, View

# Seconds for which the metrics must show no new and no open write. Without metrics, only the time counts.
QUIET_SECONDS = 0.2
# Seconds without progress of the open writes after which the ports open again, because a client may be in the middle of a batch.
STALL_SECONDS = 0.3
# The part of the patience that is for open writes.
WRITES_SHARE = 1 / 3
POLL_SECONDS = 0.05
#: Beginning of the names of all cuts.
TABLES = "inet banyandb_cut_"
_PRIORITY = -150
_TABLE = """
add table {table}
delete table {table}
add table {table}
add set {table} waiting {{ type inet_service; flags timeout; }}
add set {table} cut4 {{ type ipv4_addr . inet_service; flags timeout; }}
add set {table} cut6 {{ type ipv6_addr . inet_service; flags timeout; }}
add chain {table} input {{ type filter hook input priority {priority}; policy accept; }}
add rule {table} input iifname "lo" accept
add rule {table} input tcp dport @waiting drop
add chain {table} output {{ type filter hook output priority {priority}; policy accept; }}
add rule {table} output oifname "lo" tcp dport @waiting meta skuid != {{ {exempt} }} drop
add rule {table} output ip daddr . tcp dport @cut4 reject with tcp reset
add rule {table} output ip6 daddr . tcp dport @cut6 reject with tcp reset
"""


@dataclass(frozen=True)
class Cut:
    """Result of a cut. ``addresses``: blocked addresses (``host:port``). ``waited``: seconds for which clients waited.

    ``under_way``: number of write streams without an answer at the cut; None without metrics.
    """

    addresses: Sequence[str]
    waited: float
    under_way: int | None


def cut(
    name: str,
    node_names: Collection[str],
    ask_view: Callable[[], View | Failure],
    ask_streams: Callable[[], WriteStreams | Failure],
    ports: Collection[int],
    lease: float,
    patience: float,
    user: str | None = None,
) -> Cut:
    """Block the connection to a liaison for ``lease`` seconds. Return when the server on this host stops using this liaison.

    ``name``: name of the cut. ``node_names``: names by which this server may know the liaison. ``ports``: client ports. Clients wait for at most
    ``patience`` seconds. Root and ``user`` (the server's account) on this host do not wait. A liaison that is not in the view needs no cut. Raises
    HostStateError: errors of nftables, ``no_view``, ``not_resolved``, and after ``patience`` ``still_used``. After an error the cut is removed.
    """
    table = table_of(name)
    addresses = foreseen(node_names, ask_view())
    if not addresses:
        return Cut((), 0.0, 0)
    resolved = [_resolved(address) for address in addresses]
    nftables.apply(_TABLE.format(table=table, priority=_PRIORITY, exempt=nftables.exempt(user)))
    began = time.monotonic()
    try:
        clients = _Clients(table, ports, began + patience + 1.0)
        under_way = _finish_writes(clients, ask_streams, began + patience * WRITES_SHARE)
        nftables.apply("".join(_added(table, f"cut{version}", found, lease) for each in resolved for version, found in each.items()))
        while _is_used(node_names, ask_view()):
            if time.monotonic() - began > patience:
                raise HostStateError(
                    "still_used",
                    f"{addresses[0]}: the liaison on this host still uses this liaison {patience:g} s after the cut. "
                    "Remove BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL from banyandb_env.",
                )
            time.sleep(POLL_SECONDS)
    except BaseException:
        nftables.remove(table)
        raise
    clients.open()
    return Cut(addresses, clients.waited, under_way)


def foreseen(node_names: Collection[str], view: View | Failure) -> tuple[str, ...]:
    """Return the addresses that cut() would block. The result is empty if the view shows none of ``node_names``. Raises HostStateError."""
    known = _known(view).by_name
    addresses = tuple(dict.fromkeys(known[name].grpc_address for name in node_names if name in known))
    for address in addresses:
        _resolved(address)
    return addresses


def cuts(name: str | None) -> list[str]:
    """Return the tables of the cut ``name``, or of all cuts on this host. A cut may have ended. Raises HostStateError."""
    return [table for table in nftables.tables() if (table == table_of(name) if name else table.startswith(TABLES))]


def join(name: str | None) -> None:
    """Remove the cut ``name``, or all cuts on this host. Raises HostStateError."""
    for table in cuts(name):
        nftables.remove(table)


class _Clients:
    """The clients of ``ports``. The constructor blocks the ports. ``waited``: sum of the seconds for which the ports were blocked."""

    def __init__(self, table: str, ports: Collection[int], lease_ends: float) -> None:
        self._table = table
        self._ports = [str(port) for port in ports]
        self._lease_ends = lease_ends  # the kernel opens the ports if this process dies
        self.waited = 0.0
        self.block()

    def block(self) -> None:
        nftables.apply(_added(self._table, "waiting", self._ports, self._lease_ends - time.monotonic()))
        self._since = time.monotonic()

    def open(self) -> float:
        """Open the ports, and return for how many seconds they were blocked."""
        nftables.apply(f"flush set {self._table} waiting\n")
        lately = time.monotonic() - self._since
        self.waited += lately
        return lately


def _finish_writes(clients: _Clients, ask_streams: Callable[[], WriteStreams | Failure], ends: float) -> int | None:
    """Wait until the server has answered all open writes, or until ``ends`` (seconds of the monotonic clock).

    Return the number of open writes, or None without metrics. If writes stay open, open the ports for as long as the ports were blocked. The blocked
    packets arrive in this time, because TCP doubles the time between its attempts (RFC 6298, section 5.5). The ports are blocked at the return.
    """
    stall = STALL_SECONDS
    while True:
        time_for_more = time.monotonic() + 4 * stall < ends
        under_way = _under_way(_at_rest(ask_streams, stall if time_for_more else math.inf, ends))
        if not under_way or time.monotonic() >= ends:
            return under_way
        time.sleep(clients.open() + QUIET_SECONDS)
        clients.block()
        stall *= 2


def _at_rest(ask_streams: Callable[[], WriteStreams | Failure], stall: float, ends: float) -> WriteStreams | Failure:
    """Return the metrics when they have not changed for QUIET_SECONDS, or with open writes for ``stall`` seconds, or at ``ends``."""
    seen, since = ask_streams(), time.monotonic()
    while time.monotonic() < ends and time.monotonic() - since < (stall if _under_way(seen) else QUIET_SECONDS):
        time.sleep(POLL_SECONDS)
        before, seen = seen, ask_streams()
        if seen != before:
            since = time.monotonic()
    return seen


def _under_way(seen: WriteStreams | Failure) -> int | None:
    return None if isinstance(seen, Failure) else seen.under_way


def table_of(name: str) -> str:
    """Return family and name of the table of the cut ``name``."""
    return f"{TABLES}{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _added(table: str, of: str, elements: Collection[str], seconds: float) -> str:
    listed = ", ".join(f"{element} timeout {max(seconds, 1.0):.0f}s" for element in elements)
    return f"add element {table} {of} {{ {listed} }}\n" if listed else ""


def _known(view: View | Failure) -> RouteTable:
    if not isinstance(view, Failure):
        return view.tables.get(TIRE1, RouteTable())
    raise HostStateError(
        "no_view", fitted("the liaison on this host returns no cluster view: ", view.message, ". Run skywalking.banyandb.restart for this liaison.")
    )


def _is_used(node_names: Collection[str], view: View | Failure) -> bool:
    if isinstance(view, Failure):
        return True  # an unknown view counts as "used"
    return not {*node_names}.isdisjoint(view.tables.get(TIRE1, RouteTable()).active)


def _resolved(address: str) -> dict[int, list[str]]:
    """Return IP version -> resolved addresses, each as ``<address> . <port>`` for nft. Raises HostStateError (``not_resolved``)."""
    host, port = split_address(address)
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = fitted(f"{address}: this host cannot resolve the drained liaison: ", str(error), ". Correct the host's DNS.")
        raise HostStateError("not_resolved", said) from error
    addresses = [ipaddress.ip_address(text) for text in sorted({str(answer[4][0]).partition("%")[0] for answer in answers})]
    return {version: [f"{ip} . {port}" for ip in addresses if ip.version == version] for version in (4, 6)}
