# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes a cluster from one of its hosts: the cluster view of the local server, and the health and identity of each node.

Standard library only, Python 3.9+. This file queries and waits; ``model/view`` judges.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import grpc_call
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import wire_messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import Asked, NodeAnswer, Watch, findings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import Pair

POLL_SECONDS = 0.5
WORKERS = 32
# One method for each field of NodeAnswer. Data nodes offer these methods on 17912, liaisons on 18912 (the contract, section 3).
METHODS = (
    "grpc.health.v1.Health/Check",
    "banyandb.database.v1.NodeQueryService/GetCurrentNode",
    "banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision",
)
# A node answers with about 500 bytes. The limit keeps WORKERS answers of hostile servers small.
_LARGEST = 65_536


@dataclass(frozen=True)
class Watched:
    """Result of watch(). ``whole``: the gate is open. ``pairs``: why the gate is closed. ``answers``: as in findings().

    ``stood``: seconds for which the pairs have not changed. ``seconds``: duration of the watch. ``rounds``: number of query rounds.
    """

    whole: bool
    pairs: Sequence[Pair]
    view: View | Failure
    answers: Mapping[str, NodeAnswer | Failure]
    stood: float
    seconds: float
    rounds: int


def watch(asked: Asked, nodes: Sequence[Node], ask_view: Callable[[], View | Failure], soak: float, stall: float, timeout: float) -> Watched:
    """Query until the cluster has no problem for ``soak`` seconds, or makes no progress for ``stall`` seconds.

    ``nodes``: the nodes of ``asked`` with their addresses. ``timeout``: seconds for all queries to one node.
    """
    began = time.monotonic()
    state = Watch(soak=soak, stall=stall)
    rounds, revisions, revisions_since = 0, None, began
    while True:
        view = ask_view()
        answers = ask_nodes(nodes, timeout, {node.name for node in asked.nodes if node.role == STANDALONE})
        rounds += 1
        now = time.monotonic()
        reported = {name: answer.revision for name, answer in answers.items() if not isinstance(answer, Failure)}
        if reported != revisions:
            revisions, revisions_since = reported, now
        pairs = findings(asked, view, answers, state.stood(now), now - revisions_since)
        state = state.after(now, pairs)
        if state.is_open(now) or state.has_stalled(now):
            return Watched(not pairs, pairs, view, answers, state.stood(now), now - began, rounds)
        time.sleep(POLL_SECONDS)


def ask_nodes(nodes: Sequence[Node], timeout: float, alone: Collection[str] = ()) -> dict[str, NodeAnswer | Failure]:
    """Return entry name -> answer of the node, or a failure. Queries all nodes in parallel, each for ``timeout`` seconds.

    ``alone``: entry names of standalone servers, which report only their health.
    """
    by_name = {node.name: node for node in nodes}
    seconds = -(-len(by_name) // WORKERS) * timeout + 1.0
    found = side_by_side(lambda name: ask_node(by_name[name], timeout, METHODS[:1] if name in alone else METHODS), by_name, WORKERS, seconds)
    return {name: found.get(name) or Failure.late(node.grpc_address, seconds) for name, node in by_name.items()}


def ask_node(node: Node, timeout: float, methods: Sequence[str] = METHODS) -> NodeAnswer | Failure:
    """Return the answer of one node, or a failure. ``methods``: METHODS, or only the first method for the health."""
    said = grpc_call.call(node, [(method, b"") for method in methods], timeout, largest=_LARGEST)
    return said if isinstance(said, Failure) else read(node, said)


def read(node: Node, said: Sequence[bytes]) -> NodeAnswer | Failure:
    """Return the decoded answer of a node. ``said``: messages for METHODS, or only for the first method."""
    try:
        health = wire_messages.health(said[0])
        if len(said) == 1:
            return NodeAnswer(health)
        return NodeAnswer(health, wire_messages.current_node(said[1]), wire_messages.revision(said[2]))
    except ValueError as error:
        return Failure.at(node.grpc_address, ErrorKind.NOT_BANYANDB, f"answers with something else ({error})")
