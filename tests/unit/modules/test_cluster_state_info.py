# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module cluster_state_info against servers on loopback with recorded answers of real servers."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import load
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import port_drain
from ansible_collections.skywalking.banyandb.plugins.modules import cluster_state_info
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import (
    RECORDED,
    STATE,
    Certificate,
    byte_server,
    closed_port,
    grpc_server,
    http_answer,
    recorded,
)

DATA = [{"name": f"data{n}", "node_name": f"node{n + 2}:17912", "role": "data"} for n in (1, 2, 3)]
LIAISONS = [{"name": f"liaison{n}", "node_name": f"node{n}:18912", "role": "liaison"} for n in (1, 2)]


def named(addresses):
    return [{"name": name, "address": address} for name, address in addresses.items()]


async def ask(endpoints, **arguments):
    """Return the result, and check that the module has not failed or written to stderr."""
    result, err = await run_module("cluster_state_info", endpoints=named(endpoints), **arguments)
    assert not result.get("failed"), result
    assert err == ""
    assert result["changed"] is False
    return result


def whole_cluster(liaison=None, data=None, **arguments):
    """Return the result for all five nodes of the recorded cluster."""

    async def run():
        async with grpc_server(liaison or recorded("liaison-public")) as one, grpc_server(data or recorded("data")) as other:
            endpoints = {node["name"]: one for node in LIAISONS} | {node["name"]: other for node in DATA}
            return await ask(endpoints, nodes=LIAISONS + DATA, **arguments)

    return asyncio.run(run())


def changed(port, change):
    """Return the cluster state recorded on ``port`` after ``change``."""
    answers = recorded(port)
    state = load()["banyandb.database.v1.GetClusterStateResponse"].FromString(answers[STATE])
    change(state.route_tables)
    return {STATE: state.SerializeToString()}


def test_the_recorded_cluster_is_converged():
    result = whole_cluster()
    assert (result["verdict"], result["pairs"], result["rounds"]) == ("converged", [], 1)
    assert result["matrix"]["liaison1"] == dict.fromkeys(["liaison1", "liaison2", "data1", "data2", "data3"], "active")
    assert result["matrix"]["data1"]["data3"] == "registered"
    assert result["endpoints"]["liaison1"]["tables"]["tire2"]["active"] == ["node3:17912", "node4:17912", "node5:17912"]


def test_http_and_grpc_give_the_same_tables():
    async def run():
        body = (RECORDED / "cluster-state-liaison-18913.json").read_bytes()
        async with byte_server(http_answer("200 OK", body)) as http, grpc_server(recorded("liaison-internal")) as grpc:
            arguments = {"endpoints": [{"name": "h", "address": http, "protocol": "http"}, {"name": "g", "address": grpc}]}
            return await run_module("cluster_state_info", **arguments)

    endpoints = asyncio.run(run())[0]["endpoints"]
    assert [endpoints[name]["protocol"] for name in ("h", "g")] == ["http", "grpc"]
    assert endpoints["h"]["tables"] == endpoints["g"]["tables"] == {}


def test_http_needs_no_library():
    async def run():
        body = (RECORDED / "cluster-state-data-17913.json").read_bytes()
        async with byte_server(http_answer("200 OK", body)) as address:
            without = ["grpc", "grpc.aio", "google.protobuf", "google.protobuf.message"]
            return await run_module("cluster_state_info", without, endpoints=named({"it": address}), protocol="http")

    result, err = asyncio.run(run())
    assert err == ""
    assert list(result["endpoints"]["it"]["tables"]) == ["property"]


@pytest.mark.parametrize(("package", "library"), [("grpc", "grpcio"), ("google.protobuf", "protobuf")])
def test_grpc_without_its_libraries_says_what_to_install(package, library):
    result, err = asyncio.run(run_module("cluster_state_info", [package], endpoints=named({"it": "127.0.0.1:1"})))
    assert result["failed"]
    assert f"({library})" in result["msg"]
    assert err == ""


def test_what_an_endpoint_failed_at_is_a_result_and_makes_the_verdict_unknown():
    async def run():
        with closed_port() as closed:
            return closed, await ask({"data1": closed}, nodes=DATA[:1], retries=0)

    closed, result = asyncio.run(run())
    assert result["endpoints"]["data1"]["tables"] is None
    assert result["endpoints"]["data1"]["error"]["kind"] == "refused"
    assert closed in result["endpoints"]["data1"]["error"]["message"]
    assert result["verdict"] == "unknown"
    assert result["matrix"] == {"data1": {"data1": "?"}}


def test_a_node_that_is_no_endpoint_was_not_asked():
    async def run():
        async with grpc_server(recorded("data")) as address:
            return await ask({"data1": address}, nodes=DATA)

    result = asyncio.run(run())
    assert result["verdict"] == "unknown"
    assert {pair["subject"] for pair in result["pairs"]} == {"data2", "data3"}
    assert all("not_asked" in pair["seen"] for pair in result["pairs"])


