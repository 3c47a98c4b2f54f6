# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how a running cluster turns TLS on or off. Pure.

No order of restarts keeps a cluster serving. One flag of a liaison (``data-client-tls``) decides for its connections to all data nodes, and a data
node listens either with or without TLS. The key ``tls_enabled`` of a topology entry decides only how a server asks for the name of the node
(measured: tests/contract/test_tls_flags.py). So all servers change between two stops: the liaisons are drained and stopped one after another, then
the data nodes are stopped, and then all servers start as on a stopped cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import hangs, refuses_login
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import FEW, Check, Finding, Level
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, STANDALONE

ALLOW = "banyandb_allow_downtime"


class Switch(NamedTuple):
    """The change of one cluster, or of a standalone server.

    ``cluster``: its name. ``liaisons`` and ``others``: hosts whose running server the run stops. ``away``: hosts that the run does not reach.
    ``members``: hosts of the cluster that the run reaches. ``hanging``: the liaisons that do not listen. They
    cannot flush, so no drain waits for them.
    """

    cluster: str
    liaisons: tuple[str, ...]
    others: tuple[str, ...]
    away: tuple[str, ...]
    members: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()

    @property
    def drained(self) -> tuple[str, ...]:
        """Return the liaisons that the run drains before their stop, in the order of the stops."""
        return tuple(host for host in self.liaisons if host not in self.hanging)

    @property
    def stops(self) -> tuple[str, ...]:
        """Return the hosts whose server the run stops, in the order of the stops."""
        return (*self.liaisons, *self.others)


def switches(
    clusters: Mapping[str, Sequence[Mapping[str, Any]]], services: Mapping[str, Mapping[str, Any]], reached: Collection[str]
) -> dict[str, Switch]:
    """Return subject of a message -> its change, where a server runs, or was last configured, with another value of ``banyandb_tls``.

    The subject is a cluster, or a standalone server, which is a cluster of its own. A running server with another change stops too, since no gate can
    judge a wave of such a cluster.
    ``clusters``: cluster name -> its nodes. ``services``: host -> service, as the module ``host_info`` returns it. ``reached``: hosts of the run.
    """
    found = {}
    for subject, cluster, members in _subjects(clusters):
        here = {node["name"]: services[node["name"]] for node in members if node["name"] in services}
        if any(service["switches_tls"] for service in here.values()):
            stops = [node for node in members if stopped_by_switch(here.get(node["name"], {}))]
            liaisons = sorted((node["name"] for node in stops if node["role"] == LIAISON), key=lambda host: _order(host, here[host]))
            found[subject] = Switch(
                cluster,
                tuple(liaisons),
                tuple(sorted(node["name"] for node in stops if node["role"] != LIAISON)),
                tuple(sorted(node["name"] for node in members if node["name"] not in reached)),
                tuple(sorted(here)),
                tuple(host for host in liaisons if hangs(here[host])),
            )
    return found


def _subjects(clusters: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    for cluster, nodes in sorted(clusters.items()):
        yield f"cluster {cluster}", cluster, [node for node in nodes if node["role"] != STANDALONE]
        for node in nodes:
            if node["role"] == STANDALONE:
                yield node["name"], cluster, [node]


def _order(host: str, service: Mapping[str, Any]) -> tuple[bool, bool, str]:
    """Return a key for the order of the stops: first the liaisons that do not show their view, which the drain of every other liaison asks for."""
    return not hangs(service), not refuses_login(service), host


def stopped_by_switch(service: Mapping[str, Any]) -> bool:
    """Return whether the server runs with other settings than the inventory has. ``service``: empty for an unknown server."""
    return bool(service and service["main_pid"] and service["needs_restart"])


def findings(found: Mapping[str, Switch], allowed: Mapping[str, bool], changes_tls: bool) -> list[Finding]:
    """Return why the run must not change TLS.

    ``allowed``: cluster -> ``banyandb_allow_downtime``. ``changes_tls``: whether the run can change TLS. Only deploy with its tag ``rollout`` can,
    and check predicts it.
    """
    problems = {}
    for subject, switch in found.items():
        if not changes_tls:
            problems[subject] = (
                f"{subject}: banyandb_tls is not what the servers have, and this run cannot change it. Run deploy first, without tags."
            )
        elif switch.away:
            problems[subject] = naming(
                f"{subject}: this run does not reach ",
                switch.away,
                ". A change of banyandb_tls needs every host of the cluster. Make them reachable, and run without --limit.",
                FEW,
            )
        elif switch.stops and not allowed[switch.cluster]:
            problems[subject] = (
                f"{subject}: a change of banyandb_tls stops all servers for a short time. "
                f"Accept this with {ALLOW}: true, or set banyandb_tls back."
            )
    return [Finding(found[subject].stops, Check.VARIABLES, Level.FAIL, problem) for subject, problem in problems.items()]


def lines(found: Mapping[str, Switch]) -> list[str]:
    """Return the plan as lines."""
    result = []
    for subject, switch in found.items():
        if switch.stops:
            result.append(f"{subject}: banyandb_tls changes, so all its servers stop; clients wait until they start again")
            result += [f"  stop without a drain, since it does not listen: {', '.join(switch.hanging)}"] if switch.hanging else []
            result += [f"  drain and stop: {', '.join(switch.drained)}, one after another"] if switch.drained else []
            result += [f"  {'then stop' if switch.liaisons else 'stop'}: {', '.join(switch.others)}"] if switch.others else []
            result += ["  then start the data nodes, and then the liaisons"] if switch.liaisons else []
    return result
