# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of any inventory: consistent entries, or problems as text, and never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS, Cluster, clusters
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT, Topology, from_entries

from .draw import Choices, Statements, made

Inventory = tuple[Mapping[str, list[str]], Mapping[str, Mapping[str, Any]]]

# Valid values of each variable.
VARIABLES: Mapping[str, tuple[Any, ...]] = {
    "banyandb_cluster": ("edge", "", None, "1e3"),
    "banyandb_remove": ([], ["d0"], ["gone", "no"], None),
    "banyandb_grpc_port": (17912, "27912", None),
    "banyandb_http_port": (17913, "27913", None),
    "banyandb_node_host": ("10.0.0.1", "n.example.org", "::1", "2001:db8::1", "127.0.0.1", "localhost", ""),
    "ansible_host": ("10.0.0.9", None),
    "banyandb_has_meta_role": (True, False, "no", "yes"),
    "banyandb_node_labels": ({}, {"type": "hot"}, {"no": 1}, None),
    "banyandb_env": ({}, {"BYDB_LOGGING_LEVEL": "info"}, {"BYDB_GRPC_PORT": 1}, {"BYDB_LIAISON_SERVER_GRPC_PORT": 18912}),
}


def inventory(choices: Choices, wildness: int = 24) -> Inventory:
    """Return up to 5 hosts in the groups. Every ``wildness``-th value is arbitrary."""
    groups: dict[str, list[str]] = {"all": ["x"]}
    hostvars: dict[str, dict[str, Any]] = {}
    for number in range(choices.below(6)):
        host = f"d{number}" if choices.byte() < 230 else choices.name()
        groups.setdefault(choices.pick(("banyandb_data", *GROUPS)), []).append(host)
        other = groups.setdefault(choices.pick(tuple(GROUPS)), [])
        if choices.byte() > 245 and host not in other:
            other.append(host)
        names = [name for name in VARIABLES if choices.once_in(4)]
        hostvars[host] = {name: choices.value() if choices.byte() % wildness == wildness - 1 else choices.pick(VARIABLES[name]) for name in names}
    return groups, hostvars


def found(given_inventory: Inventory) -> dict[str, Cluster]:
    groups, hostvars = given_inventory
    return clusters(groups, hostvars)


def members(given_inventory: Inventory) -> set[str]:
    groups, _ = given_inventory
    return {host for group in GROUPS for host in groups.get(group, ())}


@given(made(160, lambda choices: inventory(choices, 4)))
def test_any_inventory_gives_clusters_and_each_host_is_in_one_or_named_in_a_problem(given_inventory: Inventory) -> None:
    result = found(given_inventory)
    entries = [node["name"] for cluster in result.values() for node in cluster.nodes]
    assert len(entries) == len(set(entries))
    removed = {name for cluster in result.values() for name in cluster.remove}
    for host in members(given_inventory) - set(entries) - removed:
        assert any(problem.startswith(f"{host}: ") for cluster in result.values() for problem in cluster.problems)
    for cluster in result.values():
        assert all(len(problem) < 2000 for problem in cluster.problems)


of_every_inventory = Statements()


@given(made(190, lambda choices: (inventory(choices), choices.shuffled(range(6)), choices.pick(("edge", "other", "default")), choices.below(9))))
def test_what_holds_of_every_inventory(drawn: tuple[Inventory, list[int], str, int]) -> None:
    of_every_inventory.hold(*drawn)


@of_every_inventory
def an_inventory_without_problems_is_a_topology(given_inventory: Inventory, *_: object) -> None:
    for cluster in found(given_inventory).values():
        if not cluster.problems:
            nodes = from_entries(cluster.nodes, "nodes")
            assert set(Topology(nodes).by_name) == {node["name"] for node in cluster.nodes} <= members(given_inventory)
            assert not {node.name for node in nodes} & set(cluster.remove)
            assert all(node["grpc_address"].endswith(f":{LIAISON_PORT}") for node in cluster.nodes if node["role"] == LIAISON)
            assert all(isinstance(text, str) for node in cluster.nodes for pair in node["labels"].items() for text in pair)


@of_every_inventory
def clusters_do_not_depend_on_the_order_of_the_inventory(given_inventory: Inventory, order: list[int], *_: object) -> None:
    groups, hostvars = given_inventory
    mixed = {name: [hosts[number] for number in order if number < len(hosts)] for name, hosts in reversed(groups.items())}
    assert clusters(mixed, dict(reversed(hostvars.items()))) == clusters(groups, hostvars)


@of_every_inventory
def a_host_changes_its_own_cluster_only(given_inventory: Inventory, _order: list[int], name: str, number: int) -> None:
    groups, hostvars = given_inventory
    before = clusters(groups, hostvars)
    role = tuple(GROUPS)[number % len(GROUPS)]
    host = {"banyandb_cluster": name, "banyandb_node_host": f"10.9.9.{number}", "banyandb_remove": [f"d{number}"]}
    after = clusters({**groups, role: [*groups.get(role, []), "added"]}, {**hostvars, "added": host})
    for key in before.keys() - {name}:
        assert (after[key].nodes, after[key].remove) == (before[key].nodes, before[key].remove)
    assert after.keys() == before.keys() | {name}
    assert "added" in {node["name"] for node in after[name].nodes}
    assert f"d{number}" in after[name].remove and f"d{number}" not in {node["name"] for node in after[name].nodes}
