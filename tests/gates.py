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

from .long_turns import take_long_turns

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "gates"
SCENARIOS = ROOT / "extensions" / "molecule"

AT_A_TIME = 4
"""Gates that wait for servers, a third of their time or more."""

COMPUTING_AT_A_TIME = 2
"""Gates that wait for nothing, beside those: they get what these leave of two processors, and a tenth of what they want."""

NICE = 10
"""Of a gate that only computes."""

TARGETS = ("contract", "crash", "lab", "unit")
"""Targets of the Makefile that are gates."""

COMPUTING = ("sanity", "property", "lint", "docs", "release")
"""Those that only compute: nothing in them waits, so nothing in them is late. None needs a root file system either."""

ON_NEWEST = ("gate", "remove_and_readd")
"""Scenarios that run on the newest ansible-core alone. What hosts that fail or cannot be reached do to a play may differ between the two:
``gate`` has both there, readdress and offline_host have them on the oldest."""

LONG = (
    "dns_mode",
    "unit_newest",
    "old_and_new",
    "readdress",
    "gate",
    "contract",
    "dns_faults",
    "dns_source",
    "crash",
    "hot_reload",
    "cold_start",
    "heal",
    "unit",
)
"""Begun before the others, which take half their time, for none to run alone at the end. On a new machine the first has the root file
system made that most need, and the third waits for two more."""

NEWEST = ("CONTROLLER=newest",)

TELLING = re.compile(r"fatal: |E   |FAILED (?!- RETRYING)|ERROR ")
"""How a line begins that says what went wrong: Ansible's, pytest's."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FRAME = " \t│"
"""What molecule draws around lines."""
FEW = 10
"""Lines that a reason has."""


@dataclass(frozen=True)
class Gate:
    name: str
    command: tuple[str, ...]
    scenario: bool = False

    @property
    def computes(self) -> bool:
        return self.name in COMPUTING

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"


@dataclass(frozen=True)
class Outcome:
    gate: Gate
    passed: bool
    seconds: float
    processor: float
    """Seconds of processor time on the machine itself, without what the hosts of the lab took."""

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'} {self.gate.name} ({self.seconds:.0f} s, {self.processor:.0f} s of processor time)"


def gates() -> list[Gate]:
    """All gates, in the order in which they are begun."""
    names = [path.parent.name for path in sorted(SCENARIOS.glob("*/molecule.yml"))]
    names.remove("default")  # it only clears up after the others
    scenarios = [Gate(name, (*(NEWEST if name in ON_NEWEST else ()), "molecule", f"SCENARIO={name}"), True) for name in names]
    targets = [*(Gate(name, (name,)) for name in (*COMPUTING, *TARGETS)), Gate("unit_newest", (*NEWEST, "unit"))]
    found = {gate.name: gate for gate in [*targets, *scenarios]}
    return [found[name] for name in dict.fromkeys((*LONG, *found))]


def run(gate: Gate, lab: str) -> Outcome:
    """Run a gate to its end; a scenario in the lab of this name."""
    started = time.monotonic()
    command = ["make", "--no-print-directory", *gate.command]
    if gate.scenario:
        command.append(f"LAB={lab}")
    if gate.computes:
        command[:0] = ["nice", "-n", str(NICE)]
    with open(gate.log, "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Outcome(gate, process.returncode == 0, time.monotonic() - started, used.ru_utime + used.ru_stime)


def why(gate: Gate) -> str:
    """What a failed gate's log says of the reason, in few lines: from the first telling one on, else its end."""
    text = gate.log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in (COLOURS.sub("", line).strip(FRAME) for line in text.splitlines()) if line]
    first = next((number for number, line in enumerate(lines) if TELLING.match(line)), len(lines) - FEW)
    return "\n".join(f"    {line[:200]}" for line in lines[max(first, 0) :][:FEW])


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
        lab = labs.get() if gate.scenario else ""
        print(f"{time.strftime('%H:%M:%S')} begun  {gate.name}", flush=True)
        outcome = run(gate, lab)
        if lab:
            labs.put(lab)
        outcomes.append(outcome)
        print(f"{time.strftime('%H:%M:%S')} {outcome}; {len(outcomes)} of {len(wanted)}", flush=True)
        if not outcome.passed:
            print("".join(gate.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-200:]), flush=True)

    take_long_turns()
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as waiting, ThreadPoolExecutor(max_workers=COMPUTING_AT_A_TIME) as computing:
        for begun in [(computing if gate.computes else waiting).submit(one, gate) for gate in wanted]:
            begun.result()
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(
        f"\nIn {time.monotonic() - started:.0f} s, wall and processor time of each, logs in {LOGS.relative_to(ROOT)}: "
        f"{', '.join(f'{each.gate.name} {each.seconds:.0f}/{each.processor:.0f}' for each in outcomes)}"
    )
    for outcome in failed:
        print(f"FAILED {outcome.gate.name}, see {outcome.gate.log.relative_to(ROOT)}:\n{why(outcome.gate)}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
