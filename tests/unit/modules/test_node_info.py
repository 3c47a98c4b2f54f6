# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module node_info against servers on loopback with recorded answers of real servers."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.modules import node_info
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import HEALTH, NODE, closed_port, grpc_server, recorded


def ask(answers, **arguments):
    """Return the result for one endpoint ``data1`` with these ``answers``. Its address becomes the recorded address."""

    async def run():
        async with grpc_server(answers) as address:
            endpoints = [{"name": "data1", "address": address}]
            result, err = await run_module("node_info", endpoints=endpoints, **arguments)
            assert err == ""
            return json.loads(json.dumps(result).replace(address, "node3:17912"))

    result = asyncio.run(run())
    assert not result.get("failed"), result
    assert result["changed"] is False
    return result["endpoints"]["data1"]


def test_a_liaison_client_port_answers_everything():
    info = ask(recorded("liaison-public"))
    assert info["node"]["node_name"] == "node1:18912"
    assert info["node"]["roles"] == ["ROLE_LIAISON"]
    assert info["node"]["http_address"] == "node1:17913"
    assert info["api_version"] == {"version": "0.10", "revision": ""}
    assert info["schema_revision"] > 10**18
    assert info["health"] == "SERVING"
    assert info["errors"] == {}


@pytest.mark.parametrize(
    ("port", "missing"),
    [
        ("liaison-internal", {"api_version"}),
        ("data", {"api_version"}),
        ("data-schema", {"node", "api_version", "schema_revision"}),
        ("data-gossip", {"node", "api_version", "schema_revision", "health"}),
    ],
)
def test_what_a_port_does_not_offer_is_null_with_the_reason(port, missing):
    info = ask(recorded(port))
    assert {key for key in ("node", "api_version", "schema_revision", "health") if info[key] is None} == missing
    assert {key: error["kind"] for key, error in info["errors"].items()} == dict.fromkeys(missing, "unimplemented")


def test_an_endpoint_that_is_down_is_a_result():
    async def run():
        with closed_port() as address:
            return await run_module("node_info", endpoints=[{"name": "it", "address": address}], retries=0)

    result, err = asyncio.run(run())
    assert err == ""
    errors = result["endpoints"]["it"]["errors"]
    assert {key: error["kind"] for key, error in errors.items()} == dict.fromkeys(["node", "api_version", "schema_revision", "health"], "refused")


def test_one_garbled_answer_does_not_hide_the_others():
    info = ask({**recorded("data"), NODE: b"\xff"})
    assert info["node"] is None
    assert info["errors"]["node"]["kind"] == "not_banyandb"
    assert info["health"] == "SERVING"


def test_a_server_that_is_not_well_says_so():
    assert ask({**recorded("data"), HEALTH: b"\x08\x02"})["health"] == "NOT_SERVING"
    assert ask({**recorded("data"), HEALTH: b"\x08\x63"})["health"] == "99"


def test_check_mode_gives_the_same():
    assert ask(recorded("data"), check=True) == ask(recorded("data"))


@pytest.mark.parametrize(("package", "library"), [("grpc", "grpcio"), ("google.protobuf", "protobuf")])
def test_without_its_libraries_it_says_what_to_install(package, library):
    result, err = asyncio.run(run_module("node_info", [package], endpoints=[{"name": "it", "address": "h:1"}]))
    assert result["failed"]
    assert f"({library})" in result["msg"]
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"endpoints": [{"name": "it", "address": "h:0"}]}, "endpoints[0].address 'h:0'"),
        ({"endpoints": [{"name": "it", "address": "h:1"}] * 2}, "endpoints[1]: name 'it'"),
        ({"tls": True, "ca_path": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"),
        ({"timeout": -1}, "timeout"),
        ({"password": "alone"}, "username"),
    ],
)
def test_a_bad_option_is_refused_by_name_and_without_a_traceback(arguments, said):
    arguments = {"endpoints": [{"name": "it", "address": "127.0.0.1:1"}], **arguments}
    result, err = asyncio.run(run_module("node_info", **arguments))
    assert result["failed"]
    assert said in result["msg"]
    assert err == ""
    assert "Traceback" not in json.dumps(result)


def test_the_sample_of_the_documentation_is_what_the_module_returns():
    assert yaml.safe_load(node_info.RETURN)["endpoints"]["sample"] == {"data1": ask(recorded("data"))}
