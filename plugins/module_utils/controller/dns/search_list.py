# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search list of this machine's resolver, as its file says; for messages only."""

from __future__ import annotations

from functools import cache

RESOLV_CONF = "/etc/resolv.conf"


@cache
def search_list(path: str = RESOLV_CONF) -> tuple[str, ...]:
    """The domains of the last line ``search`` or ``domain`` (resolv.conf(5)); none where the file cannot be read."""
    found: tuple[str, ...] = ()
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                word, *domains = line.split() or [""]
                found = tuple(domains) if word in ("search", "domain") else found
    except OSError:
        return ()
    return found
