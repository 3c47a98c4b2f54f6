# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that tasks read of each host of a run."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.host_settings import HostSettings, host_settings


def test_a_host_without_variables_has_the_defaults_of_the_roles():
    assert host_settings("liaison", {}) == HostSettings("default", "banyandb", "nftables", ("/var/lib/banyandb",))


def test_the_variables_of_a_host_come_before_the_defaults():
    variables = {"banyandb_cluster": 7, "banyandb_user": "bydb", "banyandb_liaison_drain": "none"}
    assert host_settings("liaison", variables)[:3] == ("7", "bydb", "none")


@pytest.mark.parametrize(
    ("role", "storage", "expected"),
    [
        ("data", {"stream": "/disk2", "property": "/disk1"}, ("/srv/b", "/disk1", "/disk2")),
        ("liaison", {"stream": "/disk2", "property": "/disk1"}, ("/srv/b", "/disk2")),
        ("data", {"stream": ""}, ("/srv/b",)),
        ("data", {"stream": ["/disk2"]}, ("/srv/b",)),
        ("data", "/disk2", ("/srv/b",)),
    ],
)
def test_the_data_directories_are_those_of_the_stores(role, storage, expected):
    assert host_settings(role, {"banyandb_data_dir": "/srv/b", "banyandb_storage": storage}).data_roots == expected
