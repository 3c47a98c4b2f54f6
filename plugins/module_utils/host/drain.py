# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes ports of this host to all but itself, for as long as a lease lasts. Standard library only, Python 3.9+.

By a table of nftables of our own, whose elements remove themselves: ports are open again when whoever closed them dies. Packets
to a closed port are answered by a TCP reset, connections that stand included, so that clients go elsewhere at once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.host_state import HostStateError

TABLE = "inet banyandb_drain"
# Before the filter hooks of others (0): a port that they accept is closed all the same.
_PRIORITY = -150
_OPEN = f"add table {TABLE}\ndelete table {TABLE}\n"
# The host itself goes on: the server's own HTTP asks its gRPC port, and the proof asks the HTTP port.
_CLOSED = (
    f"add table {TABLE}\n"
    f"add set {TABLE} closed {{ type inet_service; flags timeout; }}\n"
    f"add chain {TABLE} input {{ type filter hook input priority {_PRIORITY}; policy accept; }}\n"
    f"flush chain {TABLE} input\n"
    f'add rule {TABLE} input iifname "lo" accept\n'
    f"add rule {TABLE} input tcp dport @closed reject with tcp reset\n"
    f"flush set {TABLE} closed\n"
    f"add element {TABLE} closed {{ {{elements}} }}\n"
)
# A lease is renewed when this share of it is left.
_RENEW = 0.5


def program() -> str:
    """Where nft is. Raises HostStateError (``no_nft``)."""
    # Not in the PATH of an unprivileged account on Debian.
    found = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if not found:
        raise HostStateError(
            "no_nft",
            "nft, the program of nftables, is not on this host, so no liaison can be drained here. Install nftables, set "
            "banyandb_liaison_drain_install: true to have it installed, or set banyandb_liaison_drain to hook or none",
        )
    return found


def closed() -> list[int]:
    """The ports that are closed now. Raises HostStateError."""
    listed = _nft(["list", "tables"], "")
    if TABLE not in listed:
        return []
    text = _nft(["-n", "list", "set", *TABLE.split(), "closed"], "")
    elements = re.search(r"elements = \{(.*?)\}", text, re.DOTALL)
    return sorted(int(port) for port in re.findall(r"(?:^|,)\s*(\d+)", elements.group(1))) if elements else []


def close(ports: Sequence[int], lease: float, hold: float = 0.0) -> None:
    """Close ``ports`` for ``lease`` seconds, and return when they have been closed, or again, for ``hold`` seconds.

    The lease counts from the end. Raises HostStateError.
    """
    script = _CLOSED.replace("{elements}", ", ".join(f"{port} timeout {lease:.0f}s" for port in ports))
    _nft(["-f", "-"], script)
    ends = time.monotonic() + hold
    while time.monotonic() < ends:
        time.sleep(max(0.0, min(ends - time.monotonic(), lease * _RENEW)))
        _nft(["-f", "-"], script)


def reopen() -> None:
    """Open what was closed. Raises HostStateError."""
    _nft(["-f", "-"], _OPEN)


def _nft(arguments: Sequence[str], script: str) -> str:
    command = [program(), *arguments]
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        kind = "permission_denied" if "not permitted" in said else "nft_failed"
        raise HostStateError(kind, f"{' '.join(command)} failed: {said}" + ("; run this with become: true" if kind == "permission_denied" else ""))
    return done.stdout.decode("utf-8", "replace")
