# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at servers over and over, while they are restarted: ``witness.py STOP ADDRESS...``, until the file STOP is there.

Prints as JSON ``rounds``, ``outages`` (address -> how often its server went away), ``least_answering`` (the smallest number of servers that
answered in one round), ``least_used`` (the smallest number of data nodes that a liaison which answered used, null without one), and
``empty``: sentences, one for each time that a server that ran lost its whole view, or that one went away while another showed nothing. (A
server that has just started may show nothing yet.)
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path

SECONDS_BETWEEN = 0.2


def tables(address: str) -> dict | None:
    """The route tables of the server; None when it does not answer."""
    connection = http.client.HTTPConnection(address, 17913, timeout=5)
    try:
        connection.request("GET", "/api/v1/cluster/state")
        response = connection.getresponse()
        return json.loads(response.read())["routeTables"] if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def shows_nothing(found: dict | None) -> bool:
    return found is not None and not any(table.get("registered") for table in found.values())


def main() -> None:
    stop, addresses = Path(sys.argv[1]), sys.argv[2:]
    rounds, least_answering = 0, len(addresses)
    outages = dict.fromkeys(addresses, 0)
    used: list[int] = []
    empty: list[str] = []
    before = {address: tables(address) for address in addresses}
    while not stop.exists():
        now = {address: tables(address) for address in addresses}
        shown = [address for address in addresses if before[address] is not None and not shows_nothing(before[address])]
        empty += [f"{address} lost its view" for address in shown if shows_nothing(now[address])]
        for gone in (address for address in addresses if before[address] is not None and now[address] is None):
            outages[gone] += 1
            empty += [f"{gone} went away while {address} showed nothing" for address in addresses if shows_nothing(now[address])]
        used += [len(found["tire2"].get("active", [])) for found in now.values() if found and "tire2" in found]
        used = [min(used)] if used else []
        least_answering = min(least_answering, sum(found is not None for found in now.values()))
        before = now
        rounds += 1
        time.sleep(SECONDS_BETWEEN)
    least_used = used[0] if used else None
    print(json.dumps({"rounds": rounds, "outages": outages, "least_answering": least_answering, "least_used": least_used, "empty": empty}))


if __name__ == "__main__":
    main()
