# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts the liaison on this host off from another one, which is drained, and lets clients wait meanwhile. Standard library only, Python 3.9+.

A liaison that still counts on another one when that one becomes unreachable may acknowledge a part of a batch and drop it: a point
whose node it has no stream to yet, in a batch whose first point was for the other one (seen: 24 of 19,200 points under load, read in
the server's banyand/queue/pub/batch.go). So nothing may be written here between the moment at which the other one becomes
unreachable and the one at which the server here has noticed. Clients feel a slow answer, no error: their packets are dropped, and
TCP sends them again. And a batch that is under way when the connection breaks is never answered (seen: the client's own limit of
20 s was what ended it), so what came in before is let through first, and so is the rest of a batch that is half sent.

By a table of nftables for each liaison that is drained, whose elements remove themselves.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import TIRE1, RouteTable, View

# For so long the metrics must show that nothing comes in and nothing is under way; without metrics the time must do.
QUIET_SECONDS = 0.2
# When the counts stand still for so long with something under way, a client may wait in the midst of its batch: all are let in once more.
STALL_SECONDS = 0.3
# The part of the patience for all that.
THROUGH_SHARE = 1 / 3
POLL_SECONDS = 0.05
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
    """``addresses`` that are cut off (``host:port``), and for how many seconds clients ``waited``.

    ``under_way``: how many streams of writes had no answer yet when it was cut off; None without metrics.
    """

    addresses: Sequence[str]
    waited: float
    under_way: int | None


def cut(
    name: str,
    node_name: str,
    ask_view: Callable[[], View | Failure],
    ask_streams: Callable[[], WriteStreams | Failure],
    ports: Collection[int],
    lease: float,
    patience: float,
    user: str | None = None,
) -> Cut:
    """Cut the server here off from the liaison ``node_name`` for ``lease`` seconds, and return when it does not use that one any more.

    ``name`` tells this cut from others. ``ports``: where clients come in; they wait, ``patience`` seconds at most, but for root and
    ``user``, the account of the server, on this host. A liaison that the view does not show needs no cut. Raises HostStateError: of
    nftables; ``no_view``; ``not_resolved``; ``still_used`` after ``patience``, when nothing is cut any more.
    """
    table = _table(name)
    address = foreseen(node_name, ask_view())
    if not address:
        return Cut((), 0.0, 0)
    found = _resolved(address)
    nftables.apply(_TABLE.format(table=table, priority=_PRIORITY, exempt=nftables.exempt(user)))
    began = time.monotonic()
    try:
        clients = _Clients(table, ports, began + patience + 1.0)
        under_way = _let_through(clients, ask_streams, began + patience * THROUGH_SHARE)
        nftables.apply("".join(_added(table, f"cut{version}", addresses, lease) for version, addresses in found.items()))
        while _is_used(node_name, ask_view()):
            if time.monotonic() - began > patience:
                raise HostStateError(
                    "still_used",
                    f"the liaison here still uses {node_name} ({address}) {patience:g} s after it was cut off from it: "
                    "see BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL in its environment, after which it looks (0 is never)",
                )
            time.sleep(POLL_SECONDS)
    except BaseException:
        nftables.remove(table)
        raise
    clients.let_in()
    return Cut((address,), clients.waited, under_way)


def foreseen(node_name: str, view: View | Failure) -> str:
    """Return the address that cut() would cut the server here off from; empty when the view does not show that node. Raises HostStateError."""
    known = _known(view).by_name.get(node_name)
    if known is None:
        return ""
    _resolved(known.grpc_address)
    return known.grpc_address


def is_cut(name: str) -> bool:
    """Whether there is a cut of that name, over or not. Raises HostStateError."""
    return nftables.has(_table(name))


def join(name: str) -> None:
    """Undo what cut() did. Raises HostStateError."""
    nftables.remove(_table(name))


class _Clients:
    """Those who come in by ``ports``. They wait from the start; ``waited`` is for how many seconds they did until they were last let in."""

    def __init__(self, table: str, ports: Collection[int], lease_ends: float) -> None:
        self._table = table
        self._ports = [str(port) for port in ports]
        self._lease_ends = lease_ends  # for when nobody comes to let them in
        self.waited = 0.0
        self.hold()

    def hold(self) -> None:
        nftables.apply(_added(self._table, "waiting", self._ports, self._lease_ends - time.monotonic()))
        self._since = time.monotonic()

    def let_in(self) -> float:
        """For how many seconds they had to wait this time."""
        nftables.apply(f"flush set {self._table} waiting\n")
        lately = time.monotonic() - self._since
        self.waited += lately
        return lately


def _let_through(clients: _Clients, ask_streams: Callable[[], WriteStreams | Failure], ends: float) -> int | None:
    """Wait until all writes that came in are answered, or the clock shows ``ends``; how many are not, None when nobody knows.

    When they are not, all are let in for once more as long as they have waited: with each try of TCP the time to the next one
    doubles (RFC 6298, section 5.5), so in that time comes what was held back. Clients wait when this returns.
    """
    stall = STALL_SECONDS
    while True:
        time_for_more = time.monotonic() + 4 * stall < ends
        under_way = _under_way(_at_rest(ask_streams, stall if time_for_more else math.inf, ends))
        if not under_way or time.monotonic() >= ends:
            return under_way
        time.sleep(clients.let_in() + QUIET_SECONDS)
        clients.hold()
        stall *= 2


def _at_rest(ask_streams: Callable[[], WriteStreams | Failure], stall: float, ends: float) -> WriteStreams | Failure:
    """What there is as soon as it has not changed for a while, which is ``stall`` with something under way, or at ``ends``."""
    seen, since = ask_streams(), time.monotonic()
    while time.monotonic() < ends and time.monotonic() - since < (stall if _under_way(seen) else QUIET_SECONDS):
        time.sleep(POLL_SECONDS)
        before, seen = seen, ask_streams()
        if seen != before:
            since = time.monotonic()
    return seen


def _under_way(seen: WriteStreams | Failure) -> int | None:
    return None if isinstance(seen, Failure) else seen.under_way


def _table(name: str) -> str:
    return f"inet banyandb_cut_{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _added(table: str, of: str, elements: Collection[str], seconds: float) -> str:
    listed = ", ".join(f"{element} timeout {max(seconds, 1.0):.0f}s" for element in elements)
    return f"add element {table} {of} {{ {listed} }}\n" if listed else ""


def _known(view: View | Failure) -> RouteTable:
    if not isinstance(view, Failure):
        return view.tables.get(TIRE1, RouteTable())
    raise HostStateError("no_view", f"the liaison here shows no view, so nobody knows whom it uses: {view.message}")


def _is_used(node_name: str, view: View | Failure) -> bool:
    if isinstance(view, Failure):
        return True  # nobody knows, so it counts as used
    return node_name in view.tables.get(TIRE1, RouteTable()).active


def _resolved(address: str) -> dict[int, list[str]]:
    """IP version -> what the address resolves to here, as nft has it: an address and a port."""
    host, port = split_address(address)
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostStateError("not_resolved", f"{address}, where the liaison here reaches the drained one, does not resolve: {error}") from error
    addresses = [ipaddress.ip_address(text) for text in sorted({str(answer[4][0]).partition("%")[0] for answer in answers})]
    return {version: [f"{ip} . {port}" for ip in addresses if ip.version == version] for version in (4, 6)}
