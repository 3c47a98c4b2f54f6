# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable banyandb_srv_names: its valid values, and the names that a server must not get."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import SrvName, SrvNamesError, server_problems, srv_names

DATA, LIAISON = "_data._tcp.example.org.", "_liaison._tcp.example.org."


def test_an_item_is_a_name_or_a_mapping_with_its_ca() -> None:
    assert srv_names([DATA, {"name": LIAISON, "ca_cert_path": "/etc/ca.pem"}]) == (SrvName(DATA), SrvName(LIAISON, "/etc/ca.pem"))
    assert SrvName("_data._tcp.example.org").absolute == DATA


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "banyandb_srv_names is None: expected a list with at least one SRV name"),
        ([], "expected a list with at least one SRV name"),
        (DATA, "expected a list with at least one SRV name"),
        ([7], "banyandb_srv_names[0] is 7: expected a name, or a mapping"),
        ([{"name": DATA, "ca": "/x"}], "expected a name, or a mapping with name and ca_cert_path"),
        ([{"ca_cert_path": "/x"}], "banyandb_srv_names[0]: None is no SRV name"),
        ([f"{DATA},{LIAISON}"], "is no SRV name"),
        (["."], "is no SRV name"),
        (["a" * 300], "is no SRV name"),
        ([{"name": DATA, "ca_cert_path": "ca.pem"}], "ca_cert_path is 'ca.pem': expected an absolute path"),
        ([{"name": DATA, "ca_cert_path": "/a,/b"}], "without commas"),
        ([DATA, "_DATA._tcp.example.org"], "_data._tcp.example.org. is listed twice. Delete one."),
    ],
)
def test_anything_else_is_refused_with_its_place(value: Any, says: str) -> None:
    with pytest.raises(SrvNamesError) as refused:
        srv_names(value)
    assert says in str(refused.value)


def test_names_with_a_dot_go_to_servers_unchanged() -> None:
    assert server_problems(srv_names([DATA, LIAISON]), ["corp.example"]) == []


def test_a_name_without_a_dot_is_reported_with_the_result_of_the_search_list() -> None:
    (problem,) = server_problems(srv_names(["_data._tcp.example.org", LIAISON]), ["corp.example", "example.net."])
    assert "the nodes of _data._tcp.example.org.corp.example. and 1 more (resolv.conf)" in problem
    assert len(problem) <= 200
    assert problem.endswith("Write _data._tcp.example.org.")
    assert "below each domain of that list" in server_problems(srv_names(["_data._tcp.example.org"]), [])[0]


def test_a_server_asks_all_names_with_tls_or_none() -> None:
    tls = {"name": LIAISON, "ca_cert_path": "/etc/ca.pem"}
    (problem,) = server_problems(srv_names([DATA, tls]), [])
    assert problem.startswith(f"banyandb_srv_names: {DATA} without ca_cert_path")
    assert server_problems(srv_names([tls]), []) == []
