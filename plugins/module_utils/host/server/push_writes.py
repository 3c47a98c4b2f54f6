# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the steps of a push and waits until the local server's view shows each of them. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import (
    Found,
    Outcome,
    Proof,
    PushFailed,
    Request,
    differences_of,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import EVICTABLE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import EXTRA

# Pause between two queries for the server's view. A query takes some milliseconds on the host and in the server. In a long wait, the pause is 2 % of
# the time waited.
POLL_SECONDS = 0.02
POLL_SHARE = 0.02
# The server reads the file 1 s after a rename (section 1 of the contract), so an earlier query cannot show a change.
SETTLE_SECONDS = 0.98
# Pause between a write without an entry and a write with this entry. The server reads the file 1 s after a rename (section 1 of the contract), so it
# would miss the first of two writes in this time.
BETWEEN_WRITES_SECONDS = 2.0
# A reload by the file watch takes 1.01 s (section 1). A reload that takes longer than this comes from the server's poll.
WATCH_SECONDS = 5.0
SILENT_ENTRY_SECONDS = 5.0
# A server uses a new entry that responds within 1 s. An entry that stays evictable longer than this is stuck (section 8): the server has kept an old
# connection to the node.
LEFT_OVER_SECONDS = 5.0


def carry_out(request: Request, steps: Sequence[Topology], found: Found, ownership: Ownership, outcome: Outcome) -> None:
    """Write and prove each step. Without a step, wait until the view shows the file. Raises PushFailed.

    The push drops and adds a new entry again that responds but that the server does not use (section 8 of the contract).
    """
    if not steps and request.proof:
        _await_view(request, request.proof, outcome.plan.final, found, outcome, last=True)
    left_over = _write_steps(request, steps, found.topology, found, ownership, outcome)
    if not left_over:
        return
    again = plan(outcome.plan.final, outcome.plan.final.nodes, answering=found.alive, refresh=left_over)
    outcome.plan = outcome.plan._replace(refreshed=tuple(sorted({*outcome.plan.refreshed, *left_over})))
    outcome.warnings.append(
        naming(
            "",
            sorted(left_over),
            ": responded, but the server did not use the entry, because the node went down while it was not listed. "
            "Nothing to do: this push dropped and added the entry again.",
        )
    )
    _write_steps(request, again.steps, outcome.plan.final, found, ownership, outcome, once_more=True)


def _write_steps(
    request: Request,
    steps: Sequence[Topology],
    standing: Topology | None,
    found: Found,
    ownership: Ownership,
    outcome: Outcome,
    once_more: bool = False,
) -> set[str]:
    """Write and prove each step. ``standing``: content of the file before. Raises PushFailed.

    Return the new entries that respond but that the server does not use (section 8 of the contract). With ``once_more``, such an entry is a failure.
    """
    pending: set[str] = set(outcome.plan.refreshed)
    arrived = set() if once_more else {*outcome.plan.added, *outcome.plan.refreshed, *(move.name for move in outcome.plan.readdressed)}
    left_over: set[str] = set()
    each = [{(node.name, node.grpc_address) for node in topology.listed} for topology in (standing or Topology(), *steps)]
    bystanders = {name for name, _address in set.intersection(*each)} - pending
    for step in steps:
        if request.proof and standing is not None:
            _await_read(request, request.proof, standing, step, outcome)
        _write(request, step, ownership, outcome)
        standing = step
        pending &= {node.name for node in step.listed}
        if request.proof:
            left_over = _await_view(request, request.proof, step, found, outcome, pending, arrived, bystanders, last=step is steps[-1])
    return left_over


