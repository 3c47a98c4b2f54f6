# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask servers for their views in a loop until the file STOP exists: ``witness.py STOP ADDRESS...``.

Prints JSON:

- ``rounds``: number of rounds.
- ``outages``: address -> number of times that its server stopped.
- ``least_answering``: smallest number of servers that responded in one round.
- ``least_used``: smallest number of data nodes that a responding liaison used; null without a liaison.
- ``empty``: one sentence for each empty view. A running server lost its whole view, or a server stopped while another server showed an empty view.
  A server that has just started may show an empty view.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path

SECONDS_BETWEEN = 0.2


class Server:
    """One server, asked over one connection. A broken connection shows a restart, also a very short one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: http.client.HTTPConnection | None = None

    def look(self) -> tuple[dict | None, bool]:
        """Return the route tables, or None without a response; and whether the server stopped since the last look."""
        held = self._connection is not None
        found = self._ask() if held else None
        if found is not None:
            return found, False
        self._connection = http.client.HTTPConnection(self._address, 17913, timeout=5)
        return self._ask(), held

    def _ask(self) -> dict | None:
        try:
            self._connection.request("GET", "/api/v1/cluster/state")
            response = self._connection.getresponse()
            text = response.read()
            if response.status == 200:
                return json.loads(text)["routeTables"]
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self._connection.close()
        self._connection = None
        return None


def shows_nothing(found: dict | None) -> bool:
    return found is not None and not any(table.get("registered") for table in found.values())


def main() -> None:
    stop, servers = Path(sys.argv[1]), {address: Server(address) for address in sys.argv[2:]}
    rounds, least_answering = 0, len(servers)
    outages = dict.fromkeys(servers, 0)
    used: list[int] = []
    empty: list[str] = []
    before = {address: server.look()[0] for address, server in servers.items()}
    while not stop.exists():
        looks = {address: server.look() for address, server in servers.items()}
        now = {address: found for address, (found, _gone) in looks.items()}
        gone = [address for address, (_found, gone) in looks.items() if gone]
        shown = [address for address in servers if before[address] is not None and not shows_nothing(before[address])]
        empty += [f"{address} lost its view" for address in shown if address not in gone and shows_nothing(now[address])]
        empty += [f"{one} went away while {other} showed nothing" for one in gone for other in servers if other != one and shows_nothing(now[other])]
        for address in gone:
            outages[address] += 1
        used += [len(found["tire2"].get("active", [])) for found in now.values() if found and "tire2" in found]
        used = [min(used)] if used else []
        # A server that stopped and is back counts as not responding in this round.
        least_answering = min(least_answering, sum(found is not None for address, found in now.items() if address not in gone))
        before = now
        rounds += 1
        time.sleep(SECONDS_BETWEEN)
    least_used = used[0] if used else None
    print(json.dumps({"rounds": rounds, "outages": outages, "least_answering": least_answering, "least_used": least_used, "empty": empty}))


if __name__ == "__main__":
    main()
