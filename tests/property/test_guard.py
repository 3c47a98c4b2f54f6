# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of DNS answers (all, a part, nothing, a failure, flapping), and the changes of a live topology that the guard allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.removal_guard import Policy, decide, digest

from .draw import Choices, made

ROLE = {**{f"d{number}": "data" for number in range(8)}, "l0": "liaison"}


@dataclass(frozen=True)
class Look:
    """One reading of the source. ``observed`` None: it failed. ``agrees``: the user confirmed the plan; ``stale``: an older plan."""

    observed: Mapping[str, str] | None
    answering: frozenset[str]
    agrees: bool = False
    stale: bool = False


def looks(choices: Choices) -> list[Look]:
    """Return up to 12 readings. The true list changes slowly; a reading returns that list, a part of it, nothing or a failure."""
    means = set(choices.shuffled(sorted(ROLE))[choices.below(len(ROLE)) :])
    answering = set(ROLE)
    made_looks = []
    for _ in range(1 + choices.below(12)):
        if choices.once_in(3):
            means ^= {choices.pick(sorted(ROLE))}
        if choices.once_in(3):
            answering ^= {choices.pick(sorted(ROLE))}
        kind = choices.below(8)
        said = None if kind == 0 else set() if kind == 1 else set(choices.shuffled(sorted(means))[: choices.below(12)]) if kind < 4 else means
        observed = None if said is None else {name: ROLE[name] for name in said}
        made_looks.append(Look(observed, frozenset(answering), choices.once_in(16), choices.once_in(8)))
    return made_looks


@given(made(200, looks))
def test_no_sequence_of_answers_removes_a_node_that_answers_or_that_was_not_long_left_out(sequence: list[Look]) -> None:
    live = dict(sorted(ROLE.items()))
    policy = Policy()
    missing: Mapping[str, int] = {}
    left_out: Counter[str] = Counter()
    before = ""
    for look in sequence:
        plan = digest(live, look.observed) if look.observed is not None else ""
        decision = decide(live, look.observed, look.answering, missing, policy, plan if look.agrees else before if look.stale else "")
        agreed = plan != "" and (look.agrees or (look.stale and before == plan))
        before = plan or before
        if look.observed is not None:
            for name in live:
                left_out[name] = 0 if name in look.observed else left_out[name] + 1
        gone = live.keys() - decision.keep.keys()
        assert gone == set(decision.removed)
        assert decision.keep
        if not agreed:
            assert not gone & look.answering
            assert all(left_out[name] >= policy.observations for name in gone)
            assert len(gone) <= max(1, int(len(live) * policy.share))
            for role, least in policy.minimum.items():
                assert role not in {live[name] for name in gone} or sum(kind == role for kind in decision.keep.values()) >= least
        assert {held.name for held in decision.held} == (set() if look.observed is None else live.keys() - look.observed.keys() - gone)
        assert decision.keep.keys() - live.keys() == set(decision.added) == (set() if look.observed is None else look.observed.keys() - live.keys())
        live, missing = dict(decision.keep), decision.missing
