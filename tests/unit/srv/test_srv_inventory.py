# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory srv in ansible-inventory: DNS, and nodes on loopback with recorded answers of real nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from ansible_collections.skywalking.banyandb.tests.unit.peers import NODE, closed_port, grpc_server, recorded
from ansible_collections.skywalking.banyandb.tests.unit.programs import Programs
from tests.dns import Knot, Lie, LyingProxy

from .conftest import ZONE

SERVICES = [{"name": f"_live-data._tcp.{ZONE}", "role": "data"}, {"name": f"_live-liaison._tcp.{ZONE}"}]


def configuration(server: Knot | LyingProxy, directory: Path, **options: Any) -> Path:
    path = directory / "lab.banyandb.yml"
    given = {
        "plugin": "skywalking.banyandb.srv",
        "services": SERVICES,
        "nameservers": [f"{server.address}:{server.port}"],
        "attempts": 1,
        "timeout": 5,
        "snapshot_dir": str(directory / "kept"),
        **options,
    }
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return path


@pytest.fixture
def show(programs: Programs) -> Callable[[Path], Awaitable[tuple[dict[str, Any], str]]]:
    """Return the output of ``ansible-inventory --list`` and its warnings."""

    async def show(path: Path) -> tuple[dict[str, Any], str]:
        # In a thread, so that the nodes can answer at the same time.
        done = await asyncio.to_thread(programs.run, "inventory", "--list", "-i", str(path), cwd=path.parent)
        assert "Traceback" not in done.stdout + done.stderr
        # Ansible marks values from outside, so that no code treats them as templates.
        found = json.loads(done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value))
        return found, " ".join(done.stderr.split())

    return show


def live(knot: Knot, liaison: str, *data: str) -> None:
    """Put servers on loopback into DNS: one name for each role."""
    changes: list[tuple[str, ...]] = [("delete", f"_live-{role}._tcp") for role in ("data", "liaison")]
    for role, addresses in (("liaison", [liaison]), ("data", data)):
        for at, address in enumerate(addresses, 1):
            changes += [("delete", f"live-{role}{at}"), ("add", f"live-{role}{at}", "30", "A", "127.0.0.1")]
            changes.append(("add", f"_live-{role}._tcp", "30", "SRV", f"0 0 {address.rpartition(':')[2]} live-{role}{at}"))
    knot.update(ZONE, *changes)


def test_nodes_are_grouped_by_what_they_report(show: Any, knot: Knot, tmp_path: Path) -> None:
    async def run() -> tuple[dict[str, Any], str, int]:
        async with grpc_server(recorded("liaison-internal")) as liaison, grpc_server(recorded("data")) as data:
            with closed_port() as dead:
                live(knot, liaison, data, dead)
                return *await show(configuration(knot, tmp_path)), int(data.rpartition(":")[2])

    found, said, port = asyncio.run(run())
    assert found["banyandb_liaison"]["hosts"] == ["live-liaison1.example.test"]
    assert found["banyandb_data"]["hosts"] == ["live-data1.example.test", "live-data2.example.test"]
    assert found["banyandb_apart"]["hosts"] == ["live-data2.example.test"]
    variables = found["_meta"]["hostvars"]
    assert variables["live-data1.example.test"] == {
        "ansible_host": "127.0.0.1",
        "banyandb_grpc_port": port,
        "banyandb_has_meta_role": True,
        "banyandb_node_host": "node3",
        "banyandb_node_labels": {"type": "hot"},
        "banyandb_srv": {"name": f"_live-data._tcp.{ZONE}", "target": "live-data1.example.test", "port": port, "addresses": ["127.0.0.1"]},
    }
    assert found["banyandb_label_type_hot"]["hosts"] == ["live-data1.example.test"]
    assert variables["live-data2.example.test"]["banyandb_apart"]["kind"] == "refused"
    assert "live-data2.example.test is in banyandb_apart" in said


