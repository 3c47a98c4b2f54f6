# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a function before and after each of its system calls on one directory, and in the middle of each write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from . import tracer
from .tracer import AFTER, BEFORE, HALF, Moment, Traced

REPLACE = ["openat {0}", "write {0}", "fchown {0}", "fchmod {0}", "fsync {0}", "rename {0} {1}"]


def program(act: Callable[[], object]) -> Callable[[], None]:
    """Return a program for the tracer, which never returns."""

    def run() -> None:
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)

    return run


def traced(act: Callable[[], object], directory: Path) -> Traced:
    """Run without interruption and return the trace."""
    seen = tracer.run(program(act), str(directory))
    assert seen.status == 0, seen
    return seen


def moments(seen: Traced) -> Iterator[Moment]:
    for number, call in enumerate(seen.calls):
        yield Moment(number, BEFORE)
        if call.startswith(("write ", "pwrite64 ")):
            yield Moment(number, HALF)
        yield Moment(number, AFTER)


def kill(act: Callable[[], object], directory: Path, moment: Moment) -> None:
    assert tracer.run(program(act), str(directory), moment).killed, moment


def replaces(calls: list[str], name: str, folder: str = "") -> None:
    """Check that the calls replace a file completely or not at all, in this order."""
    temporary, rest = f"{folder}.{name}.*.tmp", iter(calls)
    for call in REPLACE:
        wanted = call.format(temporary, f"{folder}{name}")
        assert any(each == wanted for each in rest), f"{wanted} is missing or too early in {calls}"
    assert any(each.startswith("fsync") and not each.endswith(".tmp") for each in rest), calls
