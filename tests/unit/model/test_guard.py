# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.removal_guard import Policy, decide, digest

LIVE = {**{f"data{at}": "data" for at in range(1, 9)}, "liaison1": "liaison", "liaison2": "liaison"}
NO_REMOVE: frozenset[str] = frozenset()


def without(*names: str) -> dict[str, str]:
    return {name: role for name, role in LIVE.items() if name not in names}


def reasons(decision: object) -> dict[str, str]:
    return {held.name: held.reason for held in decision.held}  # type: ignore[attr-defined]


def test_a_node_that_is_left_out_once_stays() -> None:
    decision = decide(LIVE, without("data8"), NO_REMOVE, {}, Policy())
    assert decision.keep == LIVE
    assert decision.missing == {"data8": 1}
    assert reasons(decision) == {"data8": "left out 1 times in a row, believed after 3"}


def test_the_third_observation_is_believed() -> None:
    decision = decide(LIVE, without("data8"), NO_REMOVE, {"data8": 2}, Policy())
    assert decision.removed == ("data8",)
    assert decision.keep == without("data8")
    assert decision.missing == {}


def test_a_node_that_came_back_starts_again() -> None:
    assert decide(LIVE, LIVE, NO_REMOVE, {"data8": 2}, Policy()).missing == {}


def test_a_failure_of_the_source_counts_neither_way() -> None:
    decision = decide(LIVE, None, NO_REMOVE, {"data8": 2}, Policy())
    assert (decision.keep, decision.missing, decision.held) == (LIVE, {"data8": 2}, ())


def test_a_node_that_answers_stays_however_often_it_is_left_out() -> None:
    decision = decide(LIVE, without("data8"), frozenset(["data8"]), {"data8": 99}, Policy())
    assert decision.keep == LIVE
    assert reasons(decision) == {"data8": "it still answers"}


def test_more_than_the_allowed_percentage_at_once_are_all_held() -> None:
    decision = decide(LIVE, without("data7", "data8"), NO_REMOVE, {"data7": 2, "data8": 2}, Policy())
    assert decision.keep == LIVE
    assert set(reasons(decision).values()) == {"2 of 10 nodes would go at once, at most 1 may"}


def test_the_last_of_a_role_stays() -> None:
    live = {"data1": "data", "data2": "data", "liaison1": "liaison"}
    decision = decide(live, {"data1": "data", "data2": "data"}, NO_REMOVE, {"liaison1": 2}, Policy())
    assert decision.keep == live
    assert reasons(decision) == {"liaison1": "0 liaison nodes would stay, at least 1 have to"}


def test_nothing_at_all_is_never_written_not_even_when_agreed() -> None:
    decision = decide(LIVE, {}, NO_REMOVE, dict.fromkeys(LIVE, 9), Policy(), override=digest(LIVE, {}))
    assert decision.keep == LIVE


def test_an_addition_passes_beside_removals_that_are_held() -> None:
    decision = decide(LIVE, {**without("data8"), "data9": "data"}, NO_REMOVE, {}, Policy())
    assert decision.keep == {**LIVE, "data9": "data"}
    assert decision.added == ("data9",)


def test_an_override_fits_the_one_plan_that_it_names() -> None:
    wanted = without("data6", "data7", "data8")
    agreed = decide(LIVE, wanted, frozenset(LIVE), {}, Policy()).digest
    assert decide(LIVE, wanted, frozenset(LIVE), {}, Policy(), override=agreed).keep == wanted
    assert decide(LIVE, without("data5", "data6", "data7", "data8"), frozenset(LIVE), {}, Policy(), override=agreed).keep == LIVE


@pytest.mark.parametrize(("live", "most"), [(1, 1), (6, 1), (13, 1), (14, 2), (20, 3), (100, 15)])
def test_the_share_is_of_the_live_nodes_and_at_least_one(live: int, most: int) -> None:
    nodes = {f"data{at}": "data" for at in range(live)}
    for gone, passes in ((most, True), (most + 1, False)):
        observed = dict(list(nodes.items())[gone:])
        decision = decide(nodes, observed, NO_REMOVE, dict.fromkeys(nodes, 2), Policy())
        assert (len(decision.removed) == gone) is passes or not observed
