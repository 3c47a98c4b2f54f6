# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds host names that this host cannot resolve. Standard library only, Python 3.9+."""

from __future__ import annotations

import socket
from collections.abc import Collection

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side

NO_SUCH_NAME = "no_such_name"
NO_ANSWER = "no_answer"
NO_NAME = "no_name"

WORKERS = 64
#: Seconds for one round. A dead first nameserver costs 5 s before the query to the second one (resolv.conf(5), option timeout), twice.
SECONDS = 11.0
#: -5 and -9 are EAI_NODATA and EAI_ADDRFAMILY of netdb.h; Python has these names only on some platforms.
_NO_ADDRESS = (socket.EAI_NONAME, -5, -9)


def unresolved(names: Collection[str]) -> dict[str, str]:
    """Return host name -> why the name has no address on this host: ``no_such_name``, ``no_answer`` or ``no_name``.

    Resolves ``WORKERS`` names in parallel, for at most ``SECONDS`` a round. A name without a result is ``no_answer``.
    """
    wanted = sorted(set(names))
    rounds = -(-len(wanted) // WORKERS)
    found = side_by_side(_why_unresolved, wanted, WORKERS, rounds * SECONDS)
    reasons = {name: found.get(name, NO_ANSWER) for name in wanted}
    return {name: reason for name, reason in reasons.items() if reason}


def _why_unresolved(name: str) -> str | None:
    try:
        socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return NO_SUCH_NAME if error.errno in _NO_ADDRESS else NO_ANSWER
    except (OSError, ValueError):  # ValueError: IDNA cannot encode the name
        return NO_NAME
    return None
