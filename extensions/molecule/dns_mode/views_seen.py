# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the views of servers over and over, while they are restarted: ``views_seen.py STOP ADDRESS...``, until the file STOP is there.

Prints as JSON ``rounds``, ``outages`` (address -> how often its server was away) and ``empty``: sentences, one for each time that a server
that ran lost its whole view, or that one went away while another showed nothing. (A server that has just started may show nothing yet.)
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path

SECONDS_BETWEEN = 0.2


def shown(address: str) -> set[str] | None:
    """The nodes in the tables of the server; None when it does not answer."""
    connection = http.client.HTTPConnection(address, 17913, timeout=5)
    try:
        connection.request("GET", "/api/v1/cluster/state")
        response = connection.getresponse()
        tables = json.loads(response.read())["routeTables"] if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return None if tables is None else {node["metadata"]["name"] for table in tables.values() for node in table.get("registered", [])}


def main() -> None:
    stop, addresses = Path(sys.argv[1]), sys.argv[2:]
    rounds = 0
    outages = dict.fromkeys(addresses, 0)
    empty: list[str] = []
    before = {address: shown(address) for address in addresses}
    while not stop.exists():
        now = {address: shown(address) for address in addresses}
        empty += [f"{address} lost its view" for address in addresses if before[address] and now[address] == set()]
        for gone in (address for address in addresses if before[address] is not None and now[address] is None):
            outages[gone] += 1
            empty += [f"{gone} went away while {address} showed nothing" for address in addresses if now[address] == set()]
        before = now
        rounds += 1
        time.sleep(SECONDS_BETWEEN)
    print(json.dumps({"rounds": rounds, "outages": outages, "empty": empty}))


if __name__ == "__main__":
    main()
