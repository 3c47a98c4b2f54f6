# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.load --liaison node1:17912 --liaison node2:17912 --seconds 60 --out result.json`; see README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import re
import signal
import sys
import time

from .client import CountError, Load, Settings, SetUpError
from .figures import table

SET_UP_FAILED, COUNT_FAILED = 3, 4


def address(text: str) -> str:
    if not re.fullmatch(r".+:\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not host:port, such as node1:17912")
    return text


def positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def user_in(text: str) -> tuple[str, str]:
    try:
        first = json.loads(pathlib.Path(text).read_text())["users"][0]
        return first["username"], first["password"]
    except (OSError, ValueError, LookupError, TypeError):
        raise argparse.ArgumentTypeError(f"{text!r} is no readable file with users") from None


def arguments() -> argparse.Namespace:
    defaults = Settings(())
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument(
        "--liaison", type=address, action="append", required=True, metavar="HOST:PORT", help="public gRPC port of a liaison; repeat for each liaison"
    )
    parser.add_argument("--seconds", type=positive, help="seconds to write (default: until a signal, or --until)")
    parser.add_argument("--rate", type=positive, default=defaults.rate, help="points a second, over all liaisons (%(default)s)")
    parser.add_argument("--period", type=positive, default=defaults.period, help="seconds between two batches of a liaison (%(default)s)")
    parser.add_argument("--queries", type=positive, default=defaults.queries, help="queries a second, through each liaison (%(default)s)")
    parser.add_argument("--group", default=defaults.group, help="group; the client makes it when it is missing (%(default)s)")
    parser.add_argument("--measure", default=defaults.measure, help="measure; the client makes it when it is missing (%(default)s)")
    parser.add_argument("--ca", type=pathlib.Path, help="file of CAs for TLS, which may appear or change during the run")
    parser.add_argument("--patience", type=positive, default=defaults.patience, help="seconds to look for missing points (%(default)s)")
    parser.add_argument("--users", type=user_in, metavar="FILE", help='log in as the first user of {"users": [{"username": ..., "password": ...}]}')
    parser.add_argument("--out", type=pathlib.Path, help="file for the figures as JSON")
    parser.add_argument("--ready", type=pathlib.Path, help="file that the client makes when every liaison takes and finds points")
    parser.add_argument("--until", type=pathlib.Path, help="file that ends the load when it exists")
    return parser.parse_args()


async def work(options: argparse.Namespace) -> dict[str, object]:
    load = Load(
        Settings(
            tuple(options.liaison),
            rate=options.rate,
            period=options.period,
            queries=options.queries,
            group=options.group,
            measure=options.measure,
            patience=options.patience,
            user=options.users,
            ca=options.ca,
        )
    )
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    announced = False

    def stopped() -> bool:
        nonlocal announced
        if options.ready and load.ready.is_set() and not announced:
            options.ready.touch()
            announced = True
        return signalled.is_set() or time.monotonic() >= end or (options.until is not None and options.until.exists())

    return await load.run(stopped)


def main() -> int:
    options = arguments()
    try:
        figures = asyncio.run(work(options))
    except SetUpError as error:
        print(f"error: the load did not start: {error}", file=sys.stderr)
        return SET_UP_FAILED
    except CountError as error:
        print(f"error: cannot count the missing points: {error}", file=sys.stderr)
        return COUNT_FAILED
    if options.out:
        new = options.out.with_name(options.out.name + ".new")
        new.write_text(json.dumps(figures, indent=1) + "\n")
        new.replace(options.out)
    print(table(figures), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
