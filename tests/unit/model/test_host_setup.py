# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host should be, beyond what tests/unit/roles/test_rendering.py shows through Ansible."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.host_setup import needed, node, release

VARIABLES = {
    "banyandb_kind": "data",
    "banyandb_version": "1.0",
    "banyandb_flavor": "slim",
    "banyandb_node_host": "h",
    "banyandb_node_labels": {},
    "banyandb_has_meta_role": True,
    "banyandb_grpc_port": 17912,
    "banyandb_http_port": 17913,
    "banyandb_discovery_mode": "file",
    "banyandb_config_dir": "/etc/banyandb",
    "banyandb_data_dir": "/var/lib/banyandb",
    "banyandb_env": {},
    "banyandb_stop_timeout": 120,
}


@pytest.mark.parametrize(
    "differing",
    ["/etc/banyandb", "/var/lib/banyandb", "/etc/banyandb/data.env", "/etc/systemd/system/banyandb-data.service"],
)
def test_each_thing_of_a_node_that_differs_is_for_the_role_node(differing):
    assert needed(node(VARIABLES), {differing}) and not needed(release(VARIABLES, ""), {differing})


@pytest.mark.parametrize("differing", ["banyandb", "/opt/banyandb/current", "/opt/banyandb/versions/1.0/ARTIFACT"])
def test_each_thing_of_a_release_that_differs_is_for_the_role_install(differing):
    assert needed(release(VARIABLES, ""), {differing}) and not needed(node(VARIABLES), {differing})


def test_nothing_is_needed_where_nothing_differs():
    assert not needed(node(VARIABLES), set()) and not needed(release(VARIABLES, ""), ())


def test_a_host_that_is_no_node_and_has_no_version_wants_nothing():
    bare = {**VARIABLES, "banyandb_kind": "", "banyandb_version": ""}
    assert not any(node(bare).values()) and not any(release(bare, "").values())


def test_variables_take_the_types_of_the_roles_and_what_is_wrong_is_said_by_name():
    assert validated(("install", "node"), {"banyandb_grpc_port": "17000"}) == (
        {**validated(("install", "node"), {})[0], "banyandb_grpc_port": 17000},
        [],
    )
    assert validated(("node",), {"banyandb_env": None})[0]["banyandb_env"] == {}
    assert validated(("node",), {"banyandb_kind": None})[1] == ["banyandb_kind is null: give it a value, or leave it out."]
    (problem,) = validated(("install", "node"), {"banyandb_grpc_port": "many"})[1]
    assert "banyandb_grpc_port" in problem
