# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning and rendering for ten thousand nodes."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests import conftest  # noqa: F401

# isort: split
# Importable only now: conftest links this checkout to that name.
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import STAGE, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, from_entries, ordered, parse

from .figures import Result, Row
from .fleet import Failed

NODES = 10_000
LESS = 1_000
REASON = "each step is a loop over the nodes. Only the sorting and the memory of Python grow faster"


def once(count: int) -> float:
    """Return the seconds from a file of ``count`` nodes and a wanted list to the new file. Of a hundred nodes, one is new, one leaves, one has a
    new address, and one does not respond."""
    names = [f"data{number:05d}" for number in range(count)]
    entries = [{"name": name, "grpc_address": f"{name}.example.org:17912"} for name in names]
    before = Topology(ordered(from_entries(entries[count // 100 :], "nodes"))).render()
    gone = names[-(count // 100) :]
    wanted = entries[: -(count // 100)]
    for entry in wanted[count // 2 : count // 2 + count // 100]:
        entry["grpc_address"] = entry["grpc_address"].replace("17912", "27912")
    answering = {entry["grpc_address"] for entry in [*entries, *wanted]} - {entry["grpc_address"] for entry in wanted[::100]}
    began = time.process_time()
    made = plan(parse(before), from_entries(wanted, "nodes"), answering=answering, remove=gone, readdress=STAGE, batch=count)
    text = [step.render() for step in made.steps]
    seconds = time.process_time() - began
    if not all((text, made.added, made.removed, made.readdressed, made.held_back or made.away)):
        raise Failed("the plan is not the one of that change")
    return seconds


def run(rounds: int, say: Callable[[str], None]) -> Result:
    once(LESS)
    whole, growth = [], []
    for number in range(1, rounds + 1):
        small = min(once(LESS) for _ in range(3))
        whole.append(once(NODES))
        growth.append(whole[-1] / small / (NODES / LESS))
        say(f"round {number}: {whole[-1]:.2f} s, growth {growth[-1]:.2f} x")
    return Result(
        "plan",
        "Planning and rendering for 10,000 nodes",
        "Processor time of one process to read a file of 10,000 nodes, check the wanted list, plan the change and render all its files. In the "
        "change, 1 % of the nodes are new, 1 % leave, 1 % have a new address, and 1 % do not respond.",
        [
            Row("10,000 nodes", whole, "s", goal=1.0, reason=REASON),
            Row("10,000 nodes against 1,000 nodes, divided by ten (1 is linear)", growth, goal=1.25, reason=REASON),
        ],
    )
