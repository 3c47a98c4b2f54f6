# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""local_client: the protocol, the certificate check and the user of a question to the server of the same host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_view_client import GrpcClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client, local_http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.server_question import GRPC, HTTP, Question
from ansible_collections.skywalking.banyandb.tests.unit.certificates import Made

SECRET = "canary-4711"
OPTIONS = {"url": "http://127.0.0.1:1", "ca_path": None, "username": None, "password": None}


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.crt"
    path.write_text(Made("CA").pem)
    return str(path)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"users": [{"username": "ops", "password": SECRET}]}))
    return path


def test_a_data_node_with_tls_is_asked_over_grpc_by_the_name_in_its_certificate(ca: str) -> None:
    client = local_client(OPTIONS, Question(GRPC, "127.0.0.1:17912", ca, "data1.example.org"), 1.0)
    assert isinstance(client, GrpcClient)
    assert (client.address, client.node.tls_enabled, client.node.ca_cert_path) == ("127.0.0.1:17912", True, ca)
    assert client.terms.tls_server_name == "data1.example.org"


def test_a_liaison_with_tls_is_asked_over_https_as_the_first_user_of_its_file(ca: str, users: Path) -> None:
    client = local_client(OPTIONS, Question(HTTP, "127.0.0.1:17913", ca, "l1", str(users)), 1.0, retries=2)
    assert isinstance(client, HttpClient)
    assert (client.terms.tls, client.terms.tls_server_name, client.terms.retries) == (True, "l1", 2)
    assert (client.terms.username, client.terms.password) == ("ops", SECRET)


def test_the_user_of_the_options_comes_first(users: Path) -> None:
    options = {**OPTIONS, "username": "other", "password": "b"}
    assert local_http_client(options, Question(HTTP, "127.0.0.1:17913", users_path=str(users)), 1.0).terms.username == "other"


def test_a_server_without_a_process_is_asked_at_the_url(ca: str) -> None:
    client = local_client({**OPTIONS, "url": "https://10.0.0.1:17913", "ca_path": ca}, None, 1.0)
    assert isinstance(client, HttpClient) and (client.address, client.terms.tls) == ("10.0.0.1:17913", True)


@pytest.mark.parametrize("content", [None, "users: []", f'{{"users": "{SECRET}"}}'])
def test_users_that_cannot_be_read_are_an_error_without_a_password(users: Path, content: str | None) -> None:
    users.unlink() if content is None else users.write_text(content)
    with pytest.raises(TermsError, match="cannot read the users|expected the users in JSON") as refused:
        local_client(OPTIONS, Question(HTTP, "127.0.0.1:17913", users_path=str(users)), 1.0)
    assert SECRET not in str(refused.value)
