# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import (
    ADMIT_ALL,
    ADMIT_START,
    STAGE,
    Move,
    Plan,
    PlanRefused,
    plan,
    require_no_drop,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology

A, B, C, D = (Node(name, f"{name}:17912") for name in "abcd")
A2, B2, C2 = (Node(name, f"{name}2:17912") for name in "abc")


def made(current: Sequence[Node], desired: Sequence[Node], answering: Collection[str] | None = None, **options: Any) -> Plan:
    alive = {node.grpc_address for node in [*current, *desired]} if answering is None else answering
    return plan(Topology(tuple(sorted(current))), desired, answering=alive, **options)


def lists(result: Plan) -> list[list[str]]:
    return [[node.grpc_address.split(":")[0] for node in step.listed] for step in result.steps]


def test_nothing_to_do_writes_nothing() -> None:
    assert made([A, B], [B, A]).steps == ()


def test_a_new_node_is_one_write() -> None:
    result = made([A, B], [A, B, C])
    assert lists(result) == [["a", "b", "c"]]
    assert result.added == ("c",)


def test_a_first_file_is_one_write() -> None:
    assert lists(made([], [A, B])) == [["a", "b"]]


def test_a_node_leaves_only_by_name() -> None:
    with pytest.raises(PlanRefused, match=r"refusing to drop c, which is not in the inventory.*banyandb_remove"):
        made([A, B, C], [A, B])
    result = made([A, B, C], [A, B], remove=["c"])
    assert lists(result) == [["a", "b"]]
    assert result.removed == ("c",)


def test_a_held_back_node_leaves_when_the_inventory_drops_it_unless_the_node_responds() -> None:
    current = Topology((A,), (B,))
    assert plan(current, [A], answering={A.grpc_address}).final == Topology((A,))
    with pytest.raises(PlanRefused, match="refusing to drop b,"):
        plan(current, [A], answering={A.grpc_address, B.grpc_address})
    assert plan(current, [A], answering={A.grpc_address, B.grpc_address}, remove=["b"]).final == Topology((A,))


def test_a_question_before_the_first_change_refuses_the_drops_that_a_plan_refuses() -> None:
    asked: list[str] = []

    def respond(nodes: Sequence[Node]) -> set[str]:
        asked.extend(node.name for node in nodes)
        return {node.grpc_address for node in nodes}

    require_no_drop(Topology((A, B)), [B, A, C], [], respond)
    require_no_drop(Topology((A, B)), [A], ["b"], respond)
    require_no_drop(Topology((A, B)), [A, replace(B, name="renamed")], [], respond)
    require_no_drop(Topology((A,), (B,)), [A], [], lambda _nodes: ())
    assert asked == [], "only an entry that is held back is asked"
    for current, desired, lost in (
        (Topology((A, B)), [A], "b"),
        (Topology((A, B, C)), [A], "b, c"),
        (Topology((A, B)), [replace(B, name="a")], "b"),
        (Topology((A,), (B,)), [A], "b"),
    ):
        with pytest.raises(PlanRefused, match=f"refusing to drop {lost},") as early:
            require_no_drop(current, desired, [], respond)
        with pytest.raises(PlanRefused, match="refusing to drop") as late:
            plan(current, desired, answering={node.grpc_address for node in (A, B, C)}, readdress=STAGE)
        assert (str(early.value), early.value.entries) == (str(late.value), late.value.entries)
    assert asked == ["b"]


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(PlanRefused, match="empty"):
        made([A], [], remove=["a"])


def test_a_name_cannot_be_wanted_and_removed() -> None:
    with pytest.raises(PlanRefused, match="a: in nodes and in remove"):
        made([A], [A], remove=["a"])


def test_removing_a_name_that_is_not_there_is_done_already() -> None:
    result = made([A], [A], remove=["gone"])
    assert (result.steps, result.removed) == ((), ())


def test_readdressing_is_refused_unless_asked_for() -> None:
    with pytest.raises(PlanRefused, match=r"refusing to change the address of a\. .*readdress: stage"):
        made([A, B], [A2, B])


def test_readdressing_takes_two_writes_without_and_with() -> None:
    result = made([A, B], [A2, B], readdress=STAGE)
    assert lists(result) == [["b"], ["a2", "b"]]
    assert result.readdressed == (Move("a", "a:17912", "a2:17912"),)
    assert result.added == result.removed == ()


