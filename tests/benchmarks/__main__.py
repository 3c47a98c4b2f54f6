# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks``: measure the figures and write ``docs/figures.md``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.conftest import ROOT

from . import ask, cold_start, deploy, growth, import_cost, judge, machine, plan, push, restarts, rollout, srv, srv_inventory
from .figures import PAGE, Result, place, section
from .fleet import Failed

BENCHMARKS: dict[str, Callable[[int, Callable[[str], None]], Result]] = {
    "deploy": deploy.run,
    "growth": growth.run,
    "push": push.run,
    "cold_start": cold_start.run,
    "rollout": rollout.run,
    "restarts": restarts.run,
    "ask": ask.run,
    "plan": plan.run,
    "judge": judge.run,
    "srv": srv.run,
    "srv_inventory": srv_inventory.run,
    "import_cost": import_cost.run,
}


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures the figures of docs/figures.md and writes them to that page. The other benchmarks keep their last figures. "
        "BANYANDB_ARTIFACT or BANYANDB_SERVER selects the real server. The run fails only when a step does not work. Needs root.",
    )
    words.add_argument("name", nargs="*", help=f"benchmarks to run ({', '.join(BENCHMARKS)}; default: all)")
    words.add_argument("--rounds", type=int, default=5, help="number of rounds of each benchmark (default: %(default)s)")
    return words


def main() -> int:
    arguments = parser().parse_args()
    unknown = [name for name in arguments.name if name not in BENCHMARKS]
    if unknown or arguments.rounds < 1:
        parser().error(f"unknown benchmark: {', '.join(unknown)}" if unknown else "--rounds: expected at least 1")
    for name in arguments.name or BENCHMARKS:
        if machine.load() > 1:
            print(f"{name}: the machine is not quiet (load {machine.load():.1f}), so the spread will be wide", flush=True)
        began = time.monotonic()

        def say(text: str, name: str = name) -> None:
            print(f"{name}: {text}", flush=True)

        try:
            result = BENCHMARKS[name](arguments.rounds, say)
        except Failed as error:
            print(f"{name}: did not work: {error}", file=sys.stderr)
            return 1
        result.seconds = time.monotonic() - began
        result.taken = time.strftime("%Y-%m-%d", time.gmtime())
        result.machine = machine.describe()
        before, _, behind = place(PAGE.read_text(encoding="utf-8"), name)
        PAGE.write_text(before + section(result) + behind, encoding="utf-8")
        say(f"written to {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
