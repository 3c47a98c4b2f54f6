# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of one plan for any file and any request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import (
    ADMIT,
    ADMIT_ALL,
    ADMIT_START,
    READDRESS,
    REFUSE,
    Plan,
    PlanRefused,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, canonical_address, parse

from .draw import Choices, Statements, made

NAMES = "abcdef"
# Two differ only in upper case, two only in zeros: two addresses for the server, one host for all others.
ADDRESSES = ("u:17912", "v:17912", "w:17912", "x:18912", "y:17912", "z:17912", "Z:17912", "[::1]:17912", "[0:0::1]:17912")


@dataclass(frozen=True)
class Push:
    """The input of a plan. ``order`` shuffles values without an order."""

    current: Topology
    desired: tuple[Node, ...]
    answering: tuple[str, ...]
    remove: tuple[str, ...]
    refresh: tuple[str, ...]
    readdress: str
    admit: str
    batch: int
    order: bytes = b""

    def options(self) -> dict[str, Any]:
        fields = ("answering", "remove", "refresh", "readdress", "admit", "batch")
        return {name: getattr(self, name) for name in fields}

    def plan(self) -> Plan | None:
        """Return the plan, or None for a refusal."""
        try:
            return plan(self.current, self.desired, **self.options())
        except PlanRefused as error:
            assert len(str(error)) <= 200 and "\n" not in str(error)
            assert str(error)
            return None

    @property
    def tells_a_running_server(self) -> bool:
        return self.admit != ADMIT_START and bool(self.current.listed)


def entries(choices: Choices) -> list[Node]:
    """Return nodes in any order, each with its own address or without one."""
    found: dict[str, Node] = {}
    for index, name in enumerate(NAMES):
        # Mostly the name's own address.
        kind = choices.byte()
        address = ADDRESSES[index] if kind < 140 else ADDRESSES[kind % len(ADDRESSES)]
        if kind < 225:
            found.setdefault(canonical_address(address), Node(name, address, False, "/ca.pem" if kind % 16 == 15 else ""))
    return choices.shuffled(list(found.values()))


def push(choices: Choices) -> Push:
    current = entries(choices)
    held_back = choices.below(4) if choices.once_in(2) else 0
    desired = entries(choices)
    if choices.once_in(2):
        # Present entries stay, except one.
        one = choices.pick(desired) if desired else Node("g", "g:1")
        place = canonical_address(one.grpc_address)
        desired = [node for node in current if one.name != node.name and place != canonical_address(node.grpc_address)] + [one]
    wanted = {node.name for node in desired}
    places = {canonical_address(address) for address in (ADDRESSES if choices.once_in(3) else choices.some(ADDRESSES))}
    gone = [node.name for node in current if node.name not in wanted]
    return Push(
        Topology(tuple(current[held_back:]), tuple(current[:held_back])),
        tuple(desired),
        # A host responds under all spellings of its address.
        tuple(address for address in ADDRESSES if canonical_address(address) in places),
        tuple(gone) if choices.once_in(2) else tuple(choices.some(NAMES)),
        tuple(choices.some(sorted(wanted))) if choices.once_in(3) else (),
        choices.pick(READDRESS[::-1]),
        choices.pick((*ADMIT, ADMIT[0])),
        choices.below(3) + 1,
        bytes(choices.byte() for _ in range(12)),
    )


of_every_plan = Statements()


@given(made(64, push))
def test_what_holds_of_every_plan(asked: Push) -> None:
    made_plan = asked.plan()
    it_does_not_depend_on_the_order_of_what_it_is_given(asked, made_plan)
    if made_plan is not None:
        of_every_plan.hold(asked, made_plan)


@of_every_plan
def an_entry_leaves_only_by_name_and_none_takes_the_place_of_another(asked: Push, made_plan: Plan) -> None:
    before = asked.current
    for step in (*made_plan.steps, made_plan.final):
        names, addresses = set(step.by_name), step.by_address
        for node in asked.current.nodes:
            if node.name in names or node.name in asked.remove:
                continue
            # The server has never used a held back node that does not respond.
            if node in asked.current.held_back and node.grpc_address not in asked.answering:
                continue
            # Only under another, new name.
            now = addresses[node.grpc_address]
            assert now.name not in asked.current.by_name
        before = step
    assert before == made_plan.final


