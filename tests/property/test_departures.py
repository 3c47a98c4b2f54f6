# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that get points and lose nodes, point by point: a removal that the rule allows loses no point before its TTL ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import (
    TOLERANCE,
    Cause,
    Content,
    Departure,
    Leaving,
    Reason,
    departure,
    merged,
    record_from,
    record_text,
    risks,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import Group, Segment

from .draw import Choices, Statements, made

DAY = 86400
NODES = tuple(f"node{number}" for number in range(5))


@dataclass
class Points:
    """Points of one segment on the same nodes."""

    group: str
    end: int
    number: int
    on: set[str]


class World:
    """A cluster: its real points, and a liaison's count of them."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = {group.name: group for group in groups}
        self.members = list(NODES)
        self.points: list[Points] = []
        self.departures: list[Departure] = []
        self.now = 0

    def write(self, name: str, number: int, shard: int, active: list[str]) -> None:
        """Copy j of a shard is on node shard + j of the active nodes (measured)."""
        copies = self.groups[name].replicas + 1
        end = (self.now // DAY + 1) * DAY
        self.points.append(Points(name, end, number, {active[(shard + copy) % len(active)] for copy in range(copies)}))

    def alive(self, points: Points) -> bool:
        """Return whether the points' TTL has not passed."""
        return points.end + (self.groups[points.group].life or 0) > self.now

    def content(self) -> Content:
        numbers: Counter[tuple[str, str, int]] = Counter()
        for points in self.points:
            for node in points.on:
                numbers[points.group, node, points.end] += points.number
        counts: dict[str, dict[str, tuple[Segment, ...]]] = {name: dict.fromkeys(self.members, ()) for name in self.groups}
        for (name, node, end), number in sorted(numbers.items()):
            counts[name][node] += (Segment(end - DAY, end, number, 0),)
        return Content(list(self.groups.values()), counts, list(self.members))

    def leave(self, node: str, cause: Cause) -> list[Points]:
        """Return the points that no node has any more."""
        before = [point for point in self.points if point.on and self.alive(point)]
        self.departures.append(departure(self.content(), Leaving(node, node, cause=cause), "default", self.now))
        if cause is Cause.REMOVED:
            self.members.remove(node)
        for point in self.points:
            point.on.discard(node)
        return [point for point in before if not point.on]


@dataclass(frozen=True)
class Step:
    """The next event, after ``days``. ``accepts``: whether the operator accepts the data loss."""

    days: int
    kind: str
    group: str
    number: int
    shard: int
    node: str
    accepts: bool


def histories(choices: Choices) -> tuple[list[Group], list[Step]]:
    groups = [Group(f"g{replicas}", "CATALOG_MEASURE", replicas, (1 + choices.below(4)) * DAY, DAY) for replicas in range(3)]
    steps = []
    for _ in range(3 + choices.below(12)):
        kind = choices.pick(("write", "write", "write", "remove", "remove", "empty", "join"))
        node = choices.pick(NODES)
        days = choices.below(4) if choices.once_in(3) else 0
        steps.append(Step(days, kind, choices.pick(groups).name, 1 + choices.below(9), choices.below(8), node, choices.once_in(3)))
    return groups, steps


every_history = Statements()


@given(made(120, histories))
def test_what_holds_of_every_history(history: tuple[list[Group], list[Step]]) -> None:
    every_history.hold(*history)


@every_history
def no_allowed_departure_loses_a_point_and_an_accepted_one_only_what_was_said(groups: list[Group], steps: list[Step]) -> None:
    world = World(groups)
    for step in steps:
        world.now += step.days * DAY
        if step.kind == "join" and step.node not in world.members:
            world.members = sorted([*world.members, step.node])
        if step.kind == "write" and len(world.members) > world.groups[step.group].replicas:
            world.write(step.group, step.number, step.shard, world.members)
        if step.kind not in ("remove", "empty") or step.node not in world.members or len(world.members) == 1:
            continue
        cause = Cause.REMOVED if step.kind == "remove" else Cause.EMPTY_DISK
        found = risks(world.content(), [Leaving(step.node, step.node, cause=cause)], world.departures, "default", world.now)
        if found and not step.accepts and cause is Cause.REMOVED:
            continue  # refused: the node stays
        # A disk is lost with or without acceptance. The test checks the reported risk.
        lost = world.leave(step.node, cause)
        at_risk: dict[str, int | None] = {risk.group: risk.points for risk in found if risk.reason is Reason.LAST_COPY}
        for name in world.groups:
            number = sum(point.number for point in lost if point.group == name)
            most = at_risk.get(name, 0)
            assert most is None or number <= most, f"{number} points of {name} are lost, {most} were said"


@every_history
def a_removal_is_safe_at_the_date_that_the_table_says(groups: list[Group], steps: list[Step]) -> None:
    """Until that date the cluster only gets points."""
    world = World(groups)
    for step in steps:
        world.now += step.days * DAY
        if step.kind == "write" and len(world.members) > world.groups[step.group].replicas:
            world.write(step.group, step.number, step.shard, world.members)
        if step.kind != "remove" or step.node not in world.members or len(world.members) == 1:
            continue
        leaving = [Leaving(step.node, step.node)]
        for risk in risks(world.content(), leaving, world.departures, "default", world.now):
            if risk.safe_from is not None:
                later = World(groups)
                later.members, later.departures, later.now = list(world.members), list(world.departures), risk.safe_from
                later.points = [replace(point, on=set(point.on)) for point in world.points]
                if len(later.members) > later.groups[risk.group].replicas:
                    later.write(risk.group, step.number, step.shard, later.members)
                assert risk.group not in {each.group for each in risks(later.content(), leaving, later.departures, "default", later.now)}
        world.leave(step.node, Cause.REMOVED)


@every_history
def two_nodes_that_leave_at_once_are_at_risk_of_no_less_than_one_after_the_other(groups: list[Group], steps: list[Step]) -> None:
    world = World(groups)
    for step in steps:
        if step.kind == "write":
            world.write(step.group, step.number, step.shard, world.members)
    pair = [Leaving(node, node) for node in NODES[:2]]
    said = {risk.group for risk in risks(world.content(), pair, [], "default", world.now)}
    gone = {node.node for node in pair}
    assert {point.group for point in world.points if point.on <= gone} <= said


@every_history
def a_record_keeps_what_counts(groups: list[Group], steps: list[Step]) -> None:
    world = World(groups)
    for step in steps:
        world.now += step.days * DAY
        if step.kind == "write":
            world.write(step.group, step.number, step.shard, world.members)
        elif step.kind == "remove" and step.node in world.members and len(world.members) > 3:
            world.leave(step.node, Cause.REMOVED)
    assert record_from(record_text(world.departures)) == merged(world.departures)


def two_nodes(choices: Choices) -> tuple[int, int]:
    return choices.below(400), choices.below(400)


@given(made(8, two_nodes))
def test_of_two_nodes_that_wrote_with_too_few_copies_a_tenth_at_most_is_lost_without_a_word(numbers: tuple[int, int]) -> None:
    both, alone = numbers
    world = World([Group("g1", "CATALOG_MEASURE", 1, DAY, DAY)])
    world.members = list(NODES[:2])
    world.write("g1", both, 0, world.members)
    world.write("g1", alone, 0, world.members[:1])
    found = risks(world.content(), [Leaving(NODES[0], NODES[0])], [], "default", world.now)
    if found:
        assert [risk.points for risk in found] == [alone]
    else:
        assert alone <= TOLERANCE * (both + alone)
