# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan an operation of many clusters: which clusters change side by side, and when the operation stops by itself. Pure.

A fleet has waves of clusters. Within each cluster, the waves of waves.py keep their order. The plan depends only on the clusters of the inventory, so
a later run has the same waves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import STAGES, WrongLimits, stage_end
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming, shown


class Outcome(Enum):
    """What an operation did to a cluster. A host decides with the first of these outcomes that any host of the cluster has."""

    FAILED = "failed"
    UNREACHABLE = "unreachable"
    PAUSED = "paused"
    OPEN = "open"  # not begun, or under way
    DONE = "done"


_OUTCOMES = {
    State.FAILED: Outcome.FAILED,
    State.ROLLED_BACK: Outcome.FAILED,
    State.UNREACHABLE: Outcome.UNREACHABLE,
    State.PAUSED: Outcome.PAUSED,
    State.DONE: Outcome.DONE,
    State.SUPERSEDED: Outcome.DONE,
}
_WORST = tuple(Outcome)


@dataclass(frozen=True)
class FleetWave:
    """Clusters that change side by side."""

    number: int
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class FleetStep:
    """What the operation does next: ``clusters`` of wave ``wave`` change side by side.

    Without clusters, the operation is over, or ``stopped`` says why the operation stops.
    """

    wave: int
    clusters: tuple[str, ...]
    stopped: str = ""


def fleet_waves(clusters: Iterable[str], stages: Sequence[int | str] = STAGES) -> list[FleetWave]:
    """Return the waves of a fleet, numbered from 1. ``stages``: upper bounds of the number of changed clusters at the end of each wave."""
    names = sorted(clusters)
    found: list[FleetWave] = []
    done = 0
    for stage in (*stages, "100%"):
        end = stage_end(stage, len(names))
        if end > done:
            found.append(FleetWave(len(found) + 1, tuple(names[done:end])))
            done = end
    return found


def outcome(states: Collection[State]) -> Outcome:
    """Return the outcome of a cluster from the states of its hosts. A cluster without a state has not begun."""
    found = {_OUTCOMES.get(state, Outcome.OPEN) for state in states} or {Outcome.OPEN}
    return next(each for each in _WORST if each in found)


def next_step(waves: Sequence[FleetWave], outcomes: Mapping[str, Outcome], max_failed: int) -> FleetStep:
    """Return what the operation does next.

    A wave begins after all clusters of the wave before have ended. Failed and unreachable clusters of all waves count against ``max_failed``, and do
    not delay the others. ``outcomes``: cluster -> outcome; a missing cluster has not begun.
    """
    bad = {name: found for name, found in outcomes.items() if found in (Outcome.FAILED, Outcome.UNREACHABLE)}
    if len(bad) > max_failed:
        what = listed([f"{name} ({found.value})" for name, found in sorted(bad.items())], 3)
        after = f" of at most {max_failed} (banyandb_fleet_max_failed). Repair them, then run skywalking.banyandb.resume."
        return FleetStep(0, (), naming(f"{len(bad)} clusters failed or are unreachable: ", [what], after))
    for wave in waves:
        paused = [name for name in wave.clusters if outcomes.get(name) is Outcome.PAUSED]
        if paused:
            return FleetStep(wave.number, (), naming(f"Wave {wave.number} is paused: ", paused, ". Run skywalking.banyandb.resume."))
        left = tuple(name for name in wave.clusters if outcomes.get(name, Outcome.OPEN) is Outcome.OPEN)
        if left:
            return FleetStep(wave.number, left)
    return FleetStep(0, ())


def max_failed(value: Any, clusters: int) -> int:
    """Return how many of ``clusters`` may fail, from the variable ``banyandb_fleet_max_failed``: a number, or a percentage that is rounded down.

    Raises WrongLimits.
    """
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}%?", text):
        raise WrongLimits(f"banyandb_fleet_max_failed is {shown(value)}: expected a number of clusters, 0 or more, or a percentage such as 5%.")
    return clusters * min(100, int(text[:-1])) // 100 if text.endswith("%") else int(text)
