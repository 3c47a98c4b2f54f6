# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a gate of a rollout opens, from the results of its watchers and of the hosts of its wave. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES, STANDALONE


def watchers(nodes: Sequence[Mapping[str, Any]], serving: Collection[str]) -> list[str]:
    """Return the hosts that watch a cluster: the liaisons in ``serving``; without one, its data nodes; without one, its standalone servers.

    Only a liaison shows which nodes it uses.
    """
    of_role = {role: [node["name"] for node in nodes if node["role"] == role and node["name"] in serving] for role in ROLES}
    return of_role[LIAISON] or of_role[DATA] or of_role[STANDALONE]


@dataclass(frozen=True)
class Seen:
    """The facts that a gate judges.

    ``dropped``: hosts of the play that failed or were unreachable. ``failures``: host -> why its change failed.
    ``watches``: watcher -> result of the module ``cluster_watch``, or why there is no result.
    """

    dropped: Sequence[str]
    failures: Mapping[str, str]
    watches: Mapping[str, Mapping[str, Any] | str]


def judged(seen: Seen) -> list[str]:
    """Return why the gate stays closed, as sentences; nothing when the gate opens. A gate without a watcher stays closed."""
    reasons = [f"{host} failed or could not be reached." for host in seen.dropped if host not in seen.failures]
    reasons += [f"{host}: {' '.join(why.split())}" for host, why in sorted(seen.failures.items())]
    gone = {*seen.dropped, *seen.failures}
    for watcher, watch in sorted(seen.watches.items()):
        if isinstance(watch, str):
            reasons += [] if watcher in gone else [f"{watcher} could not watch: {watch}"]
        elif not watch["whole"]:
            reasons += [_finding(pair) for pair in watch["pairs"]]
    return list(dict.fromkeys(reasons)) or ([] if seen.watches else ["No server watched: this run includes no server of the cluster."])


def _finding(pair: Mapping[str, str]) -> str:
    what = f"{pair['observer']} shows {pair['subject']} as {pair['seen']} in {pair['table']}"
    if pair["observer"] == pair["subject"]:
        what = f"{pair['subject']}: {pair['table'] or 'its view'} is {pair['seen']}"
    elif not pair["table"]:
        what = f"{pair['observer']} asked {pair['subject']}: {pair['seen']}"
    return f"{what} (expected {pair['expected']}). {pair['remedy']}"


def revisions(seen: Seen) -> list[int]:
    """Return the schema revisions of the nodes after a gate has opened.

    The next gate does not wait for a node at one of these revisions.
    """
    return sorted({revision for watch in seen.watches.values() if not isinstance(watch, str) for revision in watch["revisions"].values()})
