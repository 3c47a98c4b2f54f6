# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of any clusters, changes and limits: every change comes once and in order, and no wave exceeds the limit of stopped nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits, RolloutRefused
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_change import Change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.server_groups import groups_of, minimum_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.waves import ORDER, Wave, waves
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA

from .draw import Choices, Statements, made

Nodes = list[dict[str, Any]]
STAGES: tuple[tuple[int | str, ...], ...] = ((1, "5%", "25%", "100%"), ("100%",), (1,), (2, "50%"), ("1%", 3))


class Case:
    """A rollout to plan: one cluster or two of up to 8 nodes, the changes, the unreachable nodes, and the limits."""

    def __init__(self, choices: Choices) -> None:
        self.clusters: dict[str, Nodes] = {
            name: [self._node(choices, name, number) for number in range(1 + choices.byte() % 8)] for name in ("a", "b")[: 1 + choices.byte() % 2]
        }
        names = [node["name"] for nodes in self.clusters.values() for node in nodes]
        why = (RestartReason(Reason.PROGRAM_REPLACED),)
        down = Change((RestartReason(Reason.STOPPED), *why))
        changes = (Change(why), Change(why, renamed=True), Change(why, described=True), down)
        self.changes = {name: choices.pick(changes) for name in names if choices.byte() % 2}
        self.away = {name for name in names if choices.byte() % 8 == 0}
        self.new = {name for name in names if choices.byte() % 8 == 0} - {*self.changes, *self.away}
        self.limits = {name: self._limits(choices, nodes) for name, nodes in self.clusters.items()}

    def __repr__(self) -> str:
        return f"Case({vars(self)})"

    @staticmethod
    def _node(choices: Choices, cluster: str, number: int) -> dict[str, Any]:
        role = choices.pick((DATA, DATA, "liaison", "lifecycle"))
        roles = {DATA: choices.pick((["ROLE_META", "ROLE_DATA"], ["ROLE_DATA"]))}.get(role, [])
        labels = choices.pick(({}, {"type": "hot"}, {"type": "warm", "zone": "z"}))
        return {"name": f"{cluster}{number}", "role": role, "roles": roles, "labels": labels}

    @staticmethod
    def _limits(choices: Choices, nodes: Nodes) -> Limits:
        groups = sorted({group for node in nodes for group in groups_of(node)})
        minimum = {group: choices.byte() % 4 for group in groups if choices.byte() % 4 == 0}
        return Limits(choices.pick(STAGES), 1 + choices.byte() % 4, minimum)

    def planned(self) -> list[Wave] | None:
        try:
            return waves(self.clusters, self.changes, self.away, self.new, self.limits)
        except RolloutRefused:
            return None


def rank(nodes: Sequence[dict[str, Any]], name: str) -> int:
    node = next(node for node in nodes if node["name"] == name)
    return next(number for number, rank in enumerate(ORDER) if rank.has(node))


of_every_rollout = Statements()


@given(made(160, Case))
def test_what_holds_of_every_rollout(case: Case) -> None:
    planned = case.planned()
    if planned is not None:
        of_every_rollout.hold(case, planned)


@of_every_rollout
def every_change_comes_once_and_in_its_order(case: Case, planned: list[Wave]) -> None:
    assert sorted(host for wave in planned for host in wave.hosts) == sorted(case.changes)
    assert [wave.number for wave in planned] == list(range(1, len(planned) + 1))
    order = [(wave.cluster, not case.changes[host].revives, rank(case.clusters[wave.cluster], host)) for wave in planned for host in wave.hosts]
    assert order == sorted(order)


@of_every_rollout
def no_wave_leaves_a_group_below_its_minimum_or_takes_too_many_data_nodes(case: Case, planned: list[Wave]) -> None:
    for wave in planned:
        nodes = case.clusters[wave.cluster]
        by_name = {node["name"]: node for node in nodes}
        assert sum(by_name[host]["role"] == DATA for host in wave.hosts) <= case.limits[wave.cluster].data_at_once
        gone = {*wave.hosts, *(case.away - {*case.changes})}
        if any(case.changes[host].revives for host in wave.hosts):
            continue  # they stop no node
        for group in {group for host in wave.hosts for group in groups_of(by_name[host])}:
            members = [node["name"] for node in nodes if group in groups_of(node)]
            assert len({*members} - gone) >= minimum_of(group, len(members), case.limits[wave.cluster])


@of_every_rollout
def unreachable_and_new_nodes_are_not_expected_and_all_others_are(case: Case, planned: list[Wave]) -> None:
    done: set[str] = set()
    for wave in planned:
        done |= {*wave.hosts}
        known = {node["name"] for node in case.clusters[wave.cluster]} - case.away - case.new
        renamed = {name for name in known if name in case.changes and (case.changes[name].renamed or case.changes[name].revives)}
        assert {*wave.expected} == known - (renamed - done)
        assert {*wave.stands} == known - (renamed - (done - {*wave.hosts}))
        assert {*wave.identities} == known & done


@of_every_rollout
def the_limits_of_one_cluster_say_nothing_of_the_other(case: Case, planned: list[Wave]) -> None:
    for name, nodes in case.clusters.items():
        changes = {host: change for host, change in case.changes.items() if host[0] == name}
        alone = waves({name: nodes}, changes, case.away, case.new, {name: case.limits[name]})
        assert [wave.hosts for wave in alone] == [wave.hosts for wave in planned if wave.cluster == name]
