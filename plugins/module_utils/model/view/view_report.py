# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format a verdict for a person: the cluster view, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, fitted, listed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import Verdict
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import ACTIVE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import CONVERGED, REGISTERED

# With more nodes the table is wider than a screen, so the table has only rows and columns with findings.
WHOLE_TABLE = 16
OK = "ok"


def lines(name: str, nodes: Sequence[ExpectedNode], verdict: Verdict) -> list[str]:
    """Return the report of one cluster: its verdict, the table and the findings."""
    count = f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"
    result = [f"cluster {name}, {count}: {verdict.verdict}", *table(nodes, verdict)]
    without_view: dict[tuple[str, str, str], list[str]] = {}  # what the nodes have in common -> their names
    for pair in verdict.pairs:
        if not pair.table:
            without_view.setdefault((pair.verdict, pair.seen, pair.remedy), []).append(pair.subject)
    for pair in verdict.pairs:
        same = [pair.subject] if pair.table else without_view.pop((pair.verdict, pair.seen, pair.remedy), [])
        if not same:
            continue
        what = f"{pair.observer} shows {pair.subject} as {pair.seen}" if pair.table else f"{listed(same, 3, MOST // 4)}: {pair.seen}"
        where = f" in {pair.table} (expected {pair.expected})" if pair.table else ""
        # The finding and the remedy share the line. A short remedy leaves room for the address and the cause.
        start, end = f"  {pair.verdict}: ", f"{where}. "
        room = max(MOST // 2, MOST - len(start + end + pair.remedy))
        result.append(fitted(fitted(start, what, end, len(start) + room + len(end)), pair.remedy, ""))
    return result


def lines_of_stopped(name: str, nodes: Sequence[ExpectedNode], verdict: Verdict) -> list[str]:
    """Return the report of a cluster without a running server: its verdict, and one remedy instead of a finding for each server."""
    return [
        lines(name, nodes, verdict)[0],
        "  No server of this cluster runs: on every host nothing listens on the HTTP port. Start the cluster with skywalking.banyandb.deploy, or "
        "take its hosts out of the inventory.",
    ]


def table(nodes: Sequence[ExpectedNode], verdict: Verdict) -> list[str]:
    """Return the table of the cluster view: a row for each observer, a column for each subject."""
    names = {node.name for node in nodes}
    rows, columns = list(nodes), list(nodes)
    if len(nodes) > WHOLE_TABLE:
        rows = [node for node in nodes if any(pair.observer == node.name for pair in verdict.pairs)]
        columns = [node for node in nodes if any(pair.subject == node.name for pair in verdict.pairs)]
        if verdict.verdict == CONVERGED or not rows or not columns:
            return [f"  all {len(names)} nodes see all that concern them"] if verdict.verdict == CONVERGED else []
    cells = [["", *(node.name for node in columns)]]
    for row in rows:
        seen = verdict.matrix[row.name]
        words = [OK if seen[column.name] in (ACTIVE, REGISTERED) else seen[column.name] for column in columns]
        cells.append([f"{row.name} ({row.role})", *words])
    widths = [max(len(line[index]) for line in cells) for index in range(len(cells[0]))]
    return ["  " + "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in cells]
