# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers with lost, torn and stale lines, and hosts with any record: the next run knows the true state of each host."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import HostRecord, Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.ledger_lines import (
    Journal,
    Member,
    Step,
    corrections,
    from_records,
    read_journal,
    run_line,
    step_line,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import FINAL, NEXT, State

from .draw import Choices, made

OLDER, THIS, LATER = (Operation(f"o{number}", number, "deploy") for number in (1, 2, 3))
ANN = Run("a", "ann")


@dataclass
class Case:
    """A walk of each host through the states, the lines that the controller kept of it, and the record of each reachable host."""

    text: str
    records: dict[Member, HostRecord | None] = field(default_factory=dict)
    lines: int = 0


def case(choices: Choices) -> Case:
    found = Case(run_line(THIS, ANN, "at"))
    kept: list[str] = []
    for number in range(1 + choices.below(6)):
        member, state = Member(choices.pick(("c1", "c2")), f"h{number}"), State.PENDING
        walk = [state]
        while NEXT[state] and not choices.once_in(5) and len(walk) < 12:
            state = choices.pick(NEXT[state])
            walk.append(state)
        # The record is written before the line, and the last lines may be lost.
        kept += [step_line(Step(member, each, "at", "a", choices.text())) for each in walk[: len(walk) - choices.below(2)]]
        kind = choices.below(6)
        if kind < 3:
            found.records[member] = HostRecord(THIS, state, "at")
        elif kind == 3:
            found.records[member] = HostRecord(choices.pick((OLDER, LATER)), choices.pick((State.PENDING, State.APPLYING, State.DONE)), "at")
        elif kind == 4:
            found.records[member] = None
    found.lines = len(kept)
    cut = choices.below(40)
    found.text += "".join(line[:cut] + "\n" + line if choices.once_in(6) else line for line in kept)
    return found


def stated(journal: Journal) -> dict[Member, State]:
    return {member: step.state for member, step in journal.steps.items()}


@given(made(160, case))
def test_a_corrected_journal_says_what_the_records_say(given: Case) -> None:
    journal = read_journal(given.text)
    assert journal.operation == THIS
    before = stated(journal)
    for step in corrections(journal, given.records, "b", "later"):
        assert step.state is not before[step.member] and step.cause
        journal.add(step)
    after = stated(journal)
    for member, state in after.items():
        record = given.records.get(member)
        if member not in given.records:
            assert state in (*FINAL, State.UNREACHABLE)
        elif record is not None and record.operation == THIS:
            assert state is record.state
        elif record is not None and record.operation == LATER:
            assert state in FINAL
        else:
            assert state in (*FINAL, State.PENDING)
    assert corrections(journal, given.records, "b", "later") == []


@given(made(160, case))
def test_a_ledger_made_from_the_records_needs_no_correction(given: Case) -> None:
    made_again = {operation: read_journal("".join(lines)) for operation, lines in from_records(given.records).items()}
    known = {member: record for member, record in given.records.items() if record is not None}
    assert {member for journal in made_again.values() for member in journal.steps} == {*known}
    for operation, journal in made_again.items():
        here = {member: record for member, record in known.items() if record.operation.id == operation}
        assert stated(journal) == {member: record.state for member, record in here.items()}
        assert journal.unreadable == 0 and journal.illegal == [] and corrections(journal, here, "b", "later") == []


@given(made(160, case))
def test_torn_lines_never_hide_a_whole_line(given: Case) -> None:
    whole = "".join(line + "\n" for line in given.text.splitlines() if line.endswith("}"))
    assert read_journal(given.text).steps == read_journal(whole).steps
