# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every gate, some side by side: ``python -m tests.gates``; with names, these alone: ``python -m tests.gates unit heal``.

A gate is a target of the Makefile, or one scenario of ``make molecule``. All of them run, whatever becomes of the others. What each says
goes to ``.cache/gates/NAME.log``; here a line tells when it ends, and the end tells what failed, and why, once more.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "gates"
SCENARIOS = ROOT / "extensions" / "molecule"

AT_A_TIME = 4
"""Most gates wait for servers half of their time: these keep two processors busy."""

TARGETS = ("matrix", "property", "contract", "crash", "unit", "sanity", "lint", "lab", "docs")
"""Targets of the Makefile that are gates, those that take longest first."""

LONG_SCENARIOS = ("gate", "readdress", "dns_mode", "dns_source", "dns_faults", "heal", "rolling_change", "old_and_new")
"""Begun before the others, for no long one to run alone at the end."""

TELLING = re.compile(r"^(fatal: |ERROR|E  |FAILED |ERROR |make.*\*\*\* )")
"""Lines that say what went wrong: Ansible's, pytest's, make's."""


@dataclass(frozen=True)
class Gate:
    name: str
    command: tuple[str, ...]
    scenario: bool = False

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"


@dataclass(frozen=True)
class Outcome:
    gate: Gate
    passed: bool
    seconds: float

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'} {self.gate.name} ({self.seconds:.0f} s)"


def gates() -> list[Gate]:
    """All gates, in the order in which they are begun: long ones first."""
    names = [path.parent.name for path in sorted(SCENARIOS.glob("*/molecule.yml"))]
    # `default` only makes room for the others; what `matrix` runs on the newest ansible-core alone, it names itself.
    own = [name for name in (*LONG_SCENARIOS, *names) if name not in ("default", "hot_reload")]
    scenarios = [Gate(name, ("molecule", f"SCENARIO={name}"), True) for name in dict.fromkeys(own)]
    targets = [Gate(name, (name,)) for name in TARGETS]
    long = len(LONG_SCENARIOS)
    return [*targets[:4], *scenarios[:long], *targets[4:], *scenarios[long:]]


def run(gate: Gate, lab: str) -> Outcome:
    """Run a gate to its end; a scenario in the lab of this name."""
    started = time.monotonic()
    command = ["make", "--no-print-directory", *gate.command, *([f"LAB={lab}"] if gate.scenario else [])]
    with open(gate.log, "wb") as log:
        status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    return Outcome(gate, status == 0, time.monotonic() - started)


def why(gate: Gate) -> str:
    """What a failed gate's log says of the reason, in few lines: the telling ones, or its end."""
    lines = [line.rstrip() for line in gate.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    chosen = [line for line in telling if TELLING.search(line)] or telling[-6:]
    return "\n".join(f"    {line[:300]}" for line in chosen[:6])


def main(names: list[str]) -> int:
    known = gates()
    unknown = sorted(set(names) - {gate.name for gate in known})
    if unknown:
        print(f"No gate is called {', '.join(unknown)}. There are: {', '.join(gate.name for gate in known)}.", file=sys.stderr)
        return 2
    wanted = [gate for gate in known if not names or gate.name in names]
    LOGS.mkdir(parents=True, exist_ok=True)
    labs: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in range(1, AT_A_TIME + 1):
        labs.put(f"gates{number}")
    outcomes: list[Outcome] = []

    def one(gate: Gate) -> None:
        lab = labs.get()
        print(f"{time.strftime('%H:%M:%S')} begun  {gate.name}", flush=True)
        outcome = run(gate, lab)
        labs.put(lab)
        outcomes.append(outcome)
        print(f"{time.strftime('%H:%M:%S')} {outcome}; {len(outcomes)} of {len(wanted)}", flush=True)
        if not outcome.passed:
            print("".join(gate.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-200:]), flush=True)

    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        for begun in [pool.submit(one, gate) for gate in wanted]:
            begun.result()
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(f"\nIn {time.monotonic() - started:.0f} s, logs in {LOGS.relative_to(ROOT)}: "
          f"{', '.join(f'{each.gate.name} {each.seconds:.0f}' for each in outcomes)}")
    for outcome in failed:
        print(f"FAILED {outcome.gate.name}, see {outcome.gate.log.relative_to(ROOT)}:\n{why(outcome.gate)}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ.pop("MAKELEVEL", None)
    sys.exit(main(sys.argv[1:]))