def test_without_nodes_nothing_is_judged():
    async def run():
        async with grpc_server(recorded("data")) as address:
            return await ask({"it": address}, wait=30)

    result = asyncio.run(run())
    assert (result["verdict"], result["pairs"], result["matrix"], result["rounds"]) == (None, [], {}, 1)


def test_a_missing_node_is_converging_at_first_and_drift_is_what_cannot_heal():
    def forget(tables):
        del tables["tire2"].registered[0]
        tables["tire2"].active.remove("node3:17912")

    assert whole_cluster(liaison=changed("liaison-public", forget))["verdict"] == "converging"

    def relabel(tables):
        tables["tire2"].registered[0].labels["type"] = "cold"

    hot = [{**DATA[0], "labels": {"type": "hot"}}, *DATA[1:]]

    async def run():
        async with grpc_server(changed("liaison-public", relabel)) as liaison, grpc_server(recorded("data")) as data:
            endpoints = {node["name"]: liaison for node in LIAISONS} | {node["name"]: data for node in DATA}
            return await ask(endpoints, nodes=LIAISONS + hot)

    result = asyncio.run(run())
    assert result["verdict"] == "drift"
    assert result["matrix"]["liaison1"]["data1"] == "stale"


@pytest.mark.parametrize("value", [True, "true"])
def test_a_label_is_expected_as_the_server_shows_it(value):
    def label(tables):
        (node,) = [node for node in tables["tire2"].registered if node.metadata.name == DATA[0]["node_name"]]
        node.labels.clear()
        node.labels.update({"ssd": "true", "rack": "1.5", "row": "7"})

    ssd = [LIAISONS[0], {**DATA[0], "labels": {"ssd": value, "rack": 1.5, "row": 7}}, *DATA[1:]]

    async def run():
        async with grpc_server(changed("liaison-public", label)) as liaison:
            return await ask({"liaison1": liaison}, nodes=ssd)

    assert asyncio.run(run())["matrix"]["liaison1"]["data1"] == "active"


def test_reach_takes_a_relative_ca_path_and_compares_addresses_as_values(tmp_path, monkeypatch):
    certificate = Certificate(tmp_path)
    monkeypatch.chdir(tmp_path)

    async def run():
        async with grpc_server(recorded("data"), certificate) as data:
            upper = f"LOCALHOST:{data.rpartition(':')[2]}"
            nodes = [{**DATA[0], "grpc_address": upper.lower()}]
            return upper, await ask({"data1": data}, nodes=nodes, reach=[upper], observer="data1", tls=True, ca_path=certificate.path.name)

    upper, result = asyncio.run(run())
    assert result["reach"] == {upper: True}
    entries = [{"name": "six", "grpc_address": "[2001:db8::1]:1"}, {"name": "none", "grpc_address": None}]
    assert cluster_state_info.by_node(entries, {"data1": {"[2001:DB8:0::1]:1": True, "h:1": False}}) == {("data1", "six"): True}


def test_a_ca_file_may_have_any_text_around_its_certificates(tmp_path):
    certificate = Certificate(tmp_path)
    (tmp_path / "ca.pem").write_bytes("Büro-CA, gültig für alle\n".encode() + b"\xff\xfe\n" + certificate.pem + b"# \xe4\n")

    async def run():
        async with grpc_server(recorded("data"), certificate) as address:
            return await ask({"it": address}, tls=True, ca_path=str(tmp_path / "ca.pem"))

    assert asyncio.run(run())["endpoints"]["it"]["error"] is None


def test_what_other_hosts_reached_tells_a_partition():
    def evict(tables):
        tables["tire2"].active.remove("node3:17912")
        tables["tire2"].evictable.append("node3:17912")

    nodes = [*LIAISONS, {**DATA[0], "grpc_address": "node3:17912"}, *DATA[1:]]

    async def run():
        async with grpc_server(changed("liaison-public", evict)) as liaison, grpc_server(recorded("data")) as data:
            endpoints = {node["name"]: liaison for node in LIAISONS} | {node["name"]: data for node in DATA}
            return await ask(endpoints, nodes=nodes, reached={"liaison1": {"node3:17912": False}, "liaison2": {}})

    result = asyncio.run(run())
    assert result["verdict"] == "partitioned"
    assert {(pair["observer"], pair["verdict"]) for pair in result["pairs"]} == {
        ("liaison1", "partitioned"),
        ("liaison2", "converging"),
    }


