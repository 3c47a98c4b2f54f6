# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a benchmark, and its section in docs/figures.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from statistics import median

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "figures.md"


@dataclass
class Row:
    """One figure: a value for each round, in ``unit`` (``x`` for a ratio). ``goal`` is the largest allowed value, or with ``at_least`` the smallest.
    A figure without a goal is for comparison. ``reason`` says why the figure misses its goal."""

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
    """All figures of one benchmark. ``timed`` describes the measurement for a reader who has not seen the code. ``lines`` has the cells under
    ``columns`` of a benchmark without ratios."""

    name: str
    title: str
    timed: str
    rows: Sequence[Row] = field(default_factory=tuple)
    _: KW_ONLY
    columns: Sequence[str] = field(default_factory=tuple)
    lines: Sequence[Sequence[str]] = field(default_factory=tuple)
    server: str = ""
    taken: str = ""
    seconds: float = 0.0
    machine: str = ""


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


def section(result: Result) -> str:
    """Return the section of a benchmark in the page."""
    lines = [f"## {result.title}", "", result.timed, ""]
    lines += [f"Server: {result.server}.", ""] if result.server else []
    lines += table(result.rows) if result.rows else []
    lines += plain_table(result.columns, result.lines) if result.lines else []
    missed = [row for row in result.rows if row.met is False]
    if missed:
        lines += ["", *(f"- Missed, {row.what}: {row.reason}" for row in missed)]
    took = f" in {result.seconds:.0f} s" if result.seconds else ""
    return "\n".join([*lines, "", f"Taken {result.taken}{took} on {result.machine}."])


def place(page: str, name: str) -> tuple[str, str, str]:
    """Return the page before, within and behind the section of a benchmark. Raises ValueError when the page has no such section."""
    before, begins, rest = page.partition(f"<!-- {name} -->\n")
    within, ends, behind = rest.partition(f"\n<!-- end of {name} -->")
    if not ends:
        raise ValueError(f"{PAGE}: expected the lines {begins or f'<!-- {name} -->'!r} and '<!-- end of {name} -->' around the section {name}")
    return before + begins, within, ends + behind


def cells(text: str) -> list[list[str]]:
    """The cells of each line of a table in Markdown."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