def _await_view(
    request: Request,
    proof: Proof,
    step: Topology,
    found: Found,
    outcome: Outcome,
    pending: Collection[str] = (),
    arrived: Collection[str] = (),
    bystanders: Collection[str] = (),
    *,
    last: bool,
) -> set[str]:
    """Wait until the local server shows the nodes of ``step``, and until the next write may start. Raises PushFailed.

    ``pending``: entries that a later write refreshes. ``bystanders``: entries that no write changes. A difference of a bystander does not delay the
    next write, because the next write adds the entries that earlier writes left out. ``arrived``: new entries. ``last``: whether ``step`` is the
    last write. Return the entries of ``arrived`` that are evictable for LEFT_OVER_SECONDS, if no other difference is left.
    """
    started = time.monotonic()
    failure: Failure | None = None
    while True:
        answer = proof.ask()
        elapsed = time.monotonic() - started
        if isinstance(answer, Failure):
            failure = answer
        else:
            failure, outcome.view = None, answer
            outcome.pairs = differences_of(request, proof, step, answer, found, elapsed, pending)
            holding = outcome.pairs if last else [pair for pair in outcome.pairs if pair.subject not in bystanders]
            if not holding and (last or elapsed >= BETWEEN_WRITES_SECONDS):
                break
        unused = {pair.subject for pair in outcome.pairs if pair.seen == EVICTABLE and pair.subject in arrived}
        if last and not failure and outcome.pairs and len(unused) == len(outcome.pairs) and elapsed >= LEFT_OVER_SECONDS:
            return unused
        if elapsed >= proof.timeout and (failure or outcome.pairs):
            raise PushFailed(_unproved(request, outcome, failure, elapsed, last), outcome)
        settling = SETTLE_SECONDS - elapsed if outcome.writes else 0.0
        time.sleep(max(settling, POLL_SECONDS, POLL_SHARE * elapsed))
    outcome.proved = last
    if outcome.writes:
        outcome.reload_seconds = round(elapsed, 3)
        silent = sum(1 for node in step.listed if node.grpc_address not in found.alive)
        if elapsed > WATCH_SECONDS + silent * SILENT_ENTRY_SECONDS and not outcome.warnings:
            outcome.warnings.append(
                f"{request.path}: the server took this change only after {elapsed:.1f} s: it no longer watches the file, it polls. "
                "Restart the server when convenient."
            )
    return set()


def _await_read(request: Request, proof: Proof, standing: Topology, step: Topology, outcome: Outcome) -> None:
    """Wait until the server no longer shows nodes that the file does not list and that ``step`` adds. Raises PushFailed.

    A server that still shows such a node has not read the current file (an earlier push was interrupted, or the watch is lost). The server would
    treat the next file as a change of address and lose the node, although its old view looks right at first.
    """
    before = {node.grpc_address for node in standing.listed}
    arriving = {node.name for node in step.listed if node.grpc_address not in before}
    added = {expected.node_name for name, expected in request.expected.items() if name in arriving}
    deadline = time.monotonic() + proof.timeout
    while outcome.view and added & outcome.view.registered_names():
        if time.monotonic() >= deadline:
            shown = sorted(added & outcome.view.registered_names())
            raise PushFailed(
                naming(
                    f"{request.path}: not read by the server for {proof.timeout:g} s, it still shows ",
                    shown,
                    ". Wait 30 s for its poll, then run topology again.",
                    2,
                ),
                outcome,
            )
        time.sleep(POLL_SECONDS)
        answer = proof.ask()
        outcome.view = outcome.view if isinstance(answer, Failure) else answer


def _write(request: Request, step: Topology, ownership: Ownership, outcome: Outcome) -> None:
    try:
        topology_file.write(request.path, step.render(), ownership)
    except topology_file.NotDurable as error:
        outcome.writes += 1
        raise PushFailed(str(error), outcome) from None
    except topology_file.TopologyFileError as error:
        if not outcome.writes:
            raise
        raise PushFailed(
            fitted("", error.problem, f" after write {outcome.writes} of this push: entries are left out. Run topology again now."), outcome
        ) from None
    outcome.writes += 1


def _unproved(request: Request, outcome: Outcome, failure: Failure | None, elapsed: float, last: bool) -> str:
    file = os.path.basename(request.path)
    state = f"{file} {'was written' if outcome.writes else 'is right'}, but for {elapsed:.0f} s "
    # Between two writes the file lacks entries on purpose.
    then = "" if last else " Entries are left out: run topology again now."
    if failure:
        return fitted(f"{state}the server shows no view ({failure.kind}: ", failure.message, f").{then}")
    first = outcome.pairs[0]
    more = f" ({len(outcome.pairs) - 1} more in pairs)" if len(outcome.pairs) > 1 else ""
    if outcome.writes and first.seen == EXTRA:
        return fitted(f"{state}the server still shows {first.subject} in {first.table}{more}. ", "Restart the server, then run topology.", then)
    what = f"{first.subject} is {first.seen} in {first.table}, expected {first.expected}"
    return fitted(f"{state}{what}{more}. ", first.remedy, then)
