# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How processes start, read their settings, and stop (contract, sections 1, 3 and 5)."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from . import asking
from .asking import Table
from .conftest import Cluster
from .network import Network
from .servers import GRPC, HTTP, INTERNAL, METRICS, ROOTS, Server, listing
from .waiting import SOON, holds, until

KINDS = ["data", "liaison"]


def running(add: Callable[..., Server], cluster: Cluster, kind: str, **settings: str) -> Server:
    """Return a new server beside the cluster, which serves."""
    server = add(kind, 6, **settings)
    server.kill()
    server.rename(listing(cluster.data_entries))
    server.start()
    until(lambda: server.sees() == cluster.names(cluster.data), SOON, f"{server} sees the data nodes")
    return server


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_a_topology_file_exits(add: Callable[..., Server], kind: str) -> None:
    server = add(kind, 7)
    server.topology.unlink(missing_ok=True)
    server.start()
    server.exited(within=10)
    assert server.process.returncode != 0


def test_a_data_node_that_starts_with_an_invalid_file_serves_without_discovery(add: Callable[..., Server], cluster: Cluster) -> None:
    server = add("data", 8, **{"node-discovery-file-fetch-interval": "1s"})
    server.rename("nodes: [{\n")
    server.start()
    until(lambda: server.tables() == {"property": Table()}, SOON, f"{server} answers, and sees no node")
    server.rename(listing(cluster.data_entries))
    holds(lambda: not server.sees(), 4, "neither watch nor poll: the repaired file does not count")
    assert server.counts()["file_load_count"] == 1


def test_a_liaison_that_starts_with_an_invalid_file_is_deaf_until_the_file_is_valid(add: Callable[..., Server], cluster: Cluster) -> None:
    server = add("liaison", 9)
    server.rename("nodes: [{\n")
    server.start()
    ports = (GRPC, INTERNAL, HTTP, METRICS)
    holds(lambda: server.running and not any(map(server.listens, ports)), 4, f"{server} runs, and that is all")
    server.rename(listing(cluster.data_entries))
    until(lambda: server.sees() == cluster.names(cluster.data), SOON, "it reads the repaired file by itself, every 5 s")


def test_a_silent_nameserver_stops_the_start_unless_txt_lookups_are_off(add: Callable[..., Server], network: Network) -> None:
    stuck, started = add("data", 10), add("data", 11)
    for server in (stuck, started):
        server.host.ask_for_names_at(network.silent_nameserver)
        server.rename(listing(server.entry))
    stuck.start(without=("GRPC_ENABLE_TXT_SERVICE_CONFIG",))
    started.start()
    until(lambda: started.listens(GRPC), SOON, f"{started} listens")
    holds(lambda: stuck.running and not stuck.listens(GRPC), 10, f"{stuck} runs and does not listen")
    stuck.signal(signal.SIGTERM)
    holds(lambda: stuck.running, 3, f"{stuck} ignores SIGTERM")
    started.stop()
    for server in (stuck, started):
        server.kill()
        server.host.ask_for_names_at("127.0.0.1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_healthy_server_exits_soon_on(add: Callable[..., Server], cluster: Cluster, kind: str, number: signal.Signals) -> None:
    server = running(add, cluster, kind)
    server.signal(number)
    server.exited(within=SOON)
    assert server.process.returncode == 0


def test_a_flag_beats_the_environment(add: Callable[..., Server]) -> None:
    server = add("data", 12, **{"node-labels": "from=environment,rack=7"})
    server.rename(listing(server.entry))
    for flags, labels in (((), {"from": "environment", "rack": "7"}), (("--node-labels=from=flag",), {"from": "flag"})):
        server.start(*flags)
        until(lambda: server.name in server.sees(), SOON, f"{server} sees itself")
        (node,) = asking.state(server.host.address)["routeTables"]["property"]["registered"]
        assert node["labels"] == labels
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_flag_is_fatal(add: Callable[..., Server], kind: str) -> None:
    server = add(kind, 13)
    server.rename(listing({}))
    server.start("--no-such-flag=1")
    server.exited(within=10)
    assert server.process.returncode != 0


def test_an_unknown_variable_is_not(add: Callable[..., Server]) -> None:
    server = add("data", 14)
    server.rename(listing({}))
    server.start(BYDB_NO_SUCH_FLAG="1")
    until(lambda: server.tables() == {"property": Table()}, SOON, f"{server} serves")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_only_lists_its_units_reads_its_environment_and_ends(add: Callable[..., Server], kind: str) -> None:
    """Evidence for the trial run before a restart: it needs no topology file, opens no port, and reports a value of the wrong type."""
    server = add(kind, 13)
    server.topology.unlink(missing_ok=True)
    server.start("--show-rungroup-units")
    server.exited(within=10)
    assert server.process.returncode == 0
    before = server.log.stat().st_size
    server.start("--show-rungroup-units", BYDB_MEASURE_FLUSH_TIMEOUT="soon")
    server.exited(within=10)
    assert server.process.returncode == 1
    assert 'Error: invalid argument "soon" for "--measure-flush-timeout" flag' in server.log.read_text()[before:]


def test_profiles_and_metrics_listen_where_they_are_told(add: Callable[..., Server]) -> None:
    server = add("data", 16, **{"pprof-listener-addr": "127.0.0.1:6060", "observability-listener-addr": ":2122"})
    server.rename(listing({}))
    server.start()
    until(lambda: server.tables() == {"property": Table()}, SOON, f"{server} serves")
    until(lambda: server.listens(2122), SOON, "metrics on the port that was set")
    assert not server.listens(METRICS) and not server.listens(6060)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_somebody_else_in_a_root_is_left_alone(add: Callable[..., Server], cluster: Cluster, kind: str) -> None:
    """Roots on separate disks, each with a hidden file that only root may read: the marker of this collection."""
    roots = [name for name in ROOTS if kind == "data" or name in ("measure", "stream", "trace")]
    server = add(kind, 15)
    for name in roots:
        root = server.folder / kind / name
        root.mkdir(parents=True)
        (root / ".banyandb-node.json").write_text("{}")
        (root / ".banyandb-node.json").chmod(0o600)
        server.settings[f"{name}-root-path"] = str(root)
    server.rename(listing(cluster.data_entries))
    for _run in ("the first start", "the second one"):
        server.start()
        until(lambda: server.sees() >= cluster.names(cluster.data), 30, f"{server} sees the data nodes")
        server.stop()
    made = {"property": "property", "schema-server": "schema-property", "measure": "measure", "stream": "stream", "trace": "trace"}
    for name in roots:
        found = {path.name for path in (server.folder / kind / name).iterdir()}
        assert {".banyandb-node.json"} <= found <= {".banyandb-node.json", made[name]}
        assert (server.folder / kind / name / ".banyandb-node.json").read_text() == "{}"
