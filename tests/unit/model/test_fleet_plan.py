# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waves of a fleet, and when an operation stops by itself."""

from __future__ import annotations

import time

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.fleet_plan import (
    FleetStep,
    Outcome,
    fleet_waves,
    max_failed,
    next_step,
    outcome,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import WrongLimits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import Change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.waves import waves
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

SIX = fleet_waves(("c6", "c2", "c3", "c4", "c5", "c1"))


def sizes(count, stages=(1, "5%", "25%", "100%")):
    return [len(wave.clusters) for wave in fleet_waves([f"c{number}" for number in range(count)], stages)]


def test_one_cluster_comes_first_then_the_waves_grow():
    assert sizes(2000) == [1, 99, 400, 1500]
    assert [wave.clusters for wave in SIX] == [("c1",), ("c2",), ("c3", "c4", "c5", "c6")]
    assert sizes(1) == [1] and sizes(0) == []
    assert sizes(10, (3,)) == [3, 7] and sizes(10, ("100%",)) == [10] and sizes(4, (9,)) == [4]


@pytest.mark.parametrize(
    "states, wanted",
    [
        ([], Outcome.OPEN),
        ([State.DONE, State.DONE], Outcome.DONE),
        ([State.DONE, State.SUPERSEDED], Outcome.DONE),
        ([State.DONE, State.PENDING], Outcome.OPEN),
        ([State.SOAKING], Outcome.OPEN),
        ([State.PAUSED, State.PENDING], Outcome.PAUSED),
        ([State.DONE, State.UNREACHABLE, State.APPLYING], Outcome.UNREACHABLE),
        ([State.ROLLED_BACK, State.DONE], Outcome.FAILED),
        ([State.FAILED, State.UNREACHABLE], Outcome.FAILED),
    ],
)
def test_the_worst_host_decides_for_its_cluster(states, wanted):
    assert outcome(states) is wanted


def test_a_wave_begins_after_all_clusters_of_the_wave_before_have_ended():
    done = {"c1": Outcome.DONE}
    assert next_step(SIX, {}, 0) == FleetStep(1, ("c1",))
    assert next_step(SIX, done, 0) == FleetStep(2, ("c2",))
    assert next_step(SIX, {**done, "c2": Outcome.OPEN}, 0) == FleetStep(2, ("c2",))
    assert next_step(SIX, {**done, "c2": Outcome.DONE, "c4": Outcome.DONE}, 0) == FleetStep(3, ("c3", "c5", "c6"))
    assert next_step(SIX, dict.fromkeys(("c1", "c2", "c3", "c4", "c5", "c6"), Outcome.DONE), 0) == FleetStep(0, ())


def test_failed_and_unreachable_clusters_stop_the_operation_above_the_limit_only():
    outcomes = {"c1": Outcome.DONE, "c2": Outcome.UNREACHABLE, "c3": Outcome.FAILED}
    assert next_step(SIX, outcomes, 2) == FleetStep(3, ("c4", "c5", "c6"))
    stopped = next_step(SIX, outcomes, 1)
    assert stopped.clusters == ()
    assert stopped.stopped == (
        "2 clusters failed or are unreachable: c2 (unreachable), c3 (failed) of at most 1 (banyandb_fleet_max_failed). "
        "Repair them, then run skywalking.banyandb.resume."
    )
    many = next_step(fleet_waves(map(str, range(3000))), {f"{number:0100}": Outcome.FAILED for number in range(3000)}, 1)
    assert len(many.stopped) <= MOST and many.stopped.endswith("then run skywalking.banyandb.resume.")


def test_a_paused_cluster_pauses_its_wave():
    assert next_step(SIX, {"c1": Outcome.PAUSED}, 6) == FleetStep(1, (), "Wave 1 is paused: c1. Run skywalking.banyandb.resume.")


@pytest.mark.parametrize("value, wanted", [(0, 0), ("3", 3), ("5%", 1), ("100%", 39), ("999%", 39), ("1%", 0)])
def test_the_limit_of_failed_clusters(value, wanted):
    assert max_failed(value, 39) == wanted


@pytest.mark.parametrize("value", [True, None, -1, "x", "5 %", 1.5, "", [1]])
def test_a_wrong_limit_of_failed_clusters(value):
    with pytest.raises(WrongLimits, match="banyandb_fleet_max_failed is"):
        max_failed(value, 39)


def test_2000_clusters_of_5_hosts_are_planned_within_a_second():
    """The processor time counts, because other processes may run beside the test."""

    def node(name, role):
        return {"name": name, "role": role, "roles": ["ROLE_META", "ROLE_DATA"] if role == "data" else ["ROLE_LIAISON"], "labels": {}}

    kinds = ("data", "data", "data", "liaison", "liaison")
    clusters = {f"c{number:04}": [node(f"c{number:04}-{host}", kind) for host, kind in enumerate(kinds)] for number in range(2000)}
    changes = {each["name"]: Change((RestartReason(Reason.REQUESTED),)) for nodes in clusters.values() for each in nodes}
    began = time.process_time()
    assert len(waves(clusters, changes)) == 10_000
    fleet = fleet_waves(clusters)
    assert next_step(fleet, {}, 0).clusters == ("c0000",)
    assert time.process_time() - began < 1
