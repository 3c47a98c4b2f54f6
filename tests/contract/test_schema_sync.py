# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a new data node knows the schema, and what a liaison does with a node that does not.

A push to a liaison waits for the schema of a new data node because of this (docs/concept.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.load import numbered
from tests.load.liaison import Liaison

from .asking import Calls
from .conftest import Cluster
from .servers import GRPC, Server, listing
from .waiting import SOON, until

GROUP, POINTS, ROUND, ROUNDS = "known", 200, 2.0, 5
STATUS = "banyandb.cluster.v1.NodeSchemaStatusService"
LATE = 40.0
"""Seconds within which a node has the schema: the rounds, and a slow machine."""


@pytest.fixture(scope="module")
def cluster(add: Callable[..., Server]) -> Cluster:
    """With a group without replicas, and 200 points in the group."""
    found = Cluster(add, first=6, **{f"{kind}-client-health-check-interval": "1s" for kind in ("data", "liaison")})
    assert work(found.liaisons[0], numbered.write, POINTS) == POINTS
    until(lambda: work(found.liaisons[0], numbered.find) == POINTS, SOON, "the points are found")
    return found


def work(server: Server, question: Callable[..., Any], *more: Any) -> Any:
    async def asking_it() -> Any:
        liaison = Liaison(f"{server.host.address}:{GRPC}", GROUP, numbered.MEASURE, 0)
        try:
            return await question(liaison, *more)
        finally:
            await liaison.close()

    return asyncio.run(asking_it())


def present(calls: Calls, server: Server) -> bool:
    """Whether a node has the measure. Its own address is asked, in the way of the liaisons."""
    key = {"kind": "measure", "group": GROUP, "name": numbered.MEASURE}
    (answer,) = calls.ask(server.host.address, GRPC, f"{STATUS}/GetKeyRevisions", keys=[key]).revisions
    assert (answer.key.kind, answer.key.group, answer.key.name) == ("measure", GROUP, numbered.MEASURE)
    assert bool(answer.mod_revision) == answer.present
    return bool(answer.present)


def found(liaison: Server) -> int:
    """How many points a query finds; -1 when the query fails."""
    try:
        return int(work(liaison, numbered.find))
    except grpc.RpcError:
        return -1


def test_a_new_meta_node_has_the_schema_in_the_fifth_round(cluster: Cluster, add: Callable[..., Server], calls: Calls) -> None:
    new = add("data", 12, **{"schema-property-client-sync-interval": f"{ROUND:g}s"})
    new.rename(listing(cluster.data_entries | new.entry))
    began = time.monotonic()
    new.start()
    until(lambda: new.tables() is not None, 30, f"{new} answers")
    assert not present(calls, new)
    until(lambda: present(calls, new), LATE, "the node has the measure")
    assert time.monotonic() - began > (ROUNDS - 1.5) * ROUND
    new.stop()
    new.start()
    until(lambda: new.tables() is not None, 30, f"{new} answers again")
    until(lambda: present(calls, new), SOON, "a restart finds the schema on the node's own disk")


def test_a_node_without_the_meta_role_has_the_schema_when_it_serves(cluster: Cluster, add: Callable[..., Server], calls: Calls) -> None:
    new = add("data", 13, **{"has-meta-role": "false"})
    new.rename(listing(cluster.data_entries | new.entry))
    for _start in ("the first", "the second"):
        new.start()
        until(lambda: new.tables() is not None, 30, f"{new} answers")
        assert present(calls, new)
        new.stop()


def test_a_node_of_the_cluster_has_a_new_measure_at_once(cluster: Cluster, calls: Calls) -> None:
    assert all(present(calls, server) for server in cluster.data)


def test_a_liaison_uses_a_node_that_lacks_the_schema_and_its_queries_fail(cluster: Cluster, add: Callable[..., Server], calls: Calls) -> None:
    liaison = cluster.liaisons[0]
    early = add("data", 14, **{"schema-property-client-sync-interval": "4s"})
    early.rename(listing(cluster.data_entries | early.entry))
    early.start()
    until(lambda: early.tables() is not None, 30, f"{early} answers")
    liaison.rename(listing(cluster.entries | early.entry))
    until(lambda: early.name in liaison.tables()["tire2"].active, SOON, "the liaison uses the node")
    assert not present(calls, early)
    assert found(liaison) == -1
    until(lambda: present(calls, early), LATE, "the node has the measure")
    until(lambda: found(liaison) == POINTS, SOON, "queries are whole again")