def test_readdressing_all_goes_one_by_one_and_never_through_an_empty_list() -> None:
    result = made([A, B, C], [A2, B2, C2], readdress=STAGE)
    assert lists(result) == [["b", "c"], ["a2", "b", "c"], ["a2", "c"], ["a2", "b2", "c"], ["a2", "b2"], ["a2", "b2", "c2"]]
    assert lists(made([A, B, C], [A2, B2, C2], readdress=STAGE, batch=2))[0] == ["c"]
    with pytest.raises(PlanRefused, match="at once"):
        made([A, B], [A2, B2], readdress=STAGE, batch=2)


def test_two_nodes_that_swap_addresses_are_both_gone_before_one_comes_back() -> None:
    result = made([A, B, C], [Node("a", "b:17912"), Node("b", "a:17912"), C], readdress=STAGE)
    assert lists(result) == [["c"], ["b", "a", "c"]]


def test_a_new_node_at_the_address_of_a_removed_one_takes_two_writes() -> None:
    result = made([A, B], [A, Node("x", "b:17912")], remove=["b"])
    assert lists(result) == [["a"], ["a", "b"]]
    assert (result.added, result.removed) == (("x",), ("b",))


def test_a_renamed_entry_is_one_write_that_the_server_does_not_notice() -> None:
    result = made([A, B], [A, Node("x", "b:17912")])
    assert lists(result) == [["a", "b"]]
    assert result.renamed == (Move("b:17912", "b", "x"),)
    assert result.added == ()


def test_a_removal_beside_an_addition_takes_two_writes() -> None:
    assert lists(made([A, B], [A, C], remove=["b"])) == [["a"], ["a", "c"]]


def test_a_refresh_drops_the_entry_and_admits_it_again() -> None:
    result = made([A, B], [A, B], refresh=["b"])
    assert lists(result) == [["a"], ["a", "b"]]
    assert result.refreshed == ("b",)


def test_a_refresh_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(PlanRefused, match="refresh: z not found in nodes"):
        made([A], [A], refresh=["z"])


def test_the_only_entry_cannot_be_refreshed_on_a_running_server() -> None:
    with pytest.raises(PlanRefused, match="every entry would leave the view at once"):
        made([A], [A], refresh=["a"])


def test_a_new_node_that_is_not_responding_is_held_back() -> None:
    result = made([A, B], [A, B, C], answering={"a:17912", "b:17912"})
    assert result.final == Topology((A, B), (C,))
    assert (result.held_back, result.added) == (("c",), ())
    later = plan(result.final, [A, B, C], answering={"a:17912", "b:17912", "c:17912"})
    assert (lists(later), later.added) == ([["a", "b", "c"]], ("c",))


def test_a_known_node_that_is_not_responding_stays_listed_last() -> None:
    result = made([A, B, C], [A, B, C], answering={"b:17912", "c:17912"})
    assert lists(result) == [["b", "c", "a"]]
    assert result.away == ("a",)


def test_a_new_address_that_is_not_responding_leaves_the_old_one_in_place() -> None:
    result = made([A, B], [A2, B], answering={"a:17912", "b:17912"}, readdress=STAGE)
    assert (result.steps, result.held_back) == ((), ("a",))


def test_admitting_all_lists_the_silent_last() -> None:
    assert lists(made([], [A, B], answering={"b:17912"}, admit=ADMIT_ALL)) == [["b", "a"]]


def test_a_running_server_is_never_given_an_empty_list_because_no_node_responds() -> None:
    with pytest.raises(PlanRefused, match="no node responds"):
        made([], [A, B], answering=set())


def test_a_start_lists_only_what_answers_and_remembers_the_rest() -> None:
    result = made([A, B, C], [A, B, C], answering={"b:17912"}, admit=ADMIT_START)
    assert result.final == Topology((B,), (A, C))
    assert made([], [A], answering=set(), admit=ADMIT_START).final == Topology((), (A,))