def test_what_this_host_reaches_is_held_to_be_what_its_node_reaches():
    def evict(tables):
        tables["tire2"].active.remove("node3:17912")
        tables["tire2"].evictable.append("node3:17912")

    async def run():
        async with grpc_server(changed("liaison-public", evict)) as liaison, grpc_server(recorded("data")) as data:
            with closed_port() as closed:
                nodes = [LIAISONS[0], {**DATA[0], "grpc_address": closed}]
                return closed, data, await ask({"liaison1": liaison, "data1": data}, nodes=nodes, reach=[closed, data], observer="liaison1")

    closed, data, result = asyncio.run(run())
    assert result["reach"] == {closed: False, data: True}
    assert result["verdict"] == "partitioned"


def test_a_liaison_reports_the_drains_on_its_host(systemd):
    async def run(observer):
        async with grpc_server(recorded("liaison-public")) as one, grpc_server(recorded("data")) as other:
            endpoints = {node["name"]: one for node in LIAISONS} | {node["name"]: other for node in DATA}
            return await ask(endpoints, nodes=LIAISONS + DATA, observer=observer)

    systemd.blocks(port_drain.TABLE)
    result = asyncio.run(run("liaison2"))
    assert (result["blocked"], result["verdict"]) == ({"liaison2": 95}, "converging")
    assert [(pair["subject"], pair["seen"]) for pair in result["pairs"]] == [("liaison2", "drained")]
    result = asyncio.run(run("data1"))
    assert (result["blocked"], result["verdict"]) == ({}, "converged")


@pytest.mark.parametrize(("enabled", "kind"), [("disabled", "disabled"), ("enabled", "refused"), ("", "refused")])
def test_a_stopped_server_is_refused_or_disabled(systemd, enabled, kind):
    systemd.unit("banyandb-data.service", ActiveState="inactive", UnitFileState=enabled)

    async def run():
        with closed_port("127.0.0.5") as nothing:
            endpoint = {"name": "data1", "address": nothing, "service": "banyandb-data.service", "protocol": "http"}
            return await run_module("cluster_state_info", endpoints=[endpoint], nodes=DATA[:1], timeout=1.0)

    result, _stderr = asyncio.run(run())
    assert result["endpoints"]["data1"]["error"]["kind"] == kind
    assert ("Delete data1 from the inventory if it was removed" in result["pairs"][0]["remedy"]) is (kind == "disabled")


def test_waiting_ends_with_the_round_that_shows_the_cluster_converged():
    asked = []

    def late(context):
        asked.append(context)
        return recorded("data")[STATE] if len(asked) > 3 * 2 else b""

    result = whole_cluster(data={STATE: late}, wait=60)
    assert (result["verdict"], result["rounds"]) == ("converged", 3)


def test_waiting_ends_when_its_time_is_over():
    result = whole_cluster(data={STATE: b""}, wait=0.6)
    assert result["verdict"] == "converging"
    assert result["rounds"] >= 2


def test_a_difference_that_stood_for_half_a_minute_is_stuck(monkeypatch):
    def evict(tables):
        tables["tire2"].active.remove("node3:17912")
        tables["tire2"].evictable.append("node3:17912")

    clock = FakeClock()
    monkeypatch.setattr(cluster_state_info, "time", clock)
    decode = cluster_state_info.view_decoder()
    views = {node["name"]: decode(changed("liaison-public", evict)[STATE]) for node in LIAISONS}
    views |= {node["name"]: decode(recorded("data")[STATE]) for node in DATA}
    nodes = cluster_state_info.expected_nodes([{"roles": None, "labels": None, **node} for node in LIAISONS + DATA])
    _, verdict, _, _ = cluster_state_info.look(lambda: (views, {}), nodes, 20, "converged")
    assert verdict.verdict == "converging"
    _, verdict, _, _ = cluster_state_info.look(lambda: (views, {}), nodes, 40, "converged")
    assert verdict.verdict == "stuck"


def test_a_liaison_that_still_uses_what_its_host_does_not_reach_is_looked_at_until_it_has_noticed(monkeypatch):
    def evict(tables):
        tables["tire2"].active.remove("node3:17912")
        tables["tire2"].evictable.append("node3:17912")

    monkeypatch.setattr(cluster_state_info, "time", FakeClock())
    decode = cluster_state_info.view_decoder()
    before, after = (decode(answer[STATE]) for answer in (recorded("liaison-public"), changed("liaison-public", evict)))
    observer, cut_off = LIAISONS[0]["name"], DATA[0]["name"]
    assert DATA[0]["node_name"] == "node3:17912"
    reach = {(observer, observer): True, (observer, cut_off): False}
    nodes = cluster_state_info.expected_nodes([{"roles": None, "labels": None, **node} for node in LIAISONS + DATA])
    rounds = iter([before, before, after])
    views, verdict, _, asked = cluster_state_info.look(lambda: ({observer: next(rounds)}, reach), nodes, 35, "settled")
    assert (asked, verdict.matrix[observer][cut_off], views[observer]) == (3, "evictable", after)


