# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print which ports of which hosts let packets through, as JSON: {peer: {host: ports}}. IPv4 and IPv6 must be alike.

Runs on a lab host, with one argument: JSON with ``peers`` (peer -> its source addresses) and ``hosts`` (host -> addresses and ports). Addresses are
pairs of IPv4 and IPv6. A port lets packets through if the host accepts or refuses a connection; a dropped packet has no answer.
"""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

WAIT = 1.0


def reached(attempt):
    source, target, port = attempt
    try:
        socket.create_connection((target, port), WAIT, source_address=(source, 0)).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return True


asked = json.loads(sys.argv[1])
attempts = [
    (peer, host, port, version, (sources[version], target["addresses"][version], port))
    for peer, sources in asked["peers"].items()
    for host, target in asked["hosts"].items()
    for port in target["ports"]
    for version in (0, 1)
]
with ThreadPoolExecutor(128) as pool:
    results = list(pool.map(reached, [attempt[-1] for attempt in attempts]))
found = {peer: {host: [[], []] for host in asked["hosts"]} for peer in asked["peers"]}
for (peer, host, port, version, _addresses), right in zip(attempts, results, strict=True):
    if right:
        found[peer][host][version].append(port)
for peer, hosts in found.items():
    for host, (four, six) in hosts.items():
        if four != six:
            sys.exit(f"{peer} reaches {four} of {host} with IPv4, and {six} with IPv6")
print(json.dumps({peer: {host: four for host, (four, _six) in hosts.items()} for peer, hosts in found.items()}))