def test_a_start_needs_one_of_those_that_were_named_to_answer() -> None:
    alive = {A.grpc_address}
    with pytest.raises(PlanRefused, match="^b, c: no response, and this server starts only while one of these nodes responds"):
        made([], [A, B, C], alive, admit=ADMIT_START, needs=["c", "b"])
    assert lists(made([], [A, B, C], alive, admit=ADMIT_START, needs=["a", "b"])) == [["a"]]


def test_a_start_does_not_forget_a_node_either() -> None:
    with pytest.raises(PlanRefused, match="refusing to drop c,"):
        made([A, C], [A], answering=set(), admit=ADMIT_START)


# Found by the property tests


def test_an_entry_that_takes_the_address_of_another_does_not_stand_in_for_it() -> None:
    with pytest.raises(PlanRefused, match="refusing to drop a, which is not in the inventory"):
        made([A, B, C], [Node("b", "a:17912"), C], readdress=STAGE)
    assert made([A, B, C], [Node("b", "a:17912"), C], readdress=STAGE, remove=["a"]).final.listed == (Node("b", "a:17912"), C)


SIX = Node("s", "[2001:db8::1]:17912")


@pytest.mark.parametrize(
    ("current", "desired"),
    [(A, Node("a", "A:17912")), (Node("a", "A:17912"), A), (SIX, Node("s", "[2001:db8:0::1]:17912")), (SIX, Node("s", "[2001:DB8::0:1]:17912"))],
    ids=lambda node: node.grpc_address,
)
def test_another_spelling_of_an_address_is_the_same_address_and_stays_unwritten(current: Node, desired: Node) -> None:
    for answering in (None, {desired.grpc_address, "b:17912"}, {current.grpc_address, "b:17912"}):
        result = made([current, B], [desired, B], answering)
        assert (result.steps, result.final.listed, result.away) == ((), tuple(sorted([current, B])), ())


def test_what_else_changes_of_an_entry_is_written_with_the_spelling_that_stands_there() -> None:
    with_tls = made([A, B], [Node("a", "A:17912", True, "/ca.pem"), B])
    assert [step.listed for step in with_tls.steps] == [(Node("a", "a:17912", True, "/ca.pem"), B)]
    renamed = made([A, B], [Node("x", "A:17912"), B])
    assert [step.listed for step in renamed.steps] == [(B, Node("x", "a:17912"))]


@pytest.mark.parametrize(
    ("before", "after"), [("[2001:db8::1]:17912", "[2001:db8::1]:17913"), ("a:17912", "a.:17912"), ("[::1%eth0]:1", "[::1%ETH0]:1")]
)
def test_an_address_that_is_another_is_re_addressed(before: str, after: str) -> None:
    result = made([Node("a", before), B], [Node("a", after), B], readdress=STAGE)
    assert [[node.grpc_address for node in step.listed] for step in result.steps] == [["b:17912"], [after, "b:17912"]]


def test_an_entry_does_not_stay_at_a_place_that_is_another_entrys_now() -> None:
    alive = {"a:17912", "b:17912", "c:17912", "A:17912"}
    result = made([A, B, C], [A2, Node("b", "A:17912"), C], answering=alive, readdress=STAGE)
    assert (result.final.listed, result.held_back) == ((Node("b", "a:17912"), C), ("a",))


def test_what_is_held_back_is_not_forgotten_while_its_new_address_is_taken() -> None:
    current = Topology((A, B), (C,))
    alive = {"a:17912", "b:17912"}
    result = plan(current, [B, Node("c", "a:17912")], answering=alive, remove=["a"], readdress=STAGE)
    assert all("c" in step.by_name for step in result.steps)
    result = plan(current, [A, B, Node("c", "d:17912")], answering=alive, refresh=["a"])
    assert all("c" in step.by_name for step in result.steps)


def test_an_entry_that_is_renamed_and_refreshed_at_once_is_not_forgotten_between_the_writes() -> None:
    result = made([A, B], [A, Node("x", "b:17912")], refresh=["x"])
    assert lists(result) == [["a"], ["a", "b"]]
    assert all("x" in step.by_name for step in result.steps)


def test_who_leaves_for_good_goes_before_who_is_new() -> None:
    """A (removed) and D (new) may be one node. If both were listed for a moment, the node would leave with A."""
    result = made([A, B, C], [B2, C, D], remove=["a"], readdress=STAGE)
    assert lists(result) == [["c"], ["b2", "c", "d"]]