@of_every_plan
def what_is_wanted_is_listed_or_held_back(asked: Push, made_plan: Plan) -> None:
    # An address in the file keeps its spelling.
    standing = {canonical_address(node.grpc_address): node.grpc_address for node in asked.current.nodes}
    wanted = {node.name: replace(node, grpc_address=standing.get(canonical_address(node.grpc_address), node.grpc_address)) for node in asked.desired}
    assert set(made_plan.final.by_name) == set(wanted)
    listed = {node.name: node for node in made_plan.final.listed}
    assert set(made_plan.held_back) == {name for name, node in wanted.items() if listed.get(name) != node}
    assert set(made_plan.away) == {node.name for node in listed.values() if node.grpc_address not in asked.answering}
    for name, node in wanted.items():
        if node.grpc_address in asked.answering or asked.admit == ADMIT_ALL:
            assert listed[name] == node
        elif name in listed:
            # An unreachable node stays only in the file of a running server, and only at its present address.
            assert asked.admit != ADMIT_START and listed[name].grpc_address in {known.grpc_address for known in asked.current.listed}


@of_every_plan
def a_running_server_is_never_given_an_empty_list(asked: Push, made_plan: Plan) -> None:
    if asked.admit != ADMIT_START:
        assert made_plan.final.listed and all(step.listed for step in made_plan.steps)


@of_every_plan
def no_write_both_drops_and_adds(asked: Push, made_plan: Plan) -> None:
    if not asked.tells_a_running_server:
        return
    before = {node.grpc_address for node in asked.current.listed}
    for step in made_plan.steps:
        now = {node.grpc_address for node in step.listed}
        assert not (before - now and now - before)
        before = now


@of_every_plan
def between_two_addresses_of_a_name_it_stands_in_no_list(asked: Push, made_plan: Plan) -> None:
    if not asked.tells_a_running_server:
        return
    listed = {node.name: node.grpc_address for node in asked.current.listed}
    for step in made_plan.steps:
        assert len(step.by_name) == len(step.nodes)
        now = {node.name: node.grpc_address for node in step.listed}
        assert all(now[name] == listed[name] for name in now.keys() & listed.keys())
        listed = now


@of_every_plan
def an_applied_plan_makes_the_next_one_empty(asked: Push, made_plan: Plan) -> None:
    if made_plan.steps:
        assert made_plan.steps[-1] == made_plan.final
    else:
        assert made_plan.final == asked.current
    after = parse(made_plan.final.render())
    assert replace(asked, current=after, refresh=()).plan() == made_plan._replace(steps=(), **dict.fromkeys(CHANGES, ()))  # type: ignore[arg-type]


CHANGES = ("added", "removed", "readdressed", "renamed", "refreshed")


def it_does_not_depend_on_the_order_of_what_it_is_given(asked: Push, made_plan: Plan | None) -> None:
    choices = Choices(asked.order)
    mixed = replace(
        asked,
        desired=tuple(choices.shuffled(asked.desired)),
        answering=asked.answering[::-1],
        remove=asked.remove[::-1],
        refresh=asked.refresh[::-1],
    )
    assert mixed.plan() == made_plan
    file = Topology(asked.current.listed[::-1], asked.current.held_back[::-1])
    of_file = replace(mixed, current=file).plan()
    assert (made_plan is None) == (of_file is None)
    if made_plan and of_file:
        # A reordering of the file is the only write.
        assert made_plan._replace(steps=()) == of_file._replace(steps=())
        assert made_plan.steps == of_file.steps or {made_plan.steps, of_file.steps} == {(), (made_plan.final,)}


@of_every_plan
def what_a_plan_says_is_what_its_writes_do(asked: Push, made_plan: Plan) -> None:
    before = {node.name: node.grpc_address for node in asked.current.listed}
    after = {node.name: node.grpc_address for node in made_plan.final.listed}
    renamed = {move.after for move in made_plan.renamed}
    assert set(made_plan.added) == set(after) - set(before) - renamed
    assert set(made_plan.removed) == set(asked.remove) & set(asked.current.by_name)
    moved = {move.name: (move.before, move.after) for move in made_plan.readdressed}
    assert moved == {name: (before[name], after[name]) for name in before.keys() & after.keys() if before[name] != after[name]}
    assert not moved or asked.readdress != REFUSE
    for name in made_plan.refreshed:
        assert name in asked.refresh
        if asked.tells_a_running_server:
            assert any(after[name] not in {node.grpc_address for node in step.listed} for step in made_plan.steps)


@of_every_plan
def no_more_than_a_batch_is_out_of_the_list_for_a_moment(asked: Push, made_plan: Plan) -> None:
    if not asked.tells_a_running_server:
        return
    before = {node.grpc_address for node in asked.current.listed}
    staying = before & {node.grpc_address for node in made_plan.final.listed}
    known = {node.name for node in asked.current.listed} & {node.name for node in made_plan.final.listed}
    owner = {canonical_address(node.grpc_address): node.name for node in made_plan.final.nodes}
    swapping = any(owner.get(canonical_address(node.grpc_address), node.name) != node.name for node in asked.current.nodes)
    for step in made_plan.steps:
        listed = {node.grpc_address for node in step.listed}
        if not swapping:
            assert len(staying - listed) <= asked.batch
            assert len(known - {node.name for node in step.listed}) <= asked.batch
