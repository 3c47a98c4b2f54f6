# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the start of a cluster in stages with the full file on every host; and a restart while listed hosts are unreachable."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .figures import Result, Row
from .fleet import DATA_PORT, HTTP_PORT, LIAISON_PORT, Failed, Fleet, Run, play, server_words

# (liaisons, data nodes) of each cluster, how many times faster the stages have to be.
SIZES = ((2, 3, 4.0), (5, 5, None), (10, 10, 10.0))
AWAY = 10
# No view takes longer: 10 s an entry, for all entries of the largest cluster.
PATIENCE = 400.0
LOOK_SECONDS = 0.1
REASON = (
    "in stages the servers wait for Ansible: three steps that start servers, and the push. Each step is one module execution on the hosts, as a "
    "ping is. Here the hosts, their servers and the controller share the cores of one machine. A slow machine makes the stages and the ping longer, "
    "but not the full file, which waits for time-outs"
)
REASON_RESTART = "the server's own start, on cores that other servers share"
# A server that is stopped may hang (section 8 of the contract), and there is nothing to lose here.
RESET = (
    "systemctl kill --signal=KILL 'banyandb-*.service'; systemctl stop 'banyandb-*.service'; systemctl reset-failed; "
    "rm -rf /var/lib/banyandb/* /etc/banyandb/topology.yml"
)
STARTED = "systemctl show --property=ExecMainStartTimestampMonotonic --value 'banyandb-*.service'"


