# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write points that stay: `python -m tests.load.numbered node1:17912 m0 --replicas 0 write 1000`. Count them later: `... find`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import grpc

from .liaison import REPLICAS, SUCCEED, Liaison, Point

MEASURE = "points"
SERIES = 64
TIMEOUT = 30.0
WEEK = 7 * 24 * 3600 * 1000


async def write(liaison: Liaison, count: int) -> int:
    """Make the group and the measure when they are missing, write points of now, and return the number of acknowledged points."""
    await liaison.make_group()
    await liaison.make_measure()
    now = time.time_ns() // 1_000_000
    left = set(range(1, count + 1))
    deadline = time.monotonic() + TIMEOUT
    # A liaison needs a moment to learn a new measure.
    while left and time.monotonic() < deadline:
        points = [Point(number, now - number, f"series{number % SERIES}") for number in sorted(left)]
        await liaison.write(points, TIMEOUT, lambda number, status: left.discard(number) if status == SUCCEED else None)
        if left:
            await asyncio.sleep(0.5)
    return count - len(left)


async def find(liaison: Liaison) -> int:
    """Return the number of different points that a query finds, over all times within the TTL."""
    now = time.time_ns() // 1_000_000
    return len({number for _series, number in await liaison.query(now - WEEK, now + WEEK, TIMEOUT)})


async def work(options: argparse.Namespace) -> int:
    liaison = Liaison(options.liaison, options.group, MEASURE, options.replicas)
    try:
        return await (write(liaison, options.count) if options.command == "write" else find(liaison))
    finally:
        await liaison.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.numbered", description=__doc__)
    parser.add_argument("liaison", metavar="HOST:PORT")
    parser.add_argument("group")
    parser.add_argument("--replicas", type=int, default=REPLICAS, help="replicas of a new group (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("count", type=int)
    commands.add_parser("find")
    options = parser.parse_args()
    try:
        print(asyncio.run(work(options)))
    except grpc.RpcError as error:
        print(f"error: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
