# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of a cluster before its next servers are changed, and for how long. Pure; the clock is the caller's.

Facts, by the sections of the contract: a dead node is shown as active for 5 to 8 s (3), one that answers and stays evictable
for 30 s is stuck (8), schema revisions are what ``GetMaxRevision`` gives (3).
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
    """What one node says of itself: its health, as gRPC's health service names it, and where it was asked for that, who it is and the
    revision of its schema."""

    health: str
    identity: Identity | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a look from one host is held against.

    ``nodes``: all that have to serve, and be used, as names alone (``roles`` and ``labels`` None). ``identities``: those of them
    that must be as they were described, by name. ``stood``: schema revisions at which nodes stood before the change that is judged; None when
    nothing has been changed yet, and revisions say nothing of a change.
    """

    observer: ExpectedNode
    nodes: Sequence[ExpectedNode]
    identities: Mapping[str, ExpectedNode] = field(default_factory=dict)
    stood: Collection[int] | None = ()


def findings(
    asked: Asked, view: View | Failure, answers: Mapping[str, NodeAnswer | Failure], stood: float = 0.0, revisions_stood: float = 0.0
) -> list[Pair]:
    """Everything that keeps the gate closed, as one look from the host of ``asked.observer`` shows it; nothing when it is open.

    ``answers``: entry name -> what that node said of itself. ``stood``: seconds for which the same has been seen, and
    ``revisions_stood`` for which the revisions have been the same. Revisions that go on to differ are no fault: a server's revision
    is the newest that it has seen, and one that was restarted has not seen what was deleted before (read in the server's
    source, banyand/metadata/schema/property/client.go: deletions count, and a start counts what there is). So a node at a revision at which
    a node stood before the change has what that node had, and is not waited for.
    """
    me = asked.observer
    pairs = [
        Pair(me.name, name, "", "an answer", f"{answer.kind}: {answer.message}", UNKNOWN, f"See why {name} does not answer the host of {me.name}.")
        for name, answer in answers.items()
        if isinstance(answer, Failure)
    ]
    told = {name: answer for name, answer in answers.items() if not isinstance(answer, Failure)}
    for name, answer in told.items():
        if answer.health != SERVING:
            pairs.append(Pair(name, name, "health", SERVING, answer.health, CONVERGING, f"See the journal of {name}."))
        expected = asked.identities.get(name)
        if expected is not None and answer.identity is not None and not expected.describes(answer.identity):
            pairs.append(Pair(name, name, "identity", shown_identity(expected), shown_identity(answer.identity), DRIFT, f"Restart {name}."))
    revisions = {name: answer.revision for name, answer in told.items() if answer.revision is not None}
    judged = asked.stood is not None and revisions_stood < SETTLE_SECONDS
    newest = max(revisions.values(), default=0)
    pairs += [
        Pair(me.name, name, "schema revision", str(newest), str(revision), CONVERGING, f"Wait until {name} has taken the schema.")
        for name, revision in revisions.items()
        if judged and revision != newest and revision not in (asked.stood or ())
    ]
    if isinstance(view, Failure):
        return [*pairs, Pair(me.name, me.name, "", "a view", f"{view.kind}: {view.message}", UNKNOWN, f"See why {me.name} shows no view.")]
    # What is in the view beyond that is somebody else's: a node that was away before, one that is to leave.
    here = differences(me, view, asked.nodes, set(told), stood=stood, settle=SETTLE_SECONDS)
    names = {node.name for node in asked.nodes}
    return pairs + [pair for pair in here if pair.subject in names]


def shown_identity(node: ExpectedNode | Identity) -> str:
    """Name, roles and labels in one line."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(node.labels or ()))
    return f"{node.node_name} ({', '.join(sorted(node.roles or ()))}{'; ' + labels if labels else ''})"


@dataclass(frozen=True)
class Watch:
    """How a gate stands, from one look to the next.

    It opens when nothing was found for ``soak`` seconds. It fails when something is found and fewer findings than ever before
    were last seen ``stall`` seconds ago: whoever makes progress is waited for, whoever flaps is not. Times in seconds, of one clock.
    """

    soak: float = SOAK_SECONDS
    stall: float = STALL_SECONDS
    fewest: int | None = None
    progress: float = 0.0
    whole_since: float | None = None
    picture: tuple[tuple[str, str, str, str], ...] | None = None
    picture_since: float = 0.0

    def after(self, now: float, pairs: Sequence[Pair]) -> Watch:
        """The same watch one look later."""
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
        """Seconds for which the last picture has been the same."""
        return now - self.picture_since if self.picture is not None else 0.0

    def is_open(self, now: float) -> bool:
        return self.whole_since is not None and now - self.whole_since >= self.soak

    def has_stalled(self, now: float) -> bool:
        return self.fewest is not None and self.whole_since is None and now - self.progress >= self.stall
