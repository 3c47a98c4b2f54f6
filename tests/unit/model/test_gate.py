# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons that keep a gate closed, and for how long."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import Asked, NodeAnswer, Watch, findings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View

L1 = ExpectedNode("l1", "l1:18912", "liaison")
D1 = ExpectedNode("d1", "d1:17912", "data")
ME = ExpectedNode("l1", "", "liaison")
IDENTITIES = {"l1": Identity("l1:18912", roles=("ROLE_LIAISON",)), "d1": Identity("d1:17912", roles=("ROLE_DATA",), labels=(("type", "hot"),))}
ANSWERS = {name: NodeAnswer("SERVING", identity, 7) for name, identity in IDENTITIES.items()}


def view(active=("d1:17912",), evictable=(), liaisons=("l1:18912",)):
    liaison = RouteTable((IDENTITIES["l1"],), tuple(liaisons))
    return View({"tire1": liaison, "tire2": RouteTable((IDENTITIES["d1"],), tuple(active), tuple(evictable))})


def found(asked=None, seen=None, stood=0.0, revisions_stood=0.0, **answers):
    pairs = findings(asked or Asked(ME, [L1, D1]), seen or view(), {**ANSWERS, **answers}, stood, revisions_stood)
    return [(pair.observer, pair.subject, pair.table, pair.seen, pair.verdict) for pair in pairs]


def test_nothing_is_wrong_with_a_whole_cluster():
    assert found() == []


def test_one_that_is_not_used_is_found_and_stuck_after_30_s():
    assert found(seen=view((), ("d1:17912",)), stood=29.0) == [("l1", "d1", "tire2", "evictable", "converging")]
    assert found(seen=view((), ("d1:17912",)), stood=30.0) == [("l1", "d1", "tire2", "evictable", "stuck")]


def test_a_node_that_is_not_responding_is_found_though_the_view_still_shows_it_active():
    assert found(d1=Failure("refused", "nothing listens")) == [("l1", "d1", "", "refused: nothing listens", "unknown")]


def test_one_that_is_not_well_is_found():
    assert found(d1=NodeAnswer("NOT_SERVING", IDENTITIES["d1"], 7)) == [("d1", "d1", "health", "NOT_SERVING", "converging")]


def test_an_older_schema_is_found():
    assert found(d1=NodeAnswer("SERVING", IDENTITIES["d1"], 6)) == [("l1", "d1", "schema revision", "6", "converging")]


def test_a_schema_that_stays_older_is_one_that_never_saw_what_was_deleted():
    assert found(d1=NodeAnswer("SERVING", IDENTITIES["d1"], 6), revisions_stood=29.0) != []
    assert found(d1=NodeAnswer("SERVING", IDENTITIES["d1"], 6), revisions_stood=30.0) == []


def test_an_older_schema_is_not_waited_for_where_it_stood_before_the_change_or_nothing_was_changed_yet():
    older = NodeAnswer("SERVING", IDENTITIES["d1"], 6)
    assert found(Asked(ME, [L1, D1], stood=[6, 7]), d1=older) == []
    assert found(Asked(ME, [L1, D1], stood=[5, 7]), d1=older) != []
    assert found(Asked(ME, [L1, D1], stood=None), d1=older) == []


def test_a_changed_node_must_match_its_description():
    wanted = ExpectedNode("d1", "d1:17912", "data", ("ROLE_DATA",), (("type", "warm"),))
    assert found(Asked(ME, [L1, D1], {"d1": wanted})) == [("d1", "d1", "identity", "d1:17912 (ROLE_DATA; type=hot)", "drift")]


def test_nothing_is_asked_of_what_the_view_shows_beside():
    assert found(Asked(ME, [L1]), view(("d1:17912", "d9:17912"), ("d8:17912",))) == []


def test_a_server_without_a_view_keeps_it_closed():
    assert found(seen=Failure("refused", "nothing listens")) == [("l1", "l1", "", "refused: nothing listens", "unknown")]


def test_a_standalone_server_is_asked_for_its_health_alone():
    alone = ExpectedNode("s", "s:17912", "standalone")
    assert findings(Asked(ExpectedNode("s", "", "standalone"), [alone], {"s": alone}), View(), {"s": NodeAnswer("SERVING")}) == []


def wrong(count):
    return findings(Asked(ME, [L1, D1]), view((), ()), {f"n{number}": Failure("refused", "no") for number in range(count - 1)} | ANSWERS)


def watched(*looks, soak=10.0, stall=45.0):
    state = Watch(soak=soak, stall=stall)
    for now, count in looks:
        state = state.after(now, wrong(count) if count else [])
    return state


def test_a_gate_opens_when_nothing_was_wrong_for_the_soak_time():
    assert not watched((0, 0), (9.9, 0)).is_open(9.9)
    assert watched((0, 0), (10, 0)).is_open(10)


def test_a_gate_without_a_soak_time_opens_at_the_first_good_look():
    assert watched((0, 1), (1, 0), soak=0.0).is_open(1)


def test_a_failure_in_the_soak_time_begins_it_again():
    state = watched((0, 0), (5, 1), (6, 0), (12, 0))
    assert not state.is_open(12) and state.is_open(16)


def test_who_makes_progress_is_waited_for():
    assert not watched((0, 3), (40, 2), (80, 1)).has_stalled(80)
    assert watched((0, 3), (40, 2), (85, 2)).has_stalled(85)


def test_who_flaps_is_not_waited_for():
    state = watched((0, 1), (1, 0), (2, 1), (40, 0), (41, 1), (46, 1))
    assert state.has_stalled(46)


def test_a_soak_that_has_begun_is_not_cut_short():
    assert not watched((0, 1), (44, 0), (50, 0)).has_stalled(50)


def test_the_time_that_a_picture_has_stood_is_reported():
    assert watched((0, 1), (3, 1)).stood(7) == 7
    assert watched((0, 1), (3, 2)).stood(7) == 4
