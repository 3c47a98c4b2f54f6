# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A liaison's report of groups and of the points on each data node, and the placement of points.

These facts decide which points leave with a data node (docs/concept.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.load import numbered
from tests.load.liaison import Liaison

from . import asking
from .conftest import Cluster
from .servers import GRPC, HTTP, Server
from .waiting import until

LISTS = "/api/v1/group/schema/lists"
INTERNAL_HTTP = 18913
NOTICED = 10.0
COUNTED = 15.0
"""Seconds until acknowledged points count: the flush (5 s) and a slow machine."""

POINTS = 200
GROUPS = {f"held{replicas}": replicas for replicas in (0, 1)}


@pytest.fixture(scope="module")
def cluster(add: Callable[..., Server]) -> Cluster:
    """Return a cluster with a group without replicas, a group with one replica, and 200 points in each."""
    # With the default interval, a node that starts on a busy machine may lack the schema for more than 15 s. The roles set 1 s.
    settings = {f"{kind}-client-health-check-interval": "1s" for kind in ("data", "liaison")} | {"schema-property-client-sync-interval": "1s"}
    found = Cluster(add, first=6, **settings)
    for group, replicas in GROUPS.items():
        assert work(found.liaisons[0], group, replicas, lambda liaison: numbered.write(liaison, POINTS)) == POINTS
    until(lambda: work(found.liaisons[1], "held1", 1, numbered.find) == POINTS, COUNTED, "the points are found")
    return found


def work(server: Server, group: str, replicas: int, question: Callable[[Liaison], Any]) -> Any:
    async def asking_it() -> Any:
        liaison = Liaison(f"{server.host.address}:{GRPC}", group, numbered.MEASURE, replicas)
        try:
            return await question(liaison)
        finally:
            await liaison.close()

    return asyncio.run(asking_it())


def groups(server: Server) -> dict[str, Any]:
    answer = json.loads(asking.page(server.host.address, HTTP, LISTS))
    return {group["metadata"]["name"]: group for group in answer["group"]}


def content(server: Server, group: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(asking.page(server.host.address, HTTP, f"/api/v1/group/content/{group}"))
    return answer


def counts(server: Server, group: str) -> dict[str, int]:
    """Return node -> points."""
    return {
        info["node"]["metadata"]["name"]: sum(int(shard["dataCount"]) for segment in info["segmentInfo"] for shard in segment["shardInfo"])
        for info in content(server, group)["dataInfo"]
    }


def test_a_liaison_lists_all_groups_with_their_own(cluster: Cluster) -> None:
    found = groups(cluster.liaisons[0])
    assert {name for name in found if not name.startswith("_")} == GROUPS.keys()
    own = {name: (group["catalog"], group["resourceOpts"]["shardNum"]) for name, group in found.items() if name.startswith("_")}
    assert own == {"_deletion_task": ("CATALOG_PROPERTY", 1), "_property_gossip": ("CATALOG_STREAM", 1)}
    assert groups(cluster.liaisons[1]) == found


def test_a_group_has_every_field_and_none_of_its_times_where_it_never_expires(cluster: Cluster) -> None:
    found = groups(cluster.liaisons[0])
    assert found["held1"]["catalog"] == "CATALOG_MEASURE"
    assert found["held1"]["resourceOpts"] == {
        "shardNum": 4,
        "segmentInterval": {"unit": "UNIT_DAY", "num": 1},
        "ttl": {"unit": "UNIT_DAY", "num": 7},
        "stages": [],
        "defaultStages": [],
        "replicas": 1,
    }
    properties = found["_deletion_task"]["resourceOpts"]
    assert (properties["segmentInterval"], properties["ttl"], properties["replicas"]) == (None, None, 0)


def test_only_the_public_http_port_of_a_liaison_lists_groups(cluster: Cluster) -> None:
    for server, port in ((cluster.data[0], HTTP), (cluster.liaisons[0], INTERNAL_HTTP)):
        with pytest.raises(asking.NotServing, match=": 404 "):
            asking.page(server.host.address, port, LISTS)


def test_a_missing_group_has_no_content(cluster: Cluster) -> None:
    with pytest.raises(asking.NotServing, match=": 404 "):
        content(cluster.liaisons[0], "missing")


@pytest.mark.parametrize("group", GROUPS)
def test_the_points_of_all_nodes_are_as_many_as_all_copies(group: str, cluster: Cluster) -> None:
    copies = GROUPS[group] + 1
    for liaison in cluster.liaisons:
        until(lambda: sum(counts(liaison, group).values()) == copies * POINTS, COUNTED, "all are counted")
        assert counts(liaison, group).keys() == cluster.names(cluster.data)


def test_a_segment_is_named_by_its_times_in_nanoseconds_and_as_long_as_the_group_says(cluster: Cluster) -> None:
    names = {segment["segmentId"] for info in content(cluster.liaisons[0], "held1")["dataInfo"] for segment in info["segmentInfo"]}
    for name in names:
        start, end = map(int, name.split("-"))
        assert end - start == 24 * 3600 * 1_000_000_000


def test_shards_are_numbered_by_their_place_in_the_nodes_own_list(cluster: Cluster) -> None:
    for info in content(cluster.liaisons[0], "held1")["dataInfo"]:
        for segment in info["segmentInfo"]:
            assert [shard["shardId"] for shard in segment["shardInfo"]] == [*range(len(segment["shardInfo"]))]


@pytest.mark.parametrize("group", GROUPS)
def test_shards_go_round_robin_to_the_data_nodes_in_the_order_of_their_names(group: str, cluster: Cluster) -> None:
    """The evidence is on the nodes' disks: a shard has its place among the shards of all groups, with the server's own groups."""
    until(lambda: sum(counts(cluster.liaisons[0], group).values()) == (GROUPS[group] + 1) * POINTS, COUNTED, "all are there")
    shards = {name: found["resourceOpts"]["shardNum"] for name, found in groups(cluster.liaisons[0]).items()}
    first = sum(number for name, number in shards.items() if name < group)
    nodes = sorted(cluster.data, key=lambda server: server.name)
    expected = {(nodes[(first + shard + copy) % len(nodes)].name, shard) for shard in range(shards[group]) for copy in range(GROUPS[group] + 1)}
    found = {
        (server.name, int(folder.name.removeprefix("shard-")))
        for server in nodes
        for folder in (server.folder / "store" / "measure" / "data" / group).glob("seg-*/shard-*")
    }
    assert found == expected


def test_a_node_without_points_is_there_and_one_that_is_not_active_is_not(cluster: Cluster) -> None:
    liaison, away = cluster.liaisons[0], cluster.data[0]
    work(liaison, "empty", 0, lambda client: client.make_group())
    until(lambda: counts(liaison, "empty") == dict.fromkeys(cluster.names(cluster.data), 0), NOTICED, "all are there, with nothing")
    away.kill()
    left = cluster.names(cluster.data[1:])
    until(lambda: away.name not in liaison.tables()["tire2"].active, NOTICED, "the node is not active")
    # Until the liaison has noticed that its schema server is gone, it fails the whole question.
    until(lambda: counts(liaison, "held1").keys() == left, COUNTED, "the others are counted")
    away.start()
    until(lambda: away.name in liaison.tables()["tire2"].active, NOTICED, "it is back")
    until(lambda: counts(liaison, "held1").keys() == cluster.names(cluster.data), COUNTED, "all are counted again")
