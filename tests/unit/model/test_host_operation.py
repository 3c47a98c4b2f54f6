# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operation may begin or go on at a host."""

from __future__ import annotations

import json

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import (
    LEASE_SECONDS,
    BadRecord,
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import FINAL, NEXT, RESUME, NextStep, State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

AT = "2026-11-30T00:00:00Z"
RESTART, UPGRADE = Operation("r1", 1, "restart"), Operation("u2", 2, "upgrade")
ANN, BOB = Run("a", "ann@laptop"), Run("b", "bob@desk")
SETTING = Setting("0.11.0", "c" * 64, "t" * 64, "z" * 64)


def now(seconds=1000.0, boot="boot1"):
    return Moment(boot, seconds)


def refused(act, *arguments):
    with pytest.raises(OperationRefused) as error:
        act(*arguments)
    assert len(str(error.value)) <= MOST
    return error.value


@pytest.fixture
def begun():
    return begin(None, RESTART, ANN, now(), AT).record


def test_the_first_operation_of_a_host_begins(begun):
    assert (begun.operation, begun.state, begun.lease.run, begun.good) == (RESTART, State.PENDING, ANN, ())


def test_a_second_run_is_refused_while_the_first_is_alive_and_takes_over_after_the_lease_ran_out(begun):
    for operation in (RESTART, UPGRADE):
        error = refused(begin, begun, operation, BOB, now(1000 + LEASE_SECONDS - 0.5), AT)
        assert error.refusal is Refusal.BUSY
        assert str(error) == "ann@laptop runs restart r1 at this host. Wait until it ends. If it was killed, wait 1 s."
        taken = begin(begun, operation, BOB, now(1000 + LEASE_SECONDS), AT)
        assert taken.record.lease.run == BOB and taken.record.operation == operation
        assert (taken.left == begun) == (operation == UPGRADE)


def test_the_run_whose_lease_was_taken_over_does_nothing_more(begun):
    taken = begin(begun, RESTART, BOB, now(2000), AT).record
    error = refused(go_on, taken, RESTART, ANN, State.APPLYING, now(2001), AT)
    assert error.refusal is Refusal.LOST and "bob@desk" in str(error)
    assert refused(go_on, None, RESTART, ANN, State.APPLYING, now(2001), AT).refusal is Refusal.LOST
    assert release(taken, ANN) == taken


def test_a_slow_run_keeps_its_lease_until_another_run_takes_it(begun):
    late = go_on(begun, RESTART, ANN, State.APPLYING, now(90000), AT)
    assert late.state is State.APPLYING and late.lease.beat == now(90000)


def test_a_heartbeat_changes_only_the_lease(begun):
    beaten = go_on(begun, RESTART, ANN, State.PENDING, now(1200), "2026-11-30T00:03:20Z")
    assert (beaten.since, beaten.state) == (AT, State.PENDING)
    assert refused(begin, beaten, UPGRADE, BOB, now(1200 + LEASE_SECONDS - 1), AT).refusal is Refusal.BUSY


def test_an_ended_run_leaves_the_host_free(begun):
    assert release(begun, ANN).lease is None and release(None, ANN) is None
    assert begin(release(begun, ANN), UPGRADE, BOB, now(), AT).record.operation == UPGRADE


def test_after_a_reboot_the_lease_runs_out_only_when_the_host_was_up_long_enough(begun):
    assert refused(begin, begun, UPGRADE, BOB, now(LEASE_SECONDS - 1, "boot2"), AT).refusal is Refusal.BUSY
    assert begin(begun, UPGRADE, BOB, now(LEASE_SECONDS, "boot2"), AT).record.lease.run == BOB


def test_a_heartbeat_from_the_future_does_not_hold_the_host(begun):
    """The file comes from another machine, or from a snapshot."""
    assert begin(begun, UPGRADE, BOB, now(LEASE_SECONDS), AT).record.lease.run == BOB


def test_an_older_operation_is_refused_and_so_is_another_one_of_the_same_generation():
    free = release(begin(None, UPGRADE, ANN, now(), AT).record, ANN)
    for operation in (RESTART, Operation("x", 2, "restart")):
        error = refused(begin, free, operation, BOB, now(), AT)
        assert error.refusal is Refusal.OLDER and "u2 of generation 2" in str(error)


def test_an_operation_goes_on_in_its_state_and_a_later_one_learns_what_it_left(begun):
    applying = release(go_on(begun, RESTART, ANN, State.APPLYING, now(), AT), ANN)
    assert begin(applying, RESTART, BOB, now(), AT).record.state is State.APPLYING
    later = begin(applying, UPGRADE, BOB, now(), AT)
    assert (later.record.state, later.left) == (State.PENDING, applying)


def test_a_finished_operation_leaves_nothing(begun):
    record = begun
    for state in (State.APPLYING, State.VERIFYING, State.SOAKING, State.DONE):
        record = go_on(record, RESTART, ANN, state, now(), AT)
    assert begin(release(record, ANN), UPGRADE, BOB, now(), AT).left is None


def test_an_illegal_state_is_refused(begun):
    error = refused(go_on, begun, RESTART, ANN, State.DONE, now(), AT)
    assert error.refusal is Refusal.ILLEGAL and "done may not follow pending" in str(error)


def test_a_host_keeps_its_last_three_good_generations():
    record = None
    for number in range(1, 6):
        operation = Operation(f"o{number}", number, "deploy")
        record = begin(record, operation, ANN, now(), AT).record
        for state in (State.APPLYING, State.VERIFYING, State.SOAKING, State.DONE, State.DONE):
            record = go_on(record, operation, ANN, state, now(), AT, SETTING)
    assert [each.generation for each in record.good] == [5, 4, 3]


def test_a_record_reads_back(begun):
    record = go_on(begun, RESTART, ANN, State.APPLYING, now(), AT)
    for each in (record, release(record, ANN)):
        assert read_record(record_text(each)) == each


def test_texts_that_are_no_record(begun):
    good = json.loads(record_text(begun))
    wrong = {"operation": (None, 7, [], {}), "state": (None, 7, "gone", []), "since": (None, 7), "lease": (7, "x", {}), "good": (None, 7, [7], "x")}
    broken = [{**good, name: value} for name, values in wrong.items() for value in values]
    broken += [{name: value for name, value in good.items() if name != missing} for missing in wrong]
    broken += [{**good, "operation": {**good["operation"], "generation": value}} for value in (True, "1", None)]
    for content in [*broken, {**good, "format": 2}, {**good, "format": "1"}, [], 7, None]:
        with pytest.raises(BadRecord):
            read_record(json.dumps(content))
    for text in ("", "{", "[" * 100_000):
        with pytest.raises(BadRecord):
            read_record(text)


# ---- the states


def reached(state):
    found, left = set(), [state]
    while left:
        for following in NEXT[left.pop()]:
            if following not in found:
                found.add(following)
                left.append(following)
    return found


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_an_end_and_the_next_run_looks_at_it(state):
    assert state in NEXT and state in RESUME
    if state in FINAL:
        assert RESUME[state] is NextStep.NOTHING
    else:
        assert {State.DONE, State.SUPERSEDED} <= reached(state)
        assert State.SUPERSEDED in NEXT[state]
        assert RESUME[state] is not NextStep.NOTHING


def test_every_state_is_reached():
    assert {State.PENDING} | reached(State.PENDING) == {*State}


def test_only_done_ends_well_and_only_after_a_gate():
    assert {*FINAL} == {State.DONE, State.SUPERSEDED}
    assert [state for state, following in NEXT.items() if State.DONE in following] == [State.SOAKING, State.UNREACHABLE]