class FakeClock:
    """Replaces the module ``time``: a sleep advances the clock at once."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def test_waiting_until_settled_ends_at_once_when_only_other_nodes_are_unknown():
    async def run():
        async with grpc_server(recorded("data")) as address:
            return await ask({"data1": address}, nodes=DATA, wait=30, until="settled")

    result = asyncio.run(run())
    assert (result["verdict"], result["rounds"], result["stood"]) == ("unknown", 1, 0.0)


def test_tables_can_be_left_out():
    result = whole_cluster(tables=False)
    assert result["verdict"] == "converged"
    assert {endpoint["tables"] for endpoint in result["endpoints"].values()} == {None}


def test_check_mode_gives_the_same():
    async def run():
        async with grpc_server(recorded("data")) as address:
            endpoints = named({"it": address})
            return [(await run_module("cluster_state_info", check=check, endpoints=endpoints))[0] for check in (False, True)]

    for_real, checked = asyncio.run(run())
    for result in (for_real, checked):
        result.pop("invocation", None)  # ansible-core 2.19 adds it to the output of a module, 2.20 does not
    assert for_real == checked


def test_a_password_is_neither_returned_nor_sent_readably_without_a_warning(tmp_path):
    certificate = Certificate(tmp_path)

    async def run(**arguments):
        async with grpc_server(recorded("data"), certificate if arguments else None) as address:
            return (await run_module("cluster_state_info", endpoints=named({"it": address}), username="admin", password="sesame-open", **arguments))[
                0
            ]

    plain = asyncio.run(run())
    assert "unencrypted" in json.dumps(plain["warnings"])
    wrapped = asyncio.run(run(tls=True, ca_path=str(certificate.path)))
    assert wrapped["endpoints"]["it"]["error"] is None
    assert "warnings" not in wrapped
    assert "sesame-open" not in json.dumps([plain, wrapped])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"endpoints": named({"it": "nonsense"})}, "endpoints[0].address 'nonsense'"),
        ({"endpoints": named({"it": "host:99999"})}, "1 to 65535"),
        ({"endpoints": [{"name": "a", "address": "h:1"}] * 2}, "endpoints[1]: name 'a'"),
        ({"endpoints": [{"name": "a"}]}, "address"),
        ({"nodes": [DATA[0], {**DATA[1], "name": "data1"}]}, "name 'data1'"),
        ({"nodes": [DATA[0], {**DATA[0], "name": "other"}]}, "node_name 'node3:17912'"),
        ({"nodes": [{**DATA[0], "role": "king"}]}, "king"),
        ({"tls": True}, "ca_path"),
        ({"tls": True, "ca_path": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"),
        ({"timeout": 0}, "timeout"),
        ({"deadline": 0}, "deadline"),
        ({"concurrency": 0}, "concurrency"),
        ({"retries": -1}, "retries"),
        ({"username": "a"}, "password"),
        ({"reach": ["nowhere"]}, "nowhere"),
        ({"reached": {"data1": ["h:1"]}}, "reached"),
        ({"reached": {"data1": {"h:1": "perhaps"}}}, "reached"),
        ({"wait": -1}, "wait"),
        *(({name: value}, name) for name in ("timeout", "deadline", "wait", "settle") for value in ("inf", "nan", "1e300")),
        ({"nodes": [{**DATA[0], "labels": {"ssd": None}}]}, "node 'data1': labels: node label 'ssd': expected text or a number"),
        ({"observer": "nobody", "nodes": DATA}, "nobody"),
    ],
)
def test_a_bad_option_is_refused_by_name_and_without_a_traceback(arguments, said):
    arguments = {"endpoints": named({"it": "127.0.0.1:1"}), **arguments}
    result, err = asyncio.run(run_module("cluster_state_info", **arguments))
    assert result["failed"]
    assert said in result["msg"]
    assert err == ""
    assert "Traceback" not in json.dumps(result)


def test_the_samples_of_the_documentation_are_what_the_module_returns():
    """Ask a data node with recorded answers, and a stopped node. The addresses are the recorded addresses."""
    samples = {key: value["sample"] for key, value in yaml.safe_load(cluster_state_info.RETURN).items()}
    result = sample_run()
    assert {key: result[key] for key in samples} == samples


def sample_run():
    def leave_two(tables):
        del tables["property"].registered[2]

    async def run():
        async with grpc_server(changed("data", leave_two)) as up:
            with closed_port() as down:
                result = await ask({"data1": up, "data2": down}, nodes=DATA[:2], reach=[down], retries=0, firewall=True)
                return json.loads(json.dumps(result).replace(up, "node3:17912").replace(down, "node4:17912"))

    return asyncio.run(run())
