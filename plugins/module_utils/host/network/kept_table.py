# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps an nftables table loaded without a break, although other programs may flush all rules. Standard library only, Python 3.9+.

A drain of a liaison counts only if its ports were blocked for the whole time: a client that writes after a flush leaves points in the memory of the
liaison. The kernel gives each new table the next handle. So the same handle at the start and at the end proves that the table was never removed.
"""

from __future__ import annotations

import time

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables

#: Times for which hold() starts again, before it fails.
FLUSHES = 5
_LOOK_SECONDS = 0.5


def hold(table: str, script: str, seconds: float, renew: float) -> int:
    """Load a table, and return after ``seconds`` in which the table was loaded without a break. Return how often the function restored the table.

    ``table``: family and name. ``script``: loads the table, and keeps a loaded table with the same handle (``add table``). The function runs the
    script again every ``renew`` seconds, and at the end. After a flush, the function restores the table and ``seconds`` starts again. The table is
    looked for every 0.5 s, so that a flush opens the ports for no longer. Raises HostStateError: errors of nftables, and ``flushed`` after FLUSHES
    flushes.
    """
    restored = 0
    handle = _load(table, script)
    if seconds <= 0:
        return 0
    began = renewed = time.monotonic()
    while True:
        ends = began + seconds
        now = time.monotonic()
        if handle is not None and nftables.handle(table) == handle and now < ends and now < renewed + renew:
            time.sleep(max(0.0, min(ends, renewed + renew, now + _LOOK_SECONDS) - now))
            continue
        again = _load(table, script)
        renewed = time.monotonic()
        if again is not None and again == handle:
            if now >= ends:
                return restored
            continue
        restored += 1
        if restored > FLUSHES:
            said = f"{table}: another program removed this table {restored} times. Stop the program that runs nft flush ruleset."
            raise HostStateError("flushed", said)
        handle, began = again, renewed


def _load(table: str, script: str) -> int | None:
    nftables.apply(script)
    return nftables.handle(table)
