# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether an operation may begin or go on at a host, from the host's own record. Pure.

The record is the truth about a host: the last operation, its state at this host, and the last good generations.
A lease names the run that works at the host. Each change of the record renews the lease. Another run takes a lease over only after the lease ran out.
The departures of nodes have their own record (departure.py), because they outlive every operation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import FINAL, State, may_follow
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

FORMAT = 1
#: Number of last good generations in a record.
GENERATIONS = 3
#: Seconds until a lease without a heartbeat runs out. Longer than the longest step without one: a stop of a server, 120 s (contract, section 8),
#: and its start.
LEASE_SECONDS = 300


class BadRecord(ValueError):
    """The text is not a record of this collection."""


class Refusal(Enum):
    """Why an operation may not begin or go on at a host."""

    BUSY = "busy"  # another run is alive
    OLDER = "older"  # the host knows a later operation
    LOST = "lost"  # another run took the lease over
    ILLEGAL = "illegal"  # the state may not follow the state in the record


class OperationRefused(ValueError):
    """The operation may not begin or go on at this host. The message says what to do."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class Operation:
    """An operation of a cluster. ``generation``: higher than of every operation before. ``kind``: name of the playbook."""

    id: str
    generation: int
    kind: str


@dataclass(frozen=True)
class Run:
    """One run of a playbook. ``id`` is random, so a second run of one operation has another. ``who``: operator and machine, for a person."""

    id: str
    who: str


@dataclass(frozen=True)
class Moment:
    """A time on the clock of the host. ``seconds`` since the boot with the id ``boot``. A change of the date leaves this clock unchanged."""

    boot: str
    seconds: float

    def since(self, earlier: Moment) -> float:
        """Return the seconds since ``earlier``; after a reboot, the seconds since the boot, which are fewer."""
        passed = self.seconds - earlier.seconds
        return passed if self.boot == earlier.boot and passed >= 0 else self.seconds


@dataclass(frozen=True)
class Lease:
    """The run that works at the host, and its last heartbeat."""

    run: Run
    beat: Moment

    def left(self, now: Moment) -> float:
        """Return the seconds until the lease runs out; 0 when it ran out."""
        return max(0.0, LEASE_SECONDS - now.since(self.beat))


@dataclass(frozen=True)
class Setting:
    """The settings of a server: version of the program, and digests of its configuration, topology and certificates."""

    version: str
    configuration: str
    topology: str
    certificates: str


@dataclass(frozen=True)
class Generation:
    """A setting with which a gate found the cluster healthy. ``since``: ISO 8601, UTC."""

    generation: int
    setting: Setting
    since: str


@dataclass(frozen=True)
class HostRecord:
    """The record of a host. ``since``: of ``state``, ISO 8601, UTC. ``good``: last good generations, the newest first."""

    operation: Operation
    state: State
    since: str
    lease: Lease | None = None
    good: tuple[Generation, ...] = ()


@dataclass(frozen=True)
class Begun:
    """An operation that may work at the host: the new record, and what the record before says about an unfinished operation of another id."""

    record: HostRecord
    left: HostRecord | None = None


def begin(record: HostRecord | None, operation: Operation, run: Run, now: Moment, at: str) -> Begun:
    """Return the record with which a run begins an operation at this host, or goes on with it. ``at``: ``now`` as ISO 8601, UTC.

    An operation that goes on keeps its state. Raises OperationRefused (BUSY, OLDER).
    """
    lease = Lease(run, now)
    if record is None:
        return Begun(HostRecord(operation, State.PENDING, at, lease))
    _check_lease(record, run, now)
    if record.operation == operation:
        return Begun(replace(record, lease=lease))
    if operation.generation <= record.operation.generation:
        known = record.operation
        raise OperationRefused(
            Refusal.OLDER,
            f"This host knows {known.kind} {known.id} of generation {known.generation}, and {operation.kind} {operation.id} has generation "
            f"{operation.generation}. Run the playbook again.",
        )
    return Begun(HostRecord(operation, State.PENDING, at, lease, record.good), None if record.state in FINAL else record)


def go_on(record: HostRecord | None, operation: Operation, run: Run, state: State, now: Moment, at: str, good: Setting | None = None) -> HostRecord:
    """Return the record with the next state and a new heartbeat. The same state is a heartbeat only.

    A lease that ran out stays valid until another run takes it over.
    ``good``: settings of the server, for DONE only. Raises OperationRefused (LOST, ILLEGAL).
    """
    if record is None or record.operation != operation or record.lease is None or record.lease.run.id != run.id:
        other = "no run" if record is None or record.lease is None else record.lease.run.who
        raise OperationRefused(Refusal.LOST, f"{operation.kind} {operation.id} lost this host to {other}. Run skywalking.banyandb.status.")
    if not may_follow(record.state, state):
        raise OperationRefused(
            Refusal.ILLEGAL, f"{operation.kind} {operation.id}: {state.value} may not follow {record.state.value}. Run skywalking.banyandb.status."
        )
    generations = record.good
    if good is not None and state is State.DONE and record.state is not State.DONE:
        generations = (Generation(operation.generation, good, at), *generations)[:GENERATIONS]
    return replace(record, state=state, since=record.since if state is record.state else at, lease=Lease(run, now), good=generations)


def release(record: HostRecord | None, run: Run) -> HostRecord | None:
    """Return the record after the run has ended: without the lease of this run."""
    if record is None or record.lease is None or record.lease.run.id != run.id:
        return record
    return replace(record, lease=None)


def _check_lease(record: HostRecord, run: Run, now: Moment) -> None:
    lease = record.lease
    if lease is None or lease.run.id == run.id:
        return
    left = lease.left(now)
    if left > 0:
        raise OperationRefused(
            Refusal.BUSY,
            f"{lease.run.who} runs {record.operation.kind} {record.operation.id} at this host. "
            f"Wait until it ends. If it was killed, wait {-int(-left // 1)} s.",
        )


# ---- the text of the record


def record_text(record: HostRecord) -> str:
    """Return the text of the file: JSON that a person can read."""
    content = {"written_by": "skywalking.banyandb", "format": FORMAT, **asdict(record), "state": record.state.value}
    return json.dumps(content, indent=2) + "\n"


def read_record(text: str) -> HostRecord:
    """Return the record of a text. Raises BadRecord."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRecord("no JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise BadRecord("no format")
    if content["format"] > FORMAT:
        raise BadRecord(f"format {shown(content['format'])} of a newer collection")
    try:
        return HostRecord(
            Operation(**_typed(content["operation"], {"id": str, "generation": int, "kind": str})),
            State(content["state"]),
            _typed({"since": content["since"]}, {"since": str})["since"],
            None if content["lease"] is None else _lease(content["lease"]),
            tuple(_generation(each) for each in content["good"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecord(f"unexpected content ({shown(str(error))})") from None


def _lease(content: Any) -> Lease:
    run = _typed(content["run"], {"id": str, "who": str})
    beat = _typed(content["beat"], {"boot": str, "seconds": (int, float)})
    return Lease(Run(**run), Moment(**beat))


def _generation(content: Any) -> Generation:
    found = _typed(content, {"generation": int, "setting": dict, "since": str})
    setting = _typed(found["setting"], dict.fromkeys(("version", "configuration", "topology", "certificates"), str))
    return Generation(found["generation"], Setting(**setting), found["since"])


def _typed(content: Any, types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of ``types`` in a mapping. Raises ValueError for a missing value or another type."""
    if not isinstance(content, dict):
        raise ValueError("expected a mapping")
    for name, kind in types.items():
        value = content.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{name} is {shown(value)}")
    return {name: content[name] for name in types}
