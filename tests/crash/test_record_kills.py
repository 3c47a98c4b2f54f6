# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill what changes the record of a host, before and after each of its system calls and in the middle of its write.

After each kill the record is the complete old record or the complete new record, and the same run goes on as if nothing had happened. A second run in
the middle of the first sees one of both records, or waits.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import record_lock
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.operation_record import change, recorded
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import (
    HostRecord,
    Operation,
    OperationRefused,
    Run,
    begin,
    go_on,
    release,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State

from . import tracer
from .killing import kill, moments, program, replaces, traced
from .tracer import Traced

FIRST, SECOND = Operation("first", 1, "deploy"), Operation("second", 2, "restart")
ANN, BOB = Run("a", "ann"), Run("b", "bob")


def begins(path: str, operation: Operation, run: Run) -> bool:
    return change(path, lambda record, now, at: begin(record, operation, run, now, at).record)


def goes_on(path: str, state: State) -> bool:
    return change(path, lambda record, now, at: go_on(record, FIRST, ANN, state, now, at))


def releases(path: str) -> bool:
    return change(path, lambda record, now, at: release(record, ANN))


def shape(record: HostRecord | None) -> tuple[object, ...]:
    return (record and (record.operation.id, record.state), record and record.lease and record.lease.run)


ACTS: dict[str, Callable[[str], bool]] = {
    "begin": lambda path: begins(path, FIRST, ANN),
    "go on": lambda path: goes_on(path, State.APPLYING),
    "release": releases,
}


@pytest.mark.parametrize("name", ACTS)
def test_a_killed_change_leaves_the_old_record_or_the_new_record(name: str, tmp_path: Path) -> None:
    directory, saved = tmp_path / "etc", tmp_path / "saved"
    path = str(directory / "operation.json")
    directory.mkdir()
    act = ACTS[name]
    if name != "begin":
        begins(path, FIRST, ANN)
    shutil.copytree(directory, saved)
    old = shape(recorded(path))
    seen = traced(lambda: act(path), directory)
    replaces(seen.calls, "operation.json")
    new = shape(recorded(path))
    assert old != new
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        shutil.copytree(saved, directory)
        kill(lambda: act(path), directory, moment)
        found = shape(recorded(path))
        outcomes.add(found == new)
        assert found in (old, new), moment
        act(path)
        assert shape(recorded(path)) == new, moment
        begins(path, FIRST, ANN)  # the next change removes the temporary file of the killed one
        assert os.listdir(directory) == ["operation.json"], moment
    assert outcomes == {True, False}


def test_of_two_operations_that_begin_together_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each moment of the first one."""
    directory = tmp_path / "etc"
    directory.mkdir()
    path = str(directory / "operation.json")
    results: list[str] = []

    def second(_process: int, _seen: Traced) -> None:
        try:
            begins(path, SECOND, BOB)
            results.append("second")
        except (HostStateError, OperationRefused) as error:
            results.append(type(error).__name__)

    def first() -> None:
        try:
            begins(path, FIRST, ANN)
        except OperationRefused:
            os._exit(3)

    seen = traced(first, directory)
    monkeypatch.setattr(record_lock, "LOCK_SECONDS", 0.02)
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        directory.mkdir()
        results.clear()
        status = tracer.run(program(first), str(directory), moment, second).status
        (result,) = results
        won = recorded(path)
        assert won is not None and won.lease is not None
        assert (won.operation == SECOND) == (result == "second") == (os.waitstatus_to_exitcode(status) == 3), moment
        assert won.lease.run == (BOB if result == "second" else ANN), moment
        outcomes.add(result)
    assert outcomes == {"second", "HostStateError", "OperationRefused"}
