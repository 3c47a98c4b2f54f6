# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and make the lines of the ledger: what the runs of one operation asked for and did, one JSON object a line. Pure.

The ledger is a journal. The records of the hosts are the truth, so corrections() compares both, and from_records() makes a lost ledger again.
A line has no field for settings, and a cause is text that the run showed already, so no secret gets into the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import HostRecord, Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import FINAL, State, may_follow
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, cut, shown

FORMAT = 1
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
_STATES = {state.value: state for state in State}


class BadLedger(ValueError):
    """The text is not a ledger of this collection."""


class Member(NamedTuple):
    """A host of a cluster."""

    cluster: str
    host: str


@dataclass(frozen=True)
class Step:
    """A host has reached a state. ``at``: ISO 8601, UTC. ``run``: id of the run. ``cause``: why, for a state that is no progress."""

    member: Member
    state: State
    at: str
    run: str
    cause: str = ""


@dataclass
class Journal:
    """The content of a ledger file.

    ``runs``: id of a run -> who. ``steps``: last step of each host. ``illegal``: steps that may not follow the step before.
    ``unreadable``: number of lines of killed writers.
    """

    operation: Operation | None = None
    runs: dict[str, str] = field(default_factory=dict)
    steps: dict[Member, Step] = field(default_factory=dict)
    illegal: list[Step] = field(default_factory=list)
    unreadable: int = 0

    def add(self, step: Step) -> None:
        before = self.steps.get(step.member)
        if before is not None and not may_follow(before.state, step.state):
            self.illegal.append(step)
        self.steps[step.member] = step

    def open(self) -> list[Step]:
        """Return the last steps of the hosts whose operation has not ended."""
        return [step for step in self.steps.values() if step.state not in FINAL]


def operation_id(kind: str, at: str, token: str) -> str:
    """Return the id of a new operation, such as ``20261130T012254Z-upgrade-3fa9c1d2``. Sorted ids are in the order of their times."""
    return f"{re.sub('[-:]', '', at)}-{kind}-{token}"


def require_id(text: str) -> str:
    """Return ``text``, which becomes the name of a file. Raises BadLedger."""
    if not _ID.fullmatch(text):
        raise BadLedger(f"{shown(text)} is not the id of an operation. Run skywalking.banyandb.history to see the ids.")
    return text


def run_line(operation: Operation, run: Run, at: str) -> str:
    """Return the line with which a run begins or resumes an operation."""
    return _line({"format": FORMAT, "at": at, "operation": asdict(operation), "run": run.id, "who": run.who})


def step_line(step: Step) -> str:
    content = {"at": step.at, "cluster": step.member.cluster, "host": step.member.host, "state": step.state.value, "run": step.run}
    return _line({**content, "cause": cut(" ".join(step.cause.split()), MOST)} if step.cause else content)


def read_journal(text: str) -> Journal:
    """Return the content of a ledger file. A line of a killed writer is counted and left out.

    Raises BadLedger for a file of a newer collection, and for lines of two operations.
    """
    journal = Journal()
    for line in text.splitlines():
        try:
            content = json.loads(line)
            if "state" in content:
                if {*map(type, content.values())} != {str}:
                    raise TypeError
                member = Member(content["cluster"], content["host"])
                journal.add(Step(member, _STATES[content["state"]], content["at"], content["run"], content.get("cause", "")))
                continue
            number, operation = content["format"], Operation(**content["operation"])
            run, who = content["run"], content["who"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            journal.unreadable += bool(line.strip())
            continue
        if number != FORMAT:
            raise BadLedger(f"format {shown(number)} of a newer collection. Use the collection that wrote this ledger.")
        if journal.operation not in (None, operation):
            raise BadLedger("lines of two operations. Move the file away; the next run makes the ledger again from the records of the hosts.")
        journal.operation = operation
        journal.runs[run] = who
    return journal


# ---- the ledger and the records of the hosts


def corrections(journal: Journal, records: Mapping[Member, HostRecord | None], run: str, at: str) -> list[Step]:
    """Return the steps that bring a journal in line with the records of the hosts.

    ``records``: record of each reachable host, None for a host without a record. A host of the journal that is not in ``records`` is unreachable.
    """
    found = []
    for member, step in journal.steps.items():
        state, cause = step.state, ""
        if member not in records:
            if state not in FINAL:
                state, cause = State.UNREACHABLE, "not reached"
        else:
            state, cause = _recorded(journal, records[member], step)
        if state is not step.state:
            found.append(Step(member, state, at, run, cause))
    return found


def from_records(records: Mapping[Member, HostRecord | None]) -> dict[str, list[str]]:
    """Return the ledgers that the records of the hosts know: id of the operation -> lines."""
    found: dict[str, list[str]] = {}
    for member, record in sorted(records.items()):
        if record is None:
            continue
        run = record.lease.run if record.lease else Run("", "")
        lines = found.setdefault(record.operation.id, [run_line(record.operation, run, record.since)])
        lines.append(step_line(Step(member, record.state, record.since, run.id, "" if record.state in FINAL else "from the record of the host")))
    return found


def _recorded(journal: Journal, record: HostRecord | None, step: Step) -> tuple[State, str]:
    """Return the state of a host by its record, and the cause."""
    if record is None or (journal.operation and record.operation.generation < journal.operation.generation):
        return (State.PENDING if step.state not in FINAL else step.state), "the host has not begun"
    if record.operation == journal.operation:
        return record.state, "from the record of the host"
    return (step.state if step.state in FINAL else State.SUPERSEDED), f"{record.operation.kind} {record.operation.id}"


def _line(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"
