# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict over the views of all nodes of a cluster. Pure: no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import (
    CONVERGED,
    SETTLE_SECONDS,
    TABLES,
    UNKNOWN,
    VERDICTS,
    Pair,
    compare,
    explained,
    row_of,
)

# Cell of the matrix for an observer without a view.
NOT_ASKED = "?"


@dataclass(frozen=True)
class Verdict:
    """The verdict over all views, and its findings.

    ``matrix``: observer -> subject -> cell. A cell is NOT_ASKED, or a word of view_findings or node_view.
    """

    verdict: str
    pairs: tuple[Pair, ...]
    matrix: Mapping[str, Mapping[str, str]]

    def with_drains(self, blocked: Mapping[str, int]) -> Verdict:
        """Return the verdict with the drains as reasons. ``blocked``: entry name -> seconds until the drain of the node ends."""
        pairs = tuple(explained(self.pairs, blocked))
        return replace(self, verdict=_worst(pairs, CONVERGED), pairs=pairs) if blocked else self

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for a module's result."""
        return {
            "verdict": self.verdict,
            "pairs": [pair.to_mapping() for pair in self.pairs],
            "matrix": {observer: dict(row) for observer, row in self.matrix.items()},
        }


def judge(
    nodes: Sequence[ExpectedNode],
    views: Mapping[str, View | Failure],
    reach: Mapping[tuple[str, str], bool] | None = None,
    stood: float | Mapping[str, float] = 0.0,
    settle: float = SETTLE_SECONDS,
    discovery: str = FILE,
) -> Verdict:
    """Compare the views of all nodes with what they should show.

    ``views``: entry name -> its view, or why there is none. A node that is not in ``views`` counts as not asked.
    ``reach``: (observer, subject) -> whether the observer's host reached the subject.
    ``stood``: seconds for which the views have not changed, for all observers or by observer.
    ``settle``: seconds after which a difference needs help. ``discovery``: discovery mode of the observers, which decides the remedies.

    A node responds when it gave a view, or when another host reached the node. A view can be right although the observer does not reach a node.
    The view of a data node never shows which nodes respond. The view of a liaison shows a dead node only after 5 to 8 s. So ``reach`` counts too.
    """
    views = {node.name: views.get(node.name, Failure(ErrorKind.NOT_ASKED, "no view was asked for")) for node in nodes}
    tried: dict[str, dict[str, bool]] = {}
    for (viewer, subject), reached in (reach or {}).items():
        tried.setdefault(viewer, {})[subject] = reached
    reached_by_any = {subject for subjects in tried.values() for subject, reached in subjects.items() if reached}
    answering = {name for name, view in views.items() if not isinstance(view, Failure)} | reached_by_any
    rows = {role: row_of(role, nodes) for role in TABLES}
    matrix: dict[str, dict[str, str]] = {}
    pairs: list[Pair] = []
    for observer in nodes:
        view = views[observer.name]
        if isinstance(view, Failure):
            matrix[observer.name] = dict.fromkeys((subject.name for subject in nodes), NOT_ASKED)
            pairs.append(_not_asked(observer, view))
        else:
            seconds = stood if isinstance(stood, (int, float)) else stood.get(observer.name, 0.0)
            row, found_here = compare(
                observer, view, rows[observer.role], answering, tried.get(observer.name, {}), reached_by_any, seconds >= settle, discovery
            )
            matrix[observer.name] = row
            pairs.extend(found_here)
    return Verdict(_worst(pairs, CONVERGED if nodes else UNKNOWN), tuple(pairs), matrix)


def _worst(pairs: Iterable[Pair], least: str) -> str:
    return max([least, *(pair.verdict for pair in pairs)], key=VERDICTS.index)


#: Kind of a Failure: a push in check mode found no view.
NO_VIEW = "no_view"
# What to do about a view that is missing for one reason. Any other reason needs a look at the host.
_REPAIR = {
    NO_VIEW: "Run skywalking.banyandb.deploy, which starts the server of {name}.",
    ErrorKind.REFUSED: "Run skywalking.banyandb.deploy, which starts the server of {name}.",
    ErrorKind.DISABLED: "Delete {name} from the inventory if it was removed. If not, run skywalking.banyandb.deploy, which starts its server.",
    ErrorKind.NOT_ASKED: "Run without --limit, or see above why the run lost the host.",
    "unreachable": "Make the host of {name} reachable.",
}


def _not_asked(node: ExpectedNode, failure: Failure) -> Pair:
    """Return the finding about a node without a view."""
    other = "Find out why {name} could not be asked: its service, its host, the network."
    return Pair(node.name, node.name, "", "a view", failure.fault, UNKNOWN, _REPAIR.get(failure.kind, other).format(name=node.name))
