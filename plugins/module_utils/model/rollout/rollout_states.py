# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of one host in one operation, and the permitted changes of a state. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """The state of a host in an operation."""

    PENDING = "pending"  # nothing has changed
    STAGED = "staged"  # the new files are on the host, and the server runs with its former files
    APPLYING = "applying"  # the server stops, changes or starts
    VERIFYING = "verifying"  # the server runs with its new files, and a gate checks the cluster
    SOAKING = "soaking"  # the gate has found the cluster healthy once, and watches it
    DONE = "done"
    FAILED = "failed"  # the change failed; the host may have its former or its new files
    ROLLED_BACK = "rolled_back"  # the server runs with its former files again
    UNREACHABLE = "unreachable"  # no run reaches the host
    SUPERSEDED = "superseded"  # a later operation took over
    PAUSED = "paused"  # the operation waits for an operator


_WORK = (State.STAGED, State.APPLYING, State.VERIFYING, State.SOAKING)
_STOPS = (State.FAILED, State.UNREACHABLE, State.PAUSED, State.SUPERSEDED)

#: State -> states that may follow. DONE and SUPERSEDED are final: the next change of the host is another operation.
#: A host that returns was in any state before, so its record decides which state follows UNREACHABLE.
NEXT: Mapping[State, tuple[State, ...]] = {
    State.PENDING: (State.STAGED, State.APPLYING, *_STOPS),
    State.STAGED: (State.APPLYING, *_STOPS),
    State.APPLYING: (State.VERIFYING, *_STOPS),
    State.VERIFYING: (State.SOAKING, *_STOPS),
    State.SOAKING: (State.DONE, *_STOPS),
    State.FAILED: (State.PENDING, State.ROLLED_BACK, State.UNREACHABLE, State.SUPERSEDED),
    State.ROLLED_BACK: (State.PENDING, State.UNREACHABLE, State.SUPERSEDED),
    State.UNREACHABLE: (State.PENDING, *_WORK, State.DONE, State.FAILED, State.ROLLED_BACK, State.PAUSED, State.SUPERSEDED),
    State.PAUSED: (State.PENDING, *_WORK, State.FAILED, State.UNREACHABLE, State.SUPERSEDED),
    State.DONE: (),
    State.SUPERSEDED: (),
}

FINAL = tuple(state for state, following in NEXT.items() if not following)


class NextStep(Enum):
    """What the next run of an operation does with a host."""

    APPLY = "apply"  # change the host
    INSPECT = "inspect"  # compare the running server with the record, because the interrupted run may have restarted the server or not
    VERIFY = "verify"  # watch the cluster again; restart nothing
    RETRY = "retry"  # look at the host again, then begin with PENDING
    NOTHING = "nothing"


#: State that an interrupted run left -> what the next run does. Every state has an entry, so no host waits forever.
RESUME: Mapping[State, NextStep] = {
    State.PENDING: NextStep.APPLY,
    State.STAGED: NextStep.APPLY,
    State.APPLYING: NextStep.INSPECT,
    State.VERIFYING: NextStep.VERIFY,
    State.SOAKING: NextStep.VERIFY,
    State.FAILED: NextStep.INSPECT,
    State.ROLLED_BACK: NextStep.RETRY,
    State.UNREACHABLE: NextStep.RETRY,
    State.PAUSED: NextStep.INSPECT,
    State.DONE: NextStep.NOTHING,
    State.SUPERSEDED: NextStep.NOTHING,
}


def may_follow(state: State, following: State) -> bool:
    """Return whether ``following`` may be the next state of a host. A repeated state is permitted: a run may be killed between its two records."""
    return following is state or following in NEXT[state]