@pytest.mark.parametrize("password", ["canary-4711", "canary-wrong"])
def test_a_target_that_asks_for_a_user_gets_the_user_of_the_options(show: Any, knot: Knot, tmp_path: Path, password: str) -> None:
    def asks(context: Any) -> Any:
        known = {("username", "ops"), ("password", "canary-4711")} <= {*context.invocation_metadata()}
        return recorded("liaison-public")[NODE] if known else (grpc.StatusCode.UNAUTHENTICATED, "Invalid credentials")

    async def run() -> tuple[dict[str, Any], str]:
        async with grpc_server({NODE: asks}) as liaison, grpc_server(recorded("data")) as data:
            live(knot, liaison, data)
            return await show(configuration(knot, tmp_path, username="ops", password=password))

    found, said = asyncio.run(run())
    apart = found["_meta"]["hostvars"]["live-liaison1.example.test"].get("banyandb_apart", {})
    assert apart.get("kind") == (None if password == "canary-4711" else "auth")
    assert "canary" not in json.dumps(found) + said


def test_one_node_with_an_odd_name_does_not_end_the_inventory(show: Any, knot: Knot, tmp_path: Path) -> None:
    odd = b"\x0a\x0a\x0a\x08\x12\x06:17912\x12\x00"  # a node with the name :17912, as of a server without a node host

    async def run() -> tuple[dict[str, Any], str]:
        async with grpc_server(recorded("liaison-internal")) as liaison, grpc_server(recorded("data")) as data, grpc_server({NODE: odd}) as other:
            live(knot, liaison, data, other)
            return await show(configuration(knot, tmp_path))

    found, said = asyncio.run(run())
    assert found["banyandb_liaison"]["hosts"] == ["live-liaison1.example.test"]
    assert found["banyandb_apart"]["hosts"] == ["live-data2.example.test"]
    assert "the node calls itself ':17912', expected host:port" in said


def test_without_asking_the_groups_are_those_of_the_services(show: Any, knot: Knot, tmp_path: Path) -> None:
    live(knot, "127.0.0.1:1", "127.0.0.1:2")
    keyed = [{"key": "banyandb_srv.port | string", "prefix": "port"}]
    found, said = asyncio.run(show(configuration(knot, tmp_path, enrich=False, cluster="east", keyed_groups=keyed)))
    assert said == ""
    assert found["banyandb_data"]["hosts"] == ["live-data1.example.test"]
    assert found["port_1"]["hosts"] == ["live-liaison1.example.test"]
    assert "banyandb_liaison" not in found
    assert found["_meta"]["hostvars"]["live-liaison1.example.test"]["banyandb_cluster"] == "east"


def test_the_last_good_answer_is_served_with_a_warning_and_strict_fails_instead(show: Any, knot: Knot, proxy: LyingProxy, tmp_path: Path) -> None:
    live(knot, "127.0.0.1:1", "127.0.0.1:2")
    good, _said = asyncio.run(show(configuration(proxy, tmp_path, enrich=False)))
    proxy.lie = Lie.SERVFAIL
    stale, said = asyncio.run(show(configuration(proxy, tmp_path, enrich=False)))
    assert stale == good
    assert f"_live-data._tcp.{ZONE}: using the answer of" in said
    _nothing, said = asyncio.run(show(configuration(proxy, tmp_path, enrich=False, strict=True)))
    assert "DNS returned no records for a name, and strict is set" in said


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"services": []}, "services: expected a list of mappings with at least one"),
        ({"services": ["_data._tcp.example.test"]}, "services[0]: expected a mapping such as"),
        ({"services": [{"name": 5}]}, "services[0].name: expected a str with an SRV name, got 5"),
        ({"services": [{"name": "a.b", "role": "dba"}]}, "services[0].role: expected one of data, liaison, standalone, got 'dba'"),
        ({"services": [{"name": "a.b", "rôle": "data"}]}, "services[0].rôle: unknown key, expected name and role"),
        ({"services": [{"name": "a.b"}, {"name": "a.b"}]}, "services[1].name: a.b is listed twice"),
        ({"services": [{"name": "a..b"}]}, "'a..b' is no DNS name"),
        ({"nameservers": ["ns"]}, "name server 'ns': expected an address"),
        ({"timeout": 0}, "timeout is 0.0: expected 0.001 to 86400"),
    ],
)
def test_a_mistake_in_the_file_names_the_file_the_key_and_what_was_expected(
    show: Any, knot: Knot, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    _found, said = asyncio.run(show(configuration(knot, tmp_path, **wrong)))
    assert "lab.banyandb.yml" in said
    assert says in said
