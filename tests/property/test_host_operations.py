# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators with any operations, pauses, kills and reboots at one host: at most one run is alive, and no operation is done after a later one."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import (
    LEASE_SECONDS,
    HostRecord,
    Moment,
    Operation,
    OperationRefused,
    Refusal,
    Run,
    Setting,
    begin,
    go_on,
    read_record,
    record_text,
    release,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import FINAL, State, may_follow

from .draw import Choices, made

STATES = tuple(State)
GOOD = Setting("0.11.0", "c", "t", "z")


@dataclass
class Event:
    run: int
    kind: str
    operation: Operation
    state: State
    seconds: float
    reboots: bool


def events(choices: Choices) -> list[Event]:
    return [
        Event(
            choices.below(3),
            choices.pick(("begin", "go on", "go on", "release")),
            choices.pick(tuple(Operation(name, number, "deploy") for name, number in (("a", 1), ("b", 2), ("c", 2), ("d", 3)))),
            choices.pick(STATES),
            choices.pick((0.0, 1.0, LEASE_SECONDS - 1.0, LEASE_SECONDS + 1.0)),
            choices.once_in(8),
        )
        for _ in range(choices.below(30))
    ]


@given(made(200, events))
def test_one_run_at_a_time_and_no_step_back(steps: list[Event]) -> None:
    record: HostRecord | None = None
    boot, seconds, real = 0, 0.0, 0.0
    beat: dict[str, float] = {}
    for step in steps:
        real += step.seconds
        boot, seconds = (boot + 1, 0.0) if step.reboots else (boot, seconds + step.seconds)
        now, run, before = Moment(f"boot{boot}", seconds), Run(f"run{step.run}", "who"), record
        try:
            if step.kind == "begin":
                record = begin(before, step.operation, run, now, "at").record
            elif step.kind == "go on":
                record = go_on(before, step.operation, run, step.state, now, "at", GOOD)
            else:
                record = release(before, run)
        except OperationRefused as refused:
            alive = before is not None and before.lease is not None and before.lease.run != run
            assert alive or refused.refusal is not Refusal.BUSY
            continue
        if record is None:
            continue
        assert read_record(record_text(record)) == record
        if before is None:
            assert step.kind == "begin"
        else:
            assert record.operation.generation >= before.operation.generation
            assert record.operation == before.operation or record.operation.generation > before.operation.generation
            assert record.operation != before.operation or may_follow(before.state, record.state)
            assert before.state not in FINAL or record.operation != before.operation or record.state is before.state
            if before.lease and record.lease and before.lease.run != record.lease.run:
                # By real time too: nobody takes over a lease that was renewed within its time.
                assert real - beat[before.lease.run.id] >= LEASE_SECONDS
            assert {*before.good} - {*record.good} <= {*before.good[2:]}
        assert len(record.good) <= 3
        if record.lease and step.kind != "release":
            beat[record.lease.run.id] = real
