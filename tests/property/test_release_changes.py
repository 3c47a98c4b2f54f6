# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that change their release server by server, are interrupted, change their mind, and write segments meanwhile.

Each host asks again for the formats of its segments, between the stop and the start of its server. In each state that the rules permit, every server
reads its files and all schemas, and every data node takes what every liaison sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.release_order import (
    PHASES,
    Act,
    ChangeRefused,
    Order,
    Refusal,
    not_ready,
    release_change,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.release_versions import Release, file_format, unreadable

from .draw import Choices, made

RELEASES = tuple(Release(0, minor, patch) for minor, patch in ((9, 0), (10, 0), (10, 2), (10, 3), (11, 0), (11, 1), (12, 0)))
PARTS = Release(0, 11)


class Cluster:
    """The release of each server, the formats of the segments of each data node, and the steps to come."""

    def __init__(self, choices: Choices) -> None:
        first = choices.pick(RELEASES)
        self.runs: dict[str, dict[str, Release]] = {
            role: {f"{role}{number}": first for number in range(1 + choices.below(3))} for role in ("data", "liaison")
        }
        self.formats: dict[str, set[str]] = {host: set() for host in self.runs["data"]}
        self.schemas: set[str] = set()  # groups that a liaison of 0.11 or later made
        self.steps = [
            (choices.pick(RELEASES), choices.below(8), choices.below(4), [choices.once_in(3) for _ in range(8)]) for _ in range(1 + choices.below(5))
        ]

    def __repr__(self) -> str:
        return f"Cluster({vars(self)})"

    def write(self) -> None:
        for host, release in self.runs["data"].items():
            self.formats[host].add(file_format(release).writes)

    def make_group(self) -> None:
        if max(self.runs["liaison"].values()) >= PARTS:
            self.schemas.add("group")

    def behind(self, target: Release) -> Mapping[str, list[str]]:
        return {role: [host for host, release in servers.items() if release != target] for role, servers in self.runs.items()}

    def changed(self, target: Release, order: Order, most: int, writes: list[bool]) -> bool:
        """Change at most ``most`` servers, and return whether no interruption and no refusal ended the change."""
        for role, act in PHASES[order]:
            assert act is Act.CHANGE
            assert not_ready(order, role, self.behind(target)) == ""
            for number, host in enumerate(self.behind(target)[role]):
                if not most or unreadable(self.formats.get(host, ()), target):
                    return False
                most -= 1
                self.runs[role][host] = target
                assert target >= PARTS or not self.schemas, (host, target)
                self.check()
                if writes[number]:
                    self.write()
        return True

    def check(self) -> None:
        for host, release in self.runs["data"].items():
            assert self.formats[host] <= {*file_format(release).reads}, (host, release, self.formats)
        for data in self.runs["data"].values():
            for liaison in self.runs["liaison"].values():
                assert not (liaison >= PARTS > data), (liaison, data)


@given(made(80, Cluster))
def test_no_permitted_change_passes_through_a_cluster_that_does_not_work(cluster: Cluster) -> None:
    for target, most, day, writes in cluster.steps:
        if day % 2:
            cluster.write()
        if day // 2:
            cluster.make_group()
        running = [release for servers in cluster.runs.values() for release in servers.values()]
        formats = set().union(*cluster.formats.values())
        try:
            change = release_change(running, target, formats, cluster.schemas)
        except ChangeRefused as refused:
            below, above = min(running), max(running)
            assert (refused.refusal is Refusal.BOTH_WAYS) == (below < target < above)
            if refused.refusal is Refusal.UNREADABLE_FILES:
                assert formats - {*file_format(target).reads}
            assert cluster.schemas or refused.refusal is not Refusal.UNREADABLE_SCHEMAS
            continue
        assert (change is None) == ({*running} == {target})
        if change is None:
            continue
        assert not cluster.changed(target, change.order, most, writes) or not any(cluster.behind(target).values())
