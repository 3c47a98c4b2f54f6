# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark found, and the page that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.conftest import ROOT

RESULTS = ROOT / ".cache" / "benchmarks" / "results"


@dataclass
class Row:
    """One figure: a value of each round, in ``unit`` (``x`` for a ratio). ``goal`` is the most that it may be, or with
    ``at_least`` the least; without one the figure is told for comparison. ``reason`` says why a missed goal is missed."""

    what: str
    values: Sequence[float]
    unit: str = "x"
    goal: float | None = None
    at_least: bool = False
    reason: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return median(self.values) >= self.goal if self.at_least else median(self.values) <= self.goal


@dataclass
class Result:
    """All figures of one benchmark. ``timed`` says what exactly, for a reader who has not seen the code. What is no ratio
    stands in ``lines``, cells under ``columns``."""

    name: str
    title: str
    timed: str
    rows: Sequence[Row] = field(default_factory=tuple)
    columns: Sequence[str] = field(default_factory=tuple)
    lines: Sequence[Sequence[str]] = field(default_factory=tuple)
    server: str = ""
    taken: str = ""
    seconds: float = 0.0
    machine: str = ""


def save(folder: Path, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.name}.json").write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")


def load(folder: Path, name: str) -> Result | None:
    """What an earlier run saved of this benchmark."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**fields, "rows": [Row(**row) for row in fields["rows"]]})


def number(value: float, unit: str) -> str:
    """``2.51 x``, ``12.3 s``, ``4``; three digits are more than a shared machine can tell."""
    if unit == "":
        return f"{value:g}"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}"


def table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | median | spread | rounds | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"{'at least' if row.at_least else 'at most'} {number(row.goal, row.unit)}"
        spread = f"{number(min(row.values), row.unit)} - {number(max(row.values), row.unit)}"
        word = {None: "", True: "met", False: "**missed**"}[row.met]
        lines.append(f"| {row.what} | {number(median(row.values), row.unit)} | {spread} | {len(row.values)} | {goal} | {word} |")
    return lines


def plain_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *lines)]


def page(results: Mapping[str, Result | None], template: str) -> str:
    """The page of figures: ``template`` with each benchmark in the place of its ``{name}``; None was never run."""
    parts = {}
    for name, result in results.items():
        if result is None:
            parts[name] = f"## {name}\n\nNot taken yet."
            continue
        lines = [f"## {result.title}", "", result.timed, ""]
        lines += [f"Server: {result.server}.", ""] if result.server else []
        lines += table(result.rows) if result.rows else []
        lines += plain_table(result.columns, result.lines) if result.lines else []
        missed = [row for row in result.rows if row.met is False]
        if missed:
            lines += ["", *(f"- Missed, {row.what}: {row.reason}" for row in missed)]
        took = f" in {result.seconds:.0f} s" if result.seconds else ""
        lines += ["", f"Taken {result.taken}{took} on {result.machine}."]
        parts[name] = "\n".join(lines)
    return template.format(**parts)
