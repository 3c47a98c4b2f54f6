# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge whether a cluster is healthy enough to change its next servers, and for how long. Pure; the caller has the clock.

Facts with the sections of the contract: a dead node stays active in views for 5 to 8 s (3). A node that responds and stays evictable for 30 s is
stuck (8). ``GetMaxRevision`` returns schema revisions (3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import (
    CONVERGING,
    DRIFT,
    SETTLE_SECONDS,
    UNKNOWN,
    Pair,
    differences,
)

SOAK_SECONDS = 10.0
STALL_SECONDS = 45.0
SERVING = "SERVING"


@dataclass(frozen=True)
class NodeAnswer:
    """The answers of one node.

    ``health``: state from gRPC's health service. ``identity`` and ``revision`` (of its schema): None when they were not asked for.
    """

    health: str
    identity: Identity | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Asked:
    """The expected state of a cluster, for one look from one host.

    ``nodes``: nodes that must serve and that the observer must use, as names alone (``roles`` and ``labels`` are None).
    ``identities``: name -> expected identity, for the nodes whose identity must match.
    ``stood``: schema revisions of the nodes before the change. None: no change was made yet, so revisions are not compared.
    """

    observer: ExpectedNode
    nodes: Sequence[ExpectedNode]
    identities: Mapping[str, ExpectedNode] = field(default_factory=dict)
    stood: Collection[int] | None = ()


def findings(
    asked: Asked, view: View | Failure, answers: Mapping[str, NodeAnswer | Failure], stood: float = 0.0, revisions_stood: float = 0.0
) -> list[Pair]:
    """Return why the gate stays closed, from one look from the host of ``asked.observer``; nothing when the gate is open.

    Different revisions after SETTLE_SECONDS are no fault. The revision of a server is the newest revision that the server has seen. Deletions
    count, but a restarted server counts only existing objects (source: banyand/metadata/schema/property/client.go).
    So the gate does not wait for a node at a revision that a node had before the change.

    ``answers``: entry name -> answer of the node. ``stood``: seconds since the picture last changed.
    ``revisions_stood``: seconds since the revisions last changed.
    """
    me = asked.observer
    pairs = [
        Pair(me.name, name, "", "an answer", answer.fault, UNKNOWN, f"See why {name} is unreachable from the host of {me.name}.")
        for name, answer in answers.items()
        if isinstance(answer, Failure)
    ]
    received = {name: answer for name, answer in answers.items() if not isinstance(answer, Failure)}
    for name, answer in received.items():
        if answer.health != SERVING:
            pairs.append(Pair(name, name, "health", SERVING, answer.health, CONVERGING, f"See the journal of {name}."))
        expected = asked.identities.get(name)
        if expected is not None and answer.identity is not None and not expected.describes(answer.identity):
            pairs.append(Pair(name, name, "identity", shown_identity(expected), shown_identity(answer.identity), DRIFT, f"Restart {name}."))
    revisions = {name: answer.revision for name, answer in received.items() if answer.revision is not None}
    judged = asked.stood is not None and revisions_stood < SETTLE_SECONDS
    newest = max(revisions.values(), default=0)
    pairs += [
        Pair(me.name, name, "schema revision", str(newest), str(revision), CONVERGING, f"Wait until {name} has loaded the schema.")
        for name, revision in revisions.items()
        if judged and revision != newest and revision not in (asked.stood or ())
    ]
    if isinstance(view, Failure):
        return [*pairs, Pair(me.name, me.name, "", "a view", view.fault, UNKNOWN, f"See why {me.name} shows no view.")]
    # Other nodes in the view do not concern this gate: an unreachable node, or a node that is to leave.
    here = differences(me, view, asked.nodes, set(received), stood=stood, settle=SETTLE_SECONDS)
    names = {node.name for node in asked.nodes}
    return pairs + [pair for pair in here if pair.subject in names]


def shown_identity(node: ExpectedNode | Identity) -> str:
    """Return name, roles and labels of a node in one line."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(node.labels or ()))
    return f"{node.node_name} ({', '.join(sorted(node.roles or ()))}{'; ' + labels if labels else ''})"


@dataclass(frozen=True)
class Watch:
    """The state of a gate between two looks. Times in seconds of one clock.

    The gate opens after ``soak`` seconds without a finding. The gate fails ``stall`` seconds after the number of findings last reached a new
    minimum. So the gate waits for a cluster that makes progress, but not for a cluster that flaps.
    """

    soak: float = SOAK_SECONDS
    stall: float = STALL_SECONDS
    fewest: int | None = None
    progress: float = 0.0
    whole_since: float | None = None
    picture: tuple[tuple[str, str, str, str], ...] | None = None
    picture_since: float = 0.0

    def after(self, now: float, pairs: Sequence[Pair]) -> Watch:
        """Return the watch after one more look."""
        picture = tuple(sorted((pair.observer, pair.subject, pair.table, pair.seen) for pair in pairs))
        fewer = self.fewest is None or len(pairs) < self.fewest
        return replace(
            self,
            fewest=len(pairs) if fewer else self.fewest,
            progress=now if fewer else self.progress,
            whole_since=None if pairs else (now if self.whole_since is None else self.whole_since),
            picture=picture,
            picture_since=self.picture_since if picture == self.picture else now,
        )

    def stood(self, now: float) -> float:
        """Return the seconds since the picture last changed."""
        return now - self.picture_since if self.picture is not None else 0.0

    def is_open(self, now: float) -> bool:
        return self.whole_since is not None and now - self.whole_since >= self.soak

    def has_stalled(self, now: float) -> bool:
        return self.fewest is not None and self.whole_since is None and now - self.progress >= self.stall
