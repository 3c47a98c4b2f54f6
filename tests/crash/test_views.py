# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill pushes while servers run and watch the files: no server ever shows an empty view or loses a live node.

The servers (the simulator, or BANYANDB_SERVER) run on separate hosts. All but the last have their own topology file; the tests push to
these files and kill the pushes in parallel. The pushes add the last server, move it to another address and remove it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, ordered
from tests.contract.conftest import binary  # noqa: F401 (a fixture)
from tests.contract.network import Network
from tests.contract.servers import Server
from tests.contract.waiting import until

from .pusher import Pusher
from .tracer import AFTER, BEFORE, HALF, Moment

KINDS = ["data"] * 7 + ["liaison", "data"]
KILLS = 200
"""Minimum number of killed pushes."""

PATIENCE = 120
"""Seconds to wait for any fact, on a busy machine too."""

LOOKS_APART = 0.1
"""Seconds between two checks of a view. A wrong file would show for at least a second, until the next reload."""

WAITS = (0.5, 1.1)
"""Seconds after a rename: before and after the server reads the file (section 1 of the contract: after 1.0 s). A push with a second
write waits for 2 s.
"""


@dataclass
class Change:
    """A push: the files in their order, and the arguments."""

    files: list[str]
    arguments: dict[str, Any]


class Watch:
    """Checks a server's view all the time and records forbidden views."""

    def __init__(self, server: Server, always: dict[str, set[str]]) -> None:
        self.server, self.always = server, always
        self.looks, self.wrong = 0, list[str]()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(LOOKS_APART):
            try:
                tables = {name: set(table.registered) for name, table in self.server.tables().items()}
            except OSError:
                continue  # an answer may be late on a busy machine; the end of the test checks that the server runs
            self.looks += 1
            for table, names in self.always.items():
                if not names <= tables.get(table, set()):
                    self.wrong.append(f"{table} shows {sorted(tables.get(table, ()))}, and not {sorted(names)}")


class Lane:
    """One server that gets pushes, and its expected topology at each time."""

    def __init__(self, server: Server, steady: list[Node], moved: Server, pusher: Pusher, watch: Watch) -> None:
        self.server, self.steady, self.pusher, self.watch = server, steady, pusher, watch
        self.named = Node(moved.host.name, f"{moved.host.name}:17912")
        self.numbered = Node(moved.host.name, f"{moved.host.address}:17912")
        self.silent = Node("silent", "refusing1:17912")
        self.kills = 0

    def text(self, *more: Node, held_back: tuple[Node, ...] = ()) -> str:
        return Topology(ordered([*self.steady, *more]), held_back).render()

    def change(self, name: str) -> Change:
        without, named, numbered = self.text(), self.text(self.named), self.text(self.numbered)
        waiting = self.text(self.named, held_back=(self.silent,))
        if name == "add":
            return Change([without, named], self.arguments(self.named))
        if name == "remove":
            return Change([named, without], self.arguments(remove=[self.named.name]))
        if name == "move":
            between = self.text(held_back=(self.numbered,))
            return Change([named, between, numbered], self.arguments(self.numbered, readdress="stage"))
        if name == "move back":
            between = self.text(held_back=(self.named,))
            return Change([numbered, between, named], self.arguments(self.named, readdress="stage"))
        if name == "hold back":
            return Change([named, waiting], self.arguments(self.named, self.silent))
        assert name == "give up"
        return Change([waiting, named], self.arguments(self.named, remove=[self.silent.name]))

    def arguments(self, *more: Node, **options: Any) -> dict[str, Any]:
        """A node reports its name, for any address in its entry."""
        nodes = [{**node.to_mapping(), "node_name": f"{node.name}:{node.grpc_address.split(':')[1]}"} for node in [*self.steady, *more]]
        prove = {"name": self.server.host.name, "role": self.server.kind, "timeout": PATIENCE}
        # A server that responds late on a busy machine would move to the end of the list.
        return {"nodes": nodes, "prove": prove, "reach_timeout": PATIENCE, **options}

    def killed(self, name: str, moment: Moment, calls: list[str]) -> None:
        """Push, kill the push at ``moment``, and check the file. The next push completes the change and proves it."""
        change = self.change(name)
        assert self.pusher.path.read_text() == change.files[0]
        ended = self.pusher.killed(moment, **change.arguments)
        self.kills += 1
        where = f"{name}, killed {moment.when} call {moment.call} and {moment.seconds} s, on {self.server}"
        assert ended.calls[: moment.call + 1] == calls[: moment.call + 1], where
        assert self.pusher.path.read_text() == change.files[ended.renames], where
        # The killed push may have removed its node already. The next push is the same, repeated.
        result = self.pusher.push(**change.arguments)
        assert result.get("proved"), f"{where}: {result}"
        assert self.pusher.path.read_text() == change.files[-1], where
        assert list(self.pusher.directory.iterdir()) == [self.pusher.path], where


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network("crash") as hosts:
        yield hosts


