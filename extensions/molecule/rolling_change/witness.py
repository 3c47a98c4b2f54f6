# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at liaisons all the while: ``python witness.py STOP ADDRESS...``, until the file STOP is there.

Prints as JSON ``rounds``, ``least_data`` (the smallest number of data nodes that a liaison which answered used), ``least_liaisons`` (the smallest
number of liaisons that answered in one round), and ``away`` (address -> in how many rounds it did not answer).
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path

SECONDS_BETWEEN = 0.2


def used(address: str) -> int | None:
    """How many data nodes the liaison uses; None when it does not answer."""
    connection = http.client.HTTPConnection(address, 17913, timeout=5)
    try:
        connection.request("GET", "/api/v1/cluster/state")
        response = connection.getresponse()
        tables = json.loads(response.read())["routeTables"] if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return None if tables is None else len(tables.get("tire2", {}).get("active", []))


def main() -> None:
    stop, addresses = Path(sys.argv[1]), sys.argv[2:]
    rounds, least_data, least_liaisons = 0, sys.maxsize, len(addresses)
    away = dict.fromkeys(addresses, 0)
    while not stop.exists():
        found = {address: used(address) for address in addresses}
        answered = [number for number in found.values() if number is not None]
        least_data = min([least_data, *answered])
        least_liaisons = min(least_liaisons, len(answered))
        for address in addresses:
            away[address] += found[address] is None
        rounds += 1
        time.sleep(SECONDS_BETWEEN)
    print(json.dumps({"rounds": rounds, "least_data": least_data, "least_liaisons": least_liaisons, "away": away}))


if __name__ == "__main__":
    main()
