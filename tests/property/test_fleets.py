# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets whose clusters end in any way, with interrupted and resumed runs: each cluster is done once, and a stop comes in time."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.fleet_plan import Outcome, fleet_waves, next_step

from .draw import Choices, made

ENDS = (Outcome.DONE, Outcome.DONE, Outcome.DONE, Outcome.FAILED, Outcome.UNREACHABLE)


@dataclass
class Fleet:
    """``ends``: how each try of each cluster ends; the last try is good. ``interruptions``: clusters that end before each interruption of a run."""

    stages: tuple[int | str, ...]
    max_failed: int
    ends: dict[str, list[Outcome]]
    interruptions: list[int]


def fleet(choices: Choices) -> Fleet:
    stages = choices.pick(((1, "5%", "25%", "100%"), ("100%",), (1,), (2, "50%"), (1, 2, 3), ("1%", 9)))
    tries = [[choices.pick(ENDS) for _ in range(choices.below(3))] + [Outcome.DONE] for _ in range(choices.below(40))]
    return Fleet(stages, choices.below(5), {f"c{number:02}": each for number, each in enumerate(tries)}, [choices.below(9) for _ in range(6)])


@given(made(180, fleet))
def test_every_cluster_is_done_once_in_the_end_and_a_stop_comes_in_time(fleet: Fleet) -> None:
    waves = fleet_waves(fleet.ends, fleet.stages)
    assert [name for wave in waves for name in wave.clusters] == sorted(fleet.ends)
    assert all(wave.clusters for wave in waves)
    outcomes: dict[str, Outcome] = {}
    tries = {name: iter(ends) for name, ends in fleet.ends.items()}
    done: list[str] = []
    interruptions = iter(fleet.interruptions)
    for _ in range(400):
        step = next_step(waves, outcomes, fleet.max_failed)
        bad = [name for name, found in outcomes.items() if found in (Outcome.FAILED, Outcome.UNREACHABLE)]
        assert bool(step.stopped) == (len(bad) > fleet.max_failed)
        if not step.clusters:
            if not bad:
                break
            # The operator resumes: the clusters that did not end well begin again.
            outcomes.update(dict.fromkeys(bad, Outcome.OPEN))
            continue
        wave = waves[step.wave - 1]
        assert {*step.clusters} <= {*wave.clusters}
        for earlier in waves[: step.wave - 1]:
            assert all(outcomes.get(name, Outcome.OPEN) is not Outcome.OPEN for name in earlier.clusters)
        most = next(interruptions, len(step.clusters)) or 1
        for name in step.clusters[:most]:
            outcomes[name] = next(tries[name])
            if outcomes[name] is Outcome.DONE:
                done.append(name)
    assert sorted(done) == sorted(fleet.ends)
