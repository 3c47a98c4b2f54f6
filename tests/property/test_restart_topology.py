# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of any restart: it loses no entry of the file, for any set of responding nodes."""

from __future__ import annotations

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT_START, STAGE, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.restart_topology import after_start
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology

from .draw import Choices, Statements, made

NAMES = ("a", "b", "c", "d", "e")


class Case:
    """A file, the wanted nodes, the responding nodes, and the restart of ``a``."""

    def __init__(self, choices: Choices) -> None:
        nodes = [Node(name, f"{name}:17912") for name in NAMES]
        stood = [node for node in nodes if choices.byte() % 4]
        self.before = Topology(tuple(node for node in stood if choices.byte() % 4), ())
        # Added later, or moved to another address later.
        self.wanted = [Node(node.name, f"{node.name}2:17912") if choices.byte() % 4 == 0 else node for node in nodes]
        addresses = [node.grpc_address for node in (*self.before.nodes, *self.wanted) if node.name != "a"]
        self.responding = {address for address in addresses if choices.byte() % 2}
        started = plan(self.before, self.wanted, answering=self.responding, readdress=STAGE, admit=ADMIT_START)
        self.started = started.final
        self.after = after_start(self.before, self.started, ["a"])

    def __repr__(self) -> str:
        return f"Case({vars(self)})"


of_every_restart = Statements()


@given(made(60, Case))
def test_what_holds_of_every_restart(case: Case) -> None:
    of_every_restart.hold(case)


@of_every_restart
def nothing_that_stood_is_lost(case: Case) -> None:
    assert {node.name for node in case.before.listed} <= {node.name for node in case.after.listed}


@of_every_restart
def all_entries_of_the_start_stay_unchanged(case: Case) -> None:
    assert {*case.started.listed} <= {*case.after.listed}


@of_every_restart
def no_node_is_lost_and_no_node_is_invented(case: Case) -> None:
    assert {node.name for node in case.after.nodes} == {node.name for node in case.wanted}
    assert {*case.after.nodes} <= {*case.before.nodes, *case.wanted}


@of_every_restart
def what_the_server_was_not_started_with_stands_last(case: Case) -> None:
    silent = [node.name != "a" and node not in case.started.listed for node in case.after.listed]
    assert silent == sorted(silent)
