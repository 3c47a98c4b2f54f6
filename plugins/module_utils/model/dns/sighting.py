# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry of nodes saw: addresses that turned out to be nodes, and those that did not, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import Identity


@dataclass(frozen=True, order=True)
class Candidate:
    """An address that may be a node. ``source``: the SRV name or file that lists it; ``addresses``: the host's, by DNS."""

    host: str
    port: int
    source: str
    addresses: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """``host:port``; an IPv6 host stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SeenNode:
    """A candidate that answered, and what it says of itself; ``identity`` is None when nobody asked."""

    name: str
    candidate: Candidate
    identity: Identity | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for host variables and results."""
        return {
            "name": self.name,
            "address": self.candidate.endpoint,
            "addresses": list(self.candidate.addresses),
            "source": self.candidate.source,
            "identity": self.identity.to_mapping() if self.identity else None,
        }


@dataclass(frozen=True)
class Apart:
    """A candidate that is not taken for a node, and why."""

    name: str
    candidate: Candidate
    failure: Failure


@dataclass(frozen=True)
class Sighting:
    """One look. ``complete`` is False when a source failed and what stands is old, or nothing."""

    nodes: tuple[SeenNode, ...] = ()
    apart: tuple[Apart, ...] = ()
    warnings: tuple[str, ...] = ()
    complete: bool = True


def names(candidates: Iterable[Candidate]) -> dict[str, Candidate]:
    """A name for each: the host alone, or ``host:port`` where a host stands with several ports. Ordered by name."""
    unique = sorted({(candidate.host, candidate.port): candidate for candidate in sorted(candidates, reverse=True)}.values())
    count = Counter(candidate.host for candidate in unique)
    return dict(sorted((each.host if count[each.host] == 1 else each.endpoint, each) for each in unique))


def sorted_out(
    candidates: Iterable[Candidate], answers: Mapping[str, Identity | Failure] | None
) -> tuple[tuple[SeenNode, ...], tuple[Apart, ...]]:
    """Candidates by what they answered. ``answers``: name -> identity or failure; None when nobody was asked."""
    named = names(candidates)
    if answers is None:
        return tuple(SeenNode(name, candidate) for name, candidate in named.items()), ()
    nodes, apart = [], []
    for name, candidate in named.items():
        answer = answers[name]
        if isinstance(answer, Failure):
            apart.append(Apart(name, candidate, answer))
        else:
            nodes.append(SeenNode(name, candidate, answer))
    return tuple(nodes), tuple(apart)
