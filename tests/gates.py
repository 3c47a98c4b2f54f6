# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every gate, several at a time: ``python -m tests.gates``. Run only some gates: ``python -m tests.gates unit heal``.

A gate is a target of the Makefile, or one scenario of ``make molecule``. A failed gate does not stop the other gates.
Each gate writes its output to ``.cache/gates/NAME.log``. This program prints one line when a gate starts and one when it ends.
At the end it prints the reason of each failure.
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
"""Gates that run at a time and wait for servers. Such a gate waits for a third of its time or more."""

COMPUTING_AT_A_TIME = 2
"""Gates that run at a time and only compute. The waiting gates leave them little processor time when all are busy (about 10 %)."""

NICE = 10
"""Nice value of a gate that only computes."""

TARGETS = ("contract", "crash", "lab", "unit")
"""Targets of the Makefile that are gates."""

COMPUTING = ("sanity", "property", "lint", "docs", "release")
"""Gates that only compute. They have no time limits, so a low priority does not fail them. They need no root file system."""

ON_NEWEST = ("gate", "remove_and_readd")
"""Scenarios that run only on the newest ansible-core. ansible-core 2.19 and the newest may treat failed and unreachable hosts differently.
``gate`` tests both cases on the newest; ``readdress`` and ``offline_host`` test them on the oldest.
"""

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
"""Gates that start first because they take twice as long as the others: no gate then runs alone at the end.
On a new machine the first gate builds the root file system that most scenarios need. The third gate builds two more.
"""

NEWEST = ("CONTROLLER=newest",)

TELLING = re.compile(r"fatal: |E   |FAILED (?!- RETRYING)|ERROR ")
"""Start of a log line that names an error, from Ansible or pytest."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FRAME = " \t│"
"""Characters that molecule draws around lines."""
FEW = 10
"""Number of log lines that this program prints for a failed gate."""


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
    """Seconds of processor time on this machine, without the processor time of the lab's hosts."""

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'} {self.gate.name} ({self.seconds:.0f} s, {self.processor:.0f} s of processor time)"


def gates() -> list[Gate]:
    """Return all gates in the order in which they start."""
    names = [path.parent.name for path in sorted(SCENARIOS.glob("*/molecule.yml"))]
    names.remove("default")  # the scenario `default` only removes what the others left
    scenarios = [Gate(name, (*(NEWEST if name in ON_NEWEST else ()), "molecule", f"SCENARIO={name}"), True) for name in names]
    targets = [*(Gate(name, (name,)) for name in (*COMPUTING, *TARGETS)), Gate("unit_newest", (*NEWEST, "unit"))]
    found = {gate.name: gate for gate in [*targets, *scenarios]}
    return [found[name] for name in dict.fromkeys((*LONG, *found))]


def run(gate: Gate, lab: str) -> Outcome:
    """Run one gate to its end. ``lab`` is the name of the lab that a scenario uses."""
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
    """Return the decisive lines of a failed gate's log: the first line with an error and the lines after it, else the last lines."""
    text = gate.log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in (COLOURS.sub("", line).strip(FRAME) for line in text.splitlines()) if line]
    first = next((number for number, line in enumerate(lines) if TELLING.match(line)), len(lines) - FEW)
    return "\n".join(f"    {line[:200]}" for line in lines[max(first, 0) :][:FEW])


def main(names: list[str]) -> int:
    known = gates()
    unknown = sorted(set(names) - {gate.name for gate in known})
    if unknown:
        print(f"Unknown gates: {', '.join(unknown)}. Use some of: {', '.join(gate.name for gate in known)}.", file=sys.stderr)
        return 2
    wanted = [gate for gate in known if not names or gate.name in names]
    LOGS.mkdir(parents=True, exist_ok=True)
    labs: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in range(1, AT_A_TIME + 1):
        labs.put(f"gates{number}")
    outcomes: list[Outcome] = []

    def one(gate: Gate) -> None:
        lab = labs.get() if gate.scenario else ""
        print(f"{time.strftime('%H:%M:%S')} started {gate.name}", flush=True)
        outcome = run(gate, lab)
        if lab:
            labs.put(lab)
        outcomes.append(outcome)
        print(f"{time.strftime('%H:%M:%S')} {outcome}; {len(outcomes)} of {len(wanted)} done", flush=True)
        if not outcome.passed:
            print("".join(gate.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-200:]), flush=True)

    take_long_turns()
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as waiting, ThreadPoolExecutor(max_workers=COMPUTING_AT_A_TIME) as computing:
        for begun in [(computing if gate.computes else waiting).submit(one, gate) for gate in wanted]:
            begun.result()
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(
        f"\nTotal: {time.monotonic() - started:.0f} s. Logs: {LOGS.relative_to(ROOT)}. Seconds of wall time/processor time: "
        f"{', '.join(f'{each.gate.name} {each.seconds:.0f}/{each.processor:.0f}' for each in outcomes)}"
    )
    for outcome in failed:
        print(f"FAILED {outcome.gate.name}. Log: {outcome.gate.log.relative_to(ROOT)}\n{why(outcome.gate)}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
