# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of departures on a host, and the facts that a run reads there before a data node leaves."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import byte_server, closed_port, http_answer

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
DEPARTURE = {
    "cluster": "default",
    "host": "data3",
    "node": "10.0.0.5:17912",
    "at": "2026-11-28T20:15:00Z",
    "cause": "removed",
    "groups": {"m1": {"end": "2026-11-29T20:15:00Z", "life_seconds": 604800}},
}
OTHER = {**DEPARTURE, "host": "data4", "node": "10.0.0.6:17912", "groups": None}


def run(name, **arguments):
    result, errors = asyncio.run(run_module(name, **arguments))
    assert not errors
    return result


@pytest.fixture
def paths(tmp_path):
    return {"path": str(tmp_path / "departures.json"), "topology": str(tmp_path / "topology.yml")}


def test_departures_are_added_and_stay(paths):
    path = Path(paths["path"])
    assert run("departure_record", path=str(path), departures=[DEPARTURE], check=True)["changed"] is True
    assert not path.exists()
    assert run("departure_record", path=str(path), departures=[DEPARTURE])["changed"] is True
    assert run("departure_record", path=str(path), departures=[DEPARTURE])["changed"] is False
    assert run("departure_record", path=str(path), departures=[OTHER])["changed"] is True
    assert json.loads(path.read_text())["departures"] == [DEPARTURE, OTHER]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert run("departure_info", **paths)["departures"] == [DEPARTURE, OTHER]


def test_a_record_that_is_broken_is_neither_read_nor_replaced(paths):
    path = Path(paths["path"])
    path.write_text("{")
    for result in (run("departure_info", **paths), run("departure_record", path=str(path), departures=[DEPARTURE])):
        assert result["failed"] and result["error_type"] == "broken"
        assert result["msg"] == f"{path}: no JSON. Copy the file of another host of the cluster, or delete it."
    assert path.read_text() == "{"


def test_what_is_no_departure_is_refused(paths):
    assert run("departure_record", path=paths["path"], departures=[{"at": "now"}])["error_type"] == "invalid"


def test_a_host_without_anything_says_so(paths):
    found = run("departure_info", **paths)
    found.pop("invocation", None)  # ansible-core up to 2.20 returns it
    assert found == {
        "changed": False,
        "departures": [],
        "entries": {},
        "since": None,
        "groups": None,
        "counts": {},
        "properties": None,
        "failure": "",
    }


def test_the_entries_of_the_topology_are_reported(paths):
    Path(paths["topology"]).write_text('nodes:\n- {"name": "data3", "grpc_address": "10.0.0.5:17912"}\n')
    assert run("departure_info", **paths)["entries"] == {"data3": "10.0.0.5:17912"}


def liaison(request):
    """A liaison with one group, with the recorded content of m1."""
    path = request.split(b" ")[1].decode()
    if path == "/api/v1/group/schema/lists":
        found = json.loads((RECORDED / "group-lists-17913.json").read_text())
        found["group"] = [group for group in found["group"] if group["metadata"]["name"] in ("_property_gossip", "m1", "p1")]
        return http_answer("200 OK", json.dumps(found).encode())
    assert path == "/api/v1/group/content/m1", "properties and the server's own groups have no counts"
    return http_answer("200 OK", (RECORDED / "group-content-m1-17913.json").read_bytes())


def with_server(answer, **arguments):
    async def ask():
        async with byte_server(answer) as address:
            result, errors = await run_module("departure_info", url=f"http://{address}", content=True, **arguments)
            assert not errors
            return result

    return asyncio.run(ask())


def test_a_liaison_reports_groups_and_counts(paths):
    result = with_server(liaison, **paths)
    assert [group["name"] for group in result["groups"]] == ["m1", "p1"]
    assert sum(segment[2] for segments in result["counts"]["m1"].values() for segment in segments) == 2000
    assert result["failure"] == ""


def test_a_liaison_that_does_not_listen_is_a_reason_and_no_failure(paths):
    with closed_port() as address:
        result = run("departure_info", url=f"http://{address}", content=True, **paths)
    assert (result["groups"], "connection refused" in result["failure"]) == (None, True)


def test_markers_say_since_when_a_node_has_its_data(paths, tmp_path):
    marker = {"format": 1, "cluster": "default", "host": "data3", "node": "n:17912", "role": "data", "stores": {}}
    roots = [tmp_path / "one", tmp_path / "two"]
    for day, root in enumerate(roots, start=1):
        root.mkdir()
        (root / ".banyandb-node.json").write_text(json.dumps({**marker, "since": f"2026-11-0{day}T00:00:00Z"}))
    assert run("departure_info", roots=[str(root) for root in roots], **paths)["since"] == 1793577600
    assert run("departure_info", roots=[str(roots[0]), str(tmp_path)], **paths)["since"] is None, "a disk without a marker is not the old one"
