# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict over the views of a thousand nodes, ten of which are down."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests import conftest  # noqa: F401

# isort: split
# Importable only now: conftest links this checkout to that name.
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import TABLES

from .figures import Result, Row
from .fleet import Failed

NODES = 1_000
LESS = 250
DOWN = 10
SETTLED_SECONDS = 31.0
LABELS = (("type", "hot"),)
ROLES = {DATA: ("ROLE_META", "ROLE_DATA"), LIAISON: ("ROLE_LIAISON",)}
PORTS = {DATA: 17912, LIAISON: 18912}
REASON = "the verdict compares each pair of nodes once, in one comprehension for each table. Only the memory of Python grows faster"


def cluster(count: int) -> tuple[list[ExpectedNode], dict[str, View | Failure], dict[tuple[str, str], bool]]:
    """Return the nodes (10 % liaisons, the last DOWN nodes are down), the expected view of each node, and the nodes that the host of each reached."""
    roles = [LIAISON if number < count // 10 else DATA for number in range(count)]
    nodes = [ExpectedNode(f"node{n}", f"host{n}:{PORTS[role]}", role, ROLES[role], LABELS) for n, role in enumerate(roles)]
    down = {node.name for node in nodes[-DOWN:]}

    def seen(observer: ExpectedNode) -> View:
        tables = {}
        for name, (role, connects) in TABLES[observer.role].items():
            listed = [node for node in nodes if node.role == role]
            # Each view came over the network by itself: no object is shared between two.
            registered = tuple(Identity(node.node_name, node.node_name, (*ROLES[role],), (*LABELS,)) for node in listed)
            tables[name] = RouteTable(registered, tuple(node.node_name for node in listed if connects and node.name not in down))
        return View(tables)

    views: dict[str, View | Failure] = {node.name: Failure(ErrorKind.TIMEOUT, "no answer") if node.name in down else seen(node) for node in nodes}
    reach = {(observer.name, node.name): node.name not in down for observer in nodes if observer.name not in down for node in nodes}
    return nodes, views, reach


def once(count: int) -> float:
    """Seconds of processor time for one verdict. Raises Failed for a wrong one."""
    nodes, views, reach = cluster(count)
    began = time.process_time()
    verdict = judge(nodes, views, reach, SETTLED_SECONDS)
    seconds = time.process_time() - began
    if [pair.subject for pair in verdict.pairs] != [node.name for node in nodes[-DOWN:]]:
        raise Failed("the verdict does not name the nodes that are down, and these alone")
    return seconds


def run(rounds: int, say: Callable[[str], None]) -> Result:
    once(LESS)
    whole, growth = [], []
    for number in range(1, rounds + 1):
        small = min(once(LESS) for _ in range(3))
        whole.append(once(NODES))
        growth.append(whole[-1] / small / (NODES / LESS) ** 2)
        say(f"round {number}: {whole[-1]:.2f} s, growth {growth[-1]:.2f} x")
    return Result(
        "judge",
        "The verdict over 1,000 nodes",
        f"Processor time of one process for the verdict over the views of {NODES:,} nodes, and over the nodes that each host reached. {DOWN} nodes "
        "are down.",
        [
            Row(f"{NODES:,} nodes, {DOWN} down", whole, "s", goal=1.0, reason=REASON),
            Row(f"{NODES:,} nodes against {LESS} nodes, divided by the ratio of pairs (1 is linear)", growth, goal=1.5, reason=REASON),
        ],
    )
