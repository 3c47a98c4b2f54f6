# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes killed under running servers, which watch the files: no server ever shows an empty view or loses a live node.

Servers (the simulator, or BANYANDB_SERVER) on hosts of their own. To all but one of them, each with a topology file of its
own, pushes are made and killed side by side; the last one is the node that they add, move to another address and remove.
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
"""The least number of pushes that are killed."""

PATIENCE = 120
"""Seconds for anything to come true, on a machine however busy."""

LOOKS_APART = 0.1
"""Seconds between two looks at a view; a reload of a wrong file would show for a second at least, until the next one."""

WAITS = (0.5, 1.1)
"""Seconds after a rename: before and after the server reads the file (section 1 of the contract: after 1.0 s). A push that goes on
writing waits for 2 s."""


@dataclass
class Change:
    """A push: the files that follow each other, and the arguments."""

    files: list[str]
    arguments: dict[str, Any]


class Watch:
    """Looks at a server's view all the time, and keeps what it must never show."""

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
                continue  # on a busy machine an answer may be late; that the server runs is seen at the end
            self.looks += 1
            for table, names in self.always.items():
                if not names <= tables.get(table, set()):
                    self.wrong.append(f"{table} shows {sorted(tables.get(table, ()))}, and not {sorted(names)}")


class Lane:
    """One server that is pushed to, and what its topology should be at each time."""

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
        """What a node says of itself has its name, whatever its entry's address is."""
        nodes = [{**node.to_mapping(), "node_name": f"{node.name}:{node.grpc_address.split(':')[1]}"} for node in [*self.steady, *more]]
        prove = {"name": self.server.host.name, "role": self.server.kind, "timeout": PATIENCE}
        # Who answers late on a busy machine would be listed last.
        return {"nodes": nodes, "prove": prove, "reach_timeout": PATIENCE, **options}

    def killed(self, name: str, moment: Moment, calls: list[str]) -> None:
        """Push, be killed at ``moment``, look what stands; the next push does the rest and proves it."""
        change = self.change(name)
        assert self.pusher.path.read_text() == change.files[0]
        ended = self.pusher.killed(moment, **change.arguments)
        self.kills += 1
        where = f"{name}, killed {moment.when} call {moment.call} and {moment.seconds} s, on {self.server}"
        assert ended.calls[: moment.call + 1] == calls[: moment.call + 1], where
        assert self.pusher.path.read_text() == change.files[ended.renames], where
        # What the push that died had removed is gone; the next one is the same push, told again.
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
    """Servers that all list each other, but for the last one, which no file lists yet."""
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
    """In stages (section 1 of the contract), until each but the last one shows all nodes."""
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
    """Before each call and in the middle of each write. Of a push that writes once also after each call; of one that writes twice
    also between the writes: it takes its time."""
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
        # Each lane takes its share of the moments, going there by one push and back by the other.
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
