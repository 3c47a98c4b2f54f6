# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the ledger, and their comparison with the records of the hosts."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import HostRecord, Lease, Moment, Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.ledger_lines import (
    BadLedger,
    Member,
    Step,
    corrections,
    from_records,
    operation_id,
    read_journal,
    require_id,
    run_line,
    step_line,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

AT = "2026-11-30T01:22:54Z"
UPGRADE, OLDER, LATER = Operation("u2", 2, "upgrade"), Operation("r1", 1, "restart"), Operation("d3", 3, "deploy")
ANN = Run("a", "ann@laptop")
NODE1, NODE2, NODE3, NODE4, NODE5 = (Member("default", f"node{number}") for number in range(1, 6))


def step(member, state, cause=""):
    return Step(member, state, AT, "a", cause)


def record(operation, state, lease=None):
    return HostRecord(operation, state, AT, lease)


def journal(*steps):
    return read_journal(run_line(UPGRADE, ANN, AT) + "".join(map(step_line, steps)))


def test_lines_read_back():
    found = journal(step(NODE1, State.PENDING), step(NODE2, State.PENDING), step(NODE1, State.FAILED, "did\nnot  start"))
    assert (found.operation, found.runs, found.unreadable, found.illegal) == (UPGRADE, {"a": "ann@laptop"}, 0, [])
    assert found.steps == {NODE1: step(NODE1, State.FAILED, "did not start"), NODE2: step(NODE2, State.PENDING)}
    assert found.open() == [*found.steps.values()]


def test_a_long_cause_is_shortened():
    (found,) = journal(step(NODE1, State.FAILED, "x" * 10_000)).steps.values()
    assert len(found.cause) == MOST


def test_lines_of_killed_writers_are_counted_and_left_out():
    whole = run_line(UPGRADE, ANN, AT) + step_line(step(NODE1, State.PENDING))
    other = ("\x00" * 20, "7", "[]", '"state"', '{"state":"gone"}', '{"state":[]}', '{"at":7,"cluster":"c","host":"h","state":"done","run":"a"}')
    for torn in ('{"at":"2026', *other):
        found = read_journal(f"{whole}{torn}\n{step_line(step(NODE1, State.STAGED))}{torn}")
        assert (found.unreadable, found.steps[NODE1].state) == (2, State.STAGED), torn
    assert read_journal("").operation is None


def test_a_step_that_may_not_follow_is_reported():
    skipped = step(NODE1, State.DONE)
    assert journal(step(NODE1, State.PENDING), skipped).illegal == [skipped]
    assert journal(step(NODE1, State.PENDING), step(NODE1, State.PENDING)).illegal == []


def test_ledgers_of_others_are_refused():
    line = json.loads(run_line(UPGRADE, ANN, AT))
    with pytest.raises(BadLedger, match="newer collection"):
        read_journal(json.dumps({**line, "format": 2}))
    with pytest.raises(BadLedger, match="two operations"):
        read_journal(run_line(UPGRADE, ANN, AT) + run_line(OLDER, ANN, AT))


def test_ids_sort_by_time_and_are_names_of_files():
    first, second = operation_id("upgrade", AT, "ff"), operation_id("deploy", "2026-11-30T01:22:55Z", "00")
    assert first == "20261130T012254Z-upgrade-ff" and first < second
    for each in (first, second):
        assert require_id(each) == each
    for wrong in ("", "..", "a/b", "-x", "a.b", "x" * 101, "a\n"):
        with pytest.raises(BadLedger):
            require_id(wrong)


def test_the_records_correct_the_journal():
    found = journal(*(step(member, State.APPLYING) for member in (NODE1, NODE2, NODE3, NODE4)), step(NODE5, State.VERIFYING))
    records = {
        NODE1: record(UPGRADE, State.VERIFYING),
        NODE2: None,
        NODE3: record(LATER, State.PENDING),
        NODE5: record(UPGRADE, State.VERIFYING),
    }
    assert {each.member: (each.state, each.cause) for each in corrections(found, records, "b", AT)} == {
        NODE1: (State.VERIFYING, "from the record of the host"),
        NODE2: (State.PENDING, "the host has not begun"),
        NODE3: (State.SUPERSEDED, "deploy d3"),
        NODE4: (State.UNREACHABLE, "not reached"),
    }


def test_what_has_ended_stays():
    found = journal(step(NODE1, State.DONE), step(NODE2, State.SUPERSEDED), step(NODE3, State.DONE))
    assert corrections(found, {NODE1: record(LATER, State.PENDING), NODE2: record(OLDER, State.DONE)}, "b", AT) == []


def test_a_lost_ledger_comes_back_from_the_records():
    lease = Lease(ANN, Moment("boot", 1.0))
    records = {
        NODE1: record(UPGRADE, State.DONE),
        NODE2: record(UPGRADE, State.APPLYING, lease),
        NODE3: record(OLDER, State.DONE),
        NODE4: None,
    }
    found = {operation: read_journal("".join(lines)) for operation, lines in from_records(records).items()}
    assert {operation: {member.host: each.state for member, each in one.steps.items()} for operation, one in found.items()} == {
        "u2": {"node1": State.DONE, "node2": State.APPLYING},
        "r1": {"node3": State.DONE},
    }
    assert found["u2"].operation == UPGRADE
    assert corrections(found["u2"], {**records, NODE2: record(UPGRADE, State.APPLYING)}, "b", AT) == []
    assert replace(found["u2"].steps[NODE2], cause="") == step(NODE2, State.APPLYING)


def test_a_fleet_of_2000_clusters_is_read_within_a_second():
    """A complete upgrade of 10,000 hosts. The processor time counts, because other processes may run beside the test."""
    states = (State.PENDING, State.STAGED, State.APPLYING, State.VERIFYING, State.SOAKING, State.DONE)
    members = [Member(f"cluster{number:04}", f"cluster{number:04}-node{node}") for number in range(2000) for node in range(5)]
    text = run_line(UPGRADE, ANN, AT) + "".join(step_line(step(member, state)) for state in states for member in members)
    began = time.process_time()
    found = read_journal(text)
    assert time.process_time() - began < 1
    assert len(found.steps) == 10_000 and found.open() == [] and found.illegal == []