@dataclass
class Cluster:
    """One cluster of the fleet, with hosts of its own."""

    fleet: Fleet
    liaisons: Sequence[str]
    data: Sequence[str]

    @property
    def name(self) -> str:
        return f"{len(self.liaisons)} + {len(self.data)}"

    @property
    def hosts(self) -> list[str]:
        return [*self.liaisons, *self.data]

    def inventory(self) -> Path:
        return self.fleet.inventory(f"cold{len(self.hosts)}", self.liaisons, self.data)

    def complete(self, hosts: Sequence[str]) -> bool:
        """Whether the views of ``hosts`` show all that concerns them: data nodes all data nodes, liaisons use all of both."""
        address = self.fleet.addresses
        data = {f"{address[host]}:{DATA_PORT}" for host in self.data}
        liaisons = {f"{address[host]}:{LIAISON_PORT}" for host in self.liaisons}
        for host in hosts:
            tables = view(address[host])
            if host in self.data:
                right = {node["metadata"]["name"] for node in tables.get("property", {}).get("registered", ())} >= data
            else:
                right = set(tables.get("tire1", {}).get("active", ())) == liaisons and set(tables.get("tire2", {}).get("active", ())) == data
            if not right:
                return False
        return True

    def until_complete(self, hosts: Sequence[str], run: Future[Run] | None = None) -> float:
        """Return the monotonic clock at the time when all views are complete. ``run``: a playbook that must not fail before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            now = time.monotonic()
            try:
                if self.complete(hosts):
                    return now
            except OSError:
                pass  # one does not listen yet
            if run and run.done():
                run.result()
            time.sleep(LOOK_SECONDS)
        raise Failed(f"{self.name}: the views were not complete after {PATIENCE:.0f} s")

    def started(self, hosts: Sequence[str]) -> float:
        """The monotonic clock when the first server was started; hosts and controller have one kernel."""
        return min(int(text) for text in self.fleet.everywhere(hosts, STARTED).values()) / 1e6

    def write(self, hosts: Sequence[str], nodes: Sequence[dict[str, str]]) -> None:
        """Write a file without stages: all nodes, sorted by name."""
        text = "nodes:\n" + "".join(f"- {json.dumps(node)}\n" for node in sorted(nodes, key=lambda node: node["name"]))
        self.fleet.everywhere(hosts, f"cat > /etc/banyandb/topology.yml <<'EOF'\n{text}EOF")

    def full_file(self) -> float:
        """Seconds from the first start until all views are complete: data nodes, and when these are complete, liaisons."""
        self.write(self.hosts, self.fleet.nodes(self.liaisons, self.data))
        self.fleet.everywhere(self.data, "systemctl start --no-block banyandb-data")
        self.until_complete(self.data)
        self.fleet.everywhere(self.liaisons, "systemctl start --no-block banyandb-liaison")
        ended = self.until_complete(self.hosts)
        return ended - self.started(self.data)

    def staged(self) -> float:
        """The same by the playbook ``deploy``, on hosts where all is installed and configured."""
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(self.fleet.play, self.inventory(), "skywalking.banyandb.deploy")
            ended = self.until_complete(self.hosts, run)
            run.result()
        return ended - self.started(self.hosts)

    def restarted(self, host: str) -> float:
        """Seconds from a restart of a data node until its view is complete."""
        self.fleet.everywhere([host], "systemctl restart banyandb-data")
        ended = self.until_complete([host])
        return ended - self.started([host])

    def with_away(self) -> list[dict[str, str]]:
        """Return the nodes of the cluster, and ten nodes at unused addresses, whose names come first."""
        prefix = self.fleet.addresses[self.data[0]].rpartition(".")[0]
        away = [{"name": f"away{number}", "role": "data", "grpc_address": f"{prefix}.{200 + number}:{DATA_PORT}"} for number in range(AWAY)]
        return [*self.fleet.nodes(self.liaisons, self.data), *away]


def view(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{address}:{HTTP_PORT}/api/v1/cluster/state", timeout=5) as answer:
        tables: dict[str, Any] = json.load(answer)["routeTables"]
        return tables


def run(rounds: int, say: Callable[[str], None]) -> Result:
    names = iter(range(1, 41))
    with Fleet(sum(liaisons + data for liaisons, data, _ in SIZES)) as fleet:
        clusters = [Cluster(fleet, *([f"node{next(names)}" for _ in range(count)] for count in (liaisons, data))) for liaisons, data, _ in SIZES]
        fleet.forks = max(len(cluster.hosts) for cluster in clusters)
        small = clusters[0]
        probed = small.data[0]
        for cluster in clusters:
            say(f"deploying {cluster.name}")
            cluster.staged()
        full: dict[str, list[float]] = {cluster.name: [] for cluster in clusters}
        staged: dict[str, list[float]] = {cluster.name: [] for cluster in clusters}
        pings: dict[str, list[float]] = {cluster.name: [] for cluster in clusters}
        ping = play("ping", {"ansible.builtin.ping": {}})
        by_name, away_last = [], []
        for number in range(1, rounds + 1):
            for cluster in clusters:
                fleet.everywhere(cluster.hosts, RESET)

            def full_file(cluster: Cluster) -> None:
                full[cluster.name].append(cluster.full_file())
                if cluster is small:
                    small.write([probed], small.with_away())
                    by_name.append(small.restarted(probed))

            # They wait for time-outs and hardly work, so the clusters do not disturb each other.
            with ThreadPoolExecutor(len(clusters)) as pool:
                list(pool.map(full_file, clusters))
            # One at a time, with the others' hosts at rest: what is measured here is work.
            for cluster in clusters:
                fleet.everywhere(cluster.hosts, RESET)
            for cluster in clusters:
                staged[cluster.name].append(cluster.staged())
                pings[cluster.name].append(fleet.play(cluster.inventory(), ping).seconds)
                if cluster is small:
                    fleet.play(fleet.inventory("probed", (), [probed]), _push(small.with_away(), probed))
                    away_last.append(small.restarted(probed))
                fleet.everywhere(cluster.hosts, RESET)
            say(
                f"round {number}: "
                + ", ".join(f"{name} {full[name][-1]:.1f} s against {staged[name][-1]:.1f} s" for name in full)
                + f"; restart {by_name[-1]:.1f} s against {away_last[-1]:.2f} s"
            )
    rows = []
    for cluster, (_, _, goal) in zip(clusters, SIZES, strict=True):
        faster = [slow / fast for slow, fast in zip(full[cluster.name], staged[cluster.name], strict=True)]
        rows.append(Row(f"{cluster.name}, full file against stages", faster, goal=goal, at_least=True, reason=REASON))
        rows.append(Row(f"{cluster.name}, in stages", staged[cluster.name], "s"))
        over = [took / ping_took for took, ping_took in zip(staged[cluster.name], pings[cluster.name], strict=True)]
        rows.append(Row(f"{cluster.name}, in stages, against a ping of its hosts", over))
        rows.append(Row(f"{cluster.name}, full file", full[cluster.name], "s"))
    rows.append(Row(f"restart of a data node, {AWAY} unreachable entries last", away_last, "s", goal=1.0, reason=REASON_RESTART))
    rows.append(Row(f"restart of a data node, {AWAY} unreachable entries first", by_name, "s"))
    return Result(
        "cold_start",
        "Cold start",
        "The time from the start of the first server until the views of all servers are complete, on installed hosts without data. The benchmark "
        "asks each server over HTTP ten times a second. A row such as 2 + 3 has 2 liaisons and 3 data nodes. In stages: the playbook `deploy`, with "
        f"its own work between the steps ({max(sum(size[:2]) for size in SIZES)} forks). Full file: every host has the complete list by name; all "
        "data nodes start at the same time, then all liaisons after the views of the data nodes are complete. Restart: from the start of the "
        "process until its view shows all running data nodes.",
        rows,
        server=server_words(),
    )


def _push(nodes: list[dict[str, str]], host: str) -> Any:
    return play("away", {"skywalking.banyandb.topology": {"nodes": nodes, "admit": "all", "prove": {"name": host, "role": "data"}}})