@pytest.fixture(scope="module")
def lanes(network: Network, binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:  # noqa: F811
    """Yield servers that all list each other. No file lists the last server yet."""
    folder = tmp_path_factory.mktemp("servers")
    servers = [Server(binary, kind, network.hosts[number], folder / f"node{number}", {}) for number, kind in enumerate(KINDS, 1)]
    for server in servers:
        server.topology = server.folder / "etc" / "topology.yml"
        server.topology.parent.mkdir()
    *pushed, moved = servers
    steady = [Node(server.host.name, server.name) for server in pushed]
    data = {server.name for server in pushed if server.kind == "data"}
    tables = {"data": {"property": data}, "liaison": {"tire1": {server.name for server in pushed} - data, "tire2": data}}
    with ExitStack() as stack:
        stack.callback(lambda: [server.kill() for server in servers])
        start(servers, Topology(ordered(steady)))
        made = []
        for server in pushed:
            watch = stack.enter_context(Watch(server, tables[server.kind]))
            made.append(Lane(server, steady, moved, stack.enter_context(Pusher(server.topology.parent, server.host)), watch))
        yield made


def start(servers: list[Server], topology: Topology) -> None:
    """Start the servers in stages (section 1 of the contract), until each but the last shows all nodes."""
    data = Topology(tuple(node for node in topology.nodes if node.grpc_address.endswith(":17912")))
    for kind in ("data", "liaison"):
        for server in servers:
            if server.kind == kind:
                server.rename(data.render())
                server.start()
        names = {node.grpc_address for node in data.nodes}
        for server in servers:
            if server.kind == kind:
                until(lambda: server.sees() == names, PATIENCE, f"{server} shows {names}")
                until(lambda: server.watches, PATIENCE, f"{server} watches its file")
    for server in servers:
        server.rename(topology.render())
    for server in servers[:-1]:
        names = {node.grpc_address for node in topology.nodes if server.kind == "liaison" or node.grpc_address.endswith(":17912")}
        until(lambda: server.sees() == names, PATIENCE, f"{server} shows {names}")


def moments(calls: list[str]) -> list[Moment]:
    """Return the moments before each call and in the middle of each write. A push with one write also has the moments after each call; a
    push with two writes also has moments between the writes.
    """
    found = [Moment(number, BEFORE) for number in range(len(calls))]
    found += [Moment(number, HALF) for number, call in enumerate(calls) if call.startswith("write ")]
    renames = [number for number, call in enumerate(calls) if call.startswith("rename ")]
    if len(renames) == 1:
        return found + [Moment(number, AFTER) for number in range(len(calls))]
    return found + [Moment(number, AFTER, seconds) for number in renames[:-1] for seconds in WAITS]


def test_no_server_loses_a_node_while_pushes_are_killed(lanes: list[Lane]) -> None:
    first = lanes[0]
    seen: dict[str, list[str]] = {}
    for name in ("add", "hold back", "give up", "move", "move back", "remove"):
        ended = first.pusher.traced(**first.change(name).arguments)
        assert ended.result.get("proved"), ended
        assert ended.renames == len(first.change(name).files) - 1, ended
        seen[name] = ended.calls
    asked = 0
    for there, back, ready in (("add", "remove", ""), ("hold back", "give up", "add"), ("move", "move back", "")):
        if ready:
            assert all(lane.pusher.push(**lane.change(ready).arguments)["proved"] for lane in lanes)
        # Each lane takes a part of the moments: one push changes its topology, the other restores it.
        todo = [(there, moment) for moment in moments(seen[there])], [(back, moment) for moment in moments(seen[back])]
        assert len(todo[0]) == len(todo[1])
        asked += 2 * len(todo[0])
        pairs = list(zip(*todo, strict=True))

        def work(number: int) -> None:
            for pair in pairs[number :: len(lanes)]:
                for name, moment in pair:
                    lanes[number].killed(name, moment, seen[name])

        with ThreadPoolExecutor(len(lanes)) as pool:
            for done in [pool.submit(work, number) for number in range(len(lanes))]:
                done.result()
    assert sum(lane.kills for lane in lanes) == asked >= KILLS
    for lane in lanes:
        assert lane.server.running
        assert lane.watch.wrong == [], f"{lane.server}, of {lane.watch.looks} looks"
        assert lane.watch.looks > lane.kills
