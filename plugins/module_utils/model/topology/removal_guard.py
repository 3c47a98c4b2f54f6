# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which nodes may leave a live topology when the source is DNS or a file. Pure.

Additions pass. A removal passes under four conditions:
- DNS left the node out three times in a row.
- The node does not respond.
- Few nodes leave at once.
- Enough nodes of its role stay.
A removal also passes when the user accepts this plan by its digest.
A failure of the source is no observation: it counts neither for nor against a removal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Policy:
    """The conditions for a removal.

    ``observations``: number of consecutive observations without the node. ``share``: largest fraction of the live nodes that may leave at once; one
    node always may. ``minimum``: role -> number of nodes that must stay.
    """

    observations: int = 3
    share: float = 0.15
    minimum: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"data": 1, "liaison": 1}))


@dataclass(frozen=True)
class Held:
    """A removal that is refused, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """The result of one look.

    ``keep``: name -> role of the topology that may be written. ``missing``: name -> number of consecutive observations without the name, for the
    next decide(). ``digest``: identifies this plan.
    """

    keep: Mapping[str, str]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    held: tuple[Held, ...]
    missing: Mapping[str, int]
    digest: str


def digest(live: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Return the identifier of one change: from these live nodes to these wanted nodes."""
    return hashlib.sha256(json.dumps([sorted(live.items()), sorted(wanted.items())]).encode()).hexdigest()[:16]


def decide(
    live: Mapping[str, str],
    observed: Mapping[str, str] | None,
    answering: frozenset[str],
    missing: Mapping[str, int],
    policy: Policy,
    override: str = "",
) -> Decision:
    """Decide which ``live`` nodes (name -> role) stay after one look at the source.

    ``observed``: name -> role; None when the source failed. ``answering``: live nodes that respond to a direct question.
    ``missing``: ``missing`` of the last decision. ``override``: digest of the plan that the user accepts. No digest permits an empty topology.
    """
    if observed is None:
        return Decision(live, (), (), (), dict(missing), digest(live, live))
    counts = {name: missing.get(name, 0) + 1 for name in live if name not in observed}
    plan = digest(live, observed)
    reasons = _reasons(live, observed, answering, counts, policy, override == plan)
    removed = tuple(sorted(counts.keys() - reasons.keys()))
    added = tuple(sorted(observed.keys() - live.keys()))
    keep = {name: observed.get(name, role) for name, role in live.items() if name not in removed}
    keep.update((name, observed[name]) for name in added)
    held = tuple(Held(name, reasons[name]) for name in sorted(reasons))
    return Decision(keep, added, removed, held, {name: count for name, count in counts.items() if name not in removed}, plan)


def _reasons(
    live: Mapping[str, str],
    observed: Mapping[str, str],
    answering: frozenset[str],
    counts: Mapping[str, int],
    policy: Policy,
    agreed: bool,
) -> dict[str, str]:
    """Return why nodes that the source left out must stay: name -> reason."""
    if not observed:
        return dict.fromkeys(counts, "the source shows no node at all, and an empty topology is never written")
    if agreed:
        return {}
    reasons = {}
    for name, count in counts.items():
        if name in answering:
            reasons[name] = "it still answers"
        elif count < policy.observations:
            reasons[name] = f"left out {count} times in a row, believed after {policy.observations}"
    leaving = [name for name in sorted(counts) if name not in reasons]
    most = max(1, int(len(live) * policy.share))
    if len(leaving) > most:
        return {**reasons, **dict.fromkeys(leaving, f"{len(leaving)} of {len(live)} nodes would go at once, at most {most} may")}
    for role, least in policy.minimum.items():
        gone = [name for name in leaving if live[name] == role]
        stay = sum(1 for name, kind in {**live, **observed}.items() if kind == role and name not in gone)
        if gone and stay < least:
            reasons.update(dict.fromkeys(gone, f"{stay} {role} nodes would stay, at least {least} have to"))
    return reasons
