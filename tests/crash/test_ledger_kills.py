# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill writers of a ledger, and let many writers write at the same time: no line that a writer has finished is ever lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.rollout.ledger import Ledger
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.ledger_lines import Member, Step
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State

from .killing import kill, moments, traced

UPGRADE, ANN, AT = Operation("u1", 1, "upgrade"), Run("a", "ann"), "2026-11-30T01:22:54Z"
WRITERS, HOSTS, KILLS = 8, 60, 25


def step(host: str, state: State) -> Step:
    return Step(Member("default", host), state, AT, "a")


def test_a_killed_writer_loses_only_its_own_line(tmp_path: Path) -> None:
    directory, saved = tmp_path / "ledger", tmp_path / "saved"
    ledger = Ledger(str(directory))
    ledger.begin(UPGRADE, ANN, AT)
    ledger.note("u1", [step("node1", State.PENDING)])
    shutil.copytree(directory, saved)

    def note() -> None:
        ledger.note("u1", [step("node1", State.STAGED)])

    seen = traced(note, directory)
    calls = [call for call in seen.calls if not call.startswith("close")]
    assert calls == ["openat u1.jsonl", "openat .", "flock .", "write u1.jsonl", "fsync u1.jsonl"]
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        shutil.copytree(saved, directory)
        kill(note, directory, moment)
        found = ledger.read("u1")
        state = found.steps[Member("default", "node1")].state
        outcomes.add((state, found.unreadable))
        ledger.note("u1", [step("node2", State.PENDING)])
        after = ledger.read("u1")
        assert after.steps == {**found.steps, Member("default", "node2"): step("node2", State.PENDING)}, moment
        assert after.unreadable == found.unreadable and after.operation == UPGRADE, moment
    assert outcomes == {(State.PENDING, 0), (State.PENDING, 1), (State.STAGED, 0)}


def test_a_killed_first_run_leaves_a_ledger_that_the_next_run_goes_on_with(tmp_path: Path) -> None:
    tmp_path = tmp_path / "inventory"
    tmp_path.mkdir()
    ledger = Ledger(str(tmp_path / "ledger"))

    def begin() -> None:
        ledger.begin(UPGRADE, ANN, AT)

    seen = traced(begin, tmp_path)
    assert seen.calls.index("fsync ledger/u1.jsonl") < seen.calls.index("fsync ledger")
    for moment in moments(seen):
        shutil.rmtree(ledger.directory)
        kill(begin, tmp_path, moment)
        assert ledger.read("u1").operation in (None, UPGRADE), moment
        begin()
        assert ledger.read("u1").operation == UPGRADE, moment


def test_lines_of_many_writers_and_killed_writers_do_not_mix(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    ledger.begin(UPGRADE, ANN, AT)
    choice = random.Random(21)
    said, say = os.pipe()
    writers: dict[int, str] = {}

    def write(name: str) -> None:
        """Write lines, and tell the pipe each host whose line is written."""
        for number in range(HOSTS):
            host = f"{name}-{number}"
            ledger.note("u1", [Step(Member("default", host), State.PENDING, AT, "a", "x" * (number * 3))])
            os.write(say, f"{host}\n".encode())
        os._exit(0)

    def fork(name: str) -> None:
        child = os.fork()
        if child == 0:
            try:
                write(name)
            finally:
                os._exit(1)
        writers[child] = name

    for number in range(WRITERS):
        fork(f"writer{number}")
    told = b""
    kills = 0
    while writers:
        # Kill one writer for each line that another has finished, so that kills come at any moment of a line.
        told += os.read(said, 64) if kills < KILLS else b""
        if kills < KILLS:
            victim = choice.choice([*writers])
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            del writers[victim]
            kills += 1
            fork(f"other{kills}")
        else:
            child, status = os.waitpid(next(iter(writers)), 0)
            assert os.waitstatus_to_exitcode(status) == 0
            del writers[child]
    os.close(say)
    while block := os.read(said, 65536):
        told += block
    os.close(said)
    found = ledger.read("u1")
    finished = {line.decode() for line in told.split(b"\n") if line}
    assert len(finished) >= HOSTS * WRITERS
    assert finished <= {member.host for member in found.steps}
    assert found.unreadable <= KILLS and found.illegal == []
