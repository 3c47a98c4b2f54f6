# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sort the addresses that a registry found into nodes and other addresses, with the reason. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError, canonical_host, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity


@dataclass(frozen=True, order=True)
class Candidate:
    """An address that may be a node.

    ``source``: the SRV name or the file that lists the address. ``addresses``: IP addresses of the host from DNS.
    ``unanswered``: address types (``A``, ``AAAA``) for which DNS gave no answer, so the host may have more addresses.
    """

    host: str
    port: int
    source: str
    addresses: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """``host:port``, with an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SeenNode:
    """A candidate that is a node. ``identity``: the node's answer to GetCurrentNode; None when the registry did not ask the node."""

    name: str
    candidate: Candidate
    identity: Identity | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for host variables and results."""
        return {
            "name": self.name,
            "address": self.candidate.endpoint,
            "addresses": list(self.candidate.addresses),
            "source": self.candidate.source,
            "identity": self.identity.to_mapping() if self.identity else None,
        }


@dataclass(frozen=True)
class Apart:
    """A candidate that does not count as a node, and why."""

    name: str
    candidate: Candidate
    failure: Failure


@dataclass(frozen=True)
class Sighting:
    """The result of one look. ``complete``: False when a source failed, so the nodes are stale or missing."""

    nodes: tuple[SeenNode, ...] = ()
    apart: tuple[Apart, ...] = ()
    warnings: tuple[str, ...] = ()
    complete: bool = True


def names(candidates: Iterable[Candidate]) -> dict[str, Candidate]:
    """Return name -> candidate, sorted by name.

    The name is the host, or ``host:port`` when the host has several ports.
    """
    unique = sorted({(canonical_host(each.host), each.port): each for each in sorted(candidates, reverse=True)}.values())
    count = Counter(canonical_host(candidate.host) for candidate in unique)
    return dict(sorted((each.host if count[canonical_host(each.host)] == 1 else each.endpoint, each) for each in unique))


def sorted_out(candidates: Iterable[Candidate], answers: Mapping[str, Identity | Failure] | None) -> tuple[tuple[SeenNode, ...], tuple[Apart, ...]]:
    """Return the candidates that are nodes, and the other candidates.

    ``answers``: name -> identity or failure; None when the registry asked no candidate.
    """
    named = names(candidates)
    if answers is None:
        return tuple(SeenNode(name, candidate) for name, candidate in named.items()), ()
    nodes, apart = [], []
    for name, candidate in named.items():
        answer = answers[name]
        failure = answer if isinstance(answer, Failure) else _nameless(candidate, answer)
        if failure:
            apart.append(Apart(name, candidate, failure))
        elif isinstance(answer, Identity):
            nodes.append(SeenNode(name, candidate, answer))
    return tuple(nodes), tuple(apart)


def _nameless(candidate: Candidate, identity: Identity) -> Failure | None:
    """Return a failure when the node's own name is no address, such as ``:17912`` of a server without a node host."""
    try:
        split_address(identity.node_name)
    except TopologyError:
        what = f"{candidate.endpoint}: the node calls itself {shown(identity.node_name)}, expected host:port. Set its node host (BYDB_NODE_HOST)"
        return Failure(ErrorKind.NOT_BANYANDB, what)
    return None
