# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host gets to check what a push would do, and whose data directory it has."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.expected_push import expected_push, push_guard
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.wanted_host import other_nodes

SERVER = {"config_dir": "/etc/banyandb", "url": "http://h:17913"}


def node(name, role="data"):
    return {"name": name, "role": role, "grpc_address": f"{name}:17912", "node_name": f"{name}:17912", "roles": None, "labels": {"a": "b"}}


def clusters(mode="file", source="inventory"):
    nodes = [node("d1"), node("d2"), node("s1", "standalone")]
    return {"other": {"nodes": [node("x")], "remove": [], "mode": "file", "source": "inventory"}} | {
        "default": {"nodes": nodes, "remove": ["d3"], "mode": mode, "source": source}
    }


def test_a_push_is_guarded_with_the_nodes_that_it_would_list():
    guard = push_guard("d1", clusters())
    assert guard == {"nodes": [{"name": name, "grpc_address": f"{name}:17912"} for name in ("d1", "d2")], "remove": ["d3"]}
    push = expected_push("d1", SERVER, clusters())
    assert [each["name"] for each in push["nodes"]] == ["d1", "d2"] and push["remove"] == guard["remove"]


@pytest.mark.parametrize(
    ("host", "found"),
    [("s1", clusters()), ("d3", clusters()), ("nobody", {}), ("d1", clusters("dns", "dns")), ("d1", clusters(source="dns"))],
    ids=["standalone", "leaving", "no cluster", "servers that ask DNS", "nodes from DNS"],
)
def test_a_host_without_a_push_of_the_inventory_has_no_guard(host, found):
    assert push_guard(host, found) is None and expected_push(host, SERVER, found) is None


def test_the_other_nodes_of_the_inventory_are_those_of_the_same_cluster():
    assert other_nodes("d1", clusters()) == {"d2": "d2:17912", "s1": "s1:17912"}
    found = clusters(source="dns")
    found["default"].update(hosts=found["default"]["nodes"], nodes=[node("only-in-dns")])
    assert other_nodes("d1", found) == {"d2": "d2:17912", "s1": "s1:17912"}, "a name of DNS is no name in a marker"
    assert other_nodes("x", clusters()) == other_nodes("nobody", clusters()) == {}
