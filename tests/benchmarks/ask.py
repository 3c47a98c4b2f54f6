# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking 500 servers of 500 nodes each for their view, against plain ``grpc.aio``.

Both ways run in a process of their own: ``python -m tests.benchmarks.ask ours|plain PORTS``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from tests import conftest

# isort: split
# Importable only now: conftest links this checkout to that name.
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster import messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms

from .figures import Result, Row
from .fleet import Failed

ENDPOINTS = 500
NODES = 500
CONCURRENCY = 64
METHOD = "banyandb.database.v1.ClusterStateService/GetClusterState"
REASON = "our client converts each answer to comparable values, and plain grpc.aio stops at the message"


def answer(first: int) -> bytes:
    """A liaison's view of all nodes; each endpoint lists them in another order, as real ones do."""
    made = messages.load()["banyandb.database.v1.GetClusterStateResponse"]()
    table = made.route_tables["tire2"]
    for number in range(NODES):
        name = f"data{(number + first) % NODES:03d}.example.org:17912"
        node = table.registered.add(grpc_address=name, http_address=name.replace("17912", "17913"), roles=[1, 2], labels={"type": "hot", "zone": "a"})
        node.metadata.name = name
        node.created_at.FromSeconds(1_770_000_000 + (number + first) % NODES)
        table.active.append(name)
    return bytes(made.SerializeToString())


async def serve() -> None:
    """Serve on ENDPOINTS ports, which are printed as JSON, until stdin ends."""
    servers, ports = [], []
    for number in range(ENDPOINTS):
        said = answer(number)

        async def respond(request: bytes, context: Any, said: bytes = said) -> bytes:
            return said

        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {"GetClusterState": grpc.unary_unary_rpc_method_handler(respond)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("banyandb.database.v1.ClusterStateService", handlers),))
        ports.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        servers.append(server)
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.gather(*(server.stop(None) for server in servers))


def ours(ports: list[int]) -> int:
    """The collection's client: every answer a view; gives how many nodes came."""
    terms = Terms(timeout=60, deadline=300, concurrency=CONCURRENCY)
    answers = ask_all({str(port): f"127.0.0.1:{port}" for port in ports}, [messages.method(METHOD, view_decoder())], terms)
    failed = [view for (view,) in answers.values() if isinstance(view, Failure)]
    if failed:
        raise Failed(failed[0].message)
    return sum(len(view.tables["tire2"].registered) for (view,) in answers.values())


def plain(ports: list[int]) -> int:
    """The same questions with nothing but grpc.aio, every answer a message."""
    read = messages.load()["banyandb.database.v1.GetClusterStateResponse"].FromString

    async def ask() -> list[Any]:
        free = asyncio.Semaphore(CONCURRENCY)

        async def one(port: int) -> Any:
            async with free, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await channel.unary_unary(f"/{METHOD}", response_deserializer=read)(b"", timeout=60)

        return await asyncio.gather(*(one(port) for port in ports))

    return sum(len(message.route_tables["tire2"].registered) for message in asyncio.run(ask()))


def child(way: Callable[[list[int]], int], ports: list[int]) -> None:
    """Ask once, and print seconds, processor seconds and the most memory (MB) as JSON."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    count = way(ports)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    if count != ENDPOINTS * NODES:
        raise Failed(f"{count} nodes came, expected {ENDPOINTS * NODES}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([seconds, processor, after.ru_maxrss / 1024]))


def run(rounds: int, say: Callable[[str], None]) -> Result:
    words = [sys.executable, "-m", "tests.benchmarks.ask"]
    wall, processor, memory, memory_plain = [], [], [], []
    with subprocess.Popen([*words, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=conftest.ROOT) as server:
        assert server.stdout is not None
        ports = server.stdout.readline().strip()
        for number in range(1, rounds + 1):
            found = {}
            for way in ("plain", "ours"):
                done = subprocess.run([*words, way, ports], capture_output=True, text=True, check=False, cwd=conftest.ROOT)
                if done.returncode:
                    raise Failed(done.stderr)
                found[way] = json.loads(done.stdout)
            wall.append(found["ours"][0] / found["plain"][0])
            processor.append(found["ours"][1] / found["plain"][1])
            memory.append(found["ours"][2])
            memory_plain.append(found["plain"][2])
            say(f"round {number}: plain {found['plain'][0]:.2f} s, ours {wall[-1]:.2f} x, processor {processor[-1]:.2f} x, {memory[-1]:.0f} MB")
        server.communicate()
    return Result(
        "ask",
        "500 servers of 500 nodes asked for their views",
        f"`GetClusterState` of {ENDPOINTS} endpoints from one process, {CONCURRENCY} at the same time, from the first question to the last view. "
        f"Each endpoint has {NODES} nodes in its own order. The base is plain `grpc.aio` with the same messages. The servers share the cores. "
        "Processor time is the time of the asking process.",
        [
            Row("wall time", wall, goal=1.2, reason=REASON),
            Row("processor time", processor),
            Row("most memory", memory, "MB"),
            Row("most memory of plain `grpc.aio`", memory_plain, "MB"),
        ],
    )


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        child({"ours": ours, "plain": plain}[sys.argv[1]], json.loads(sys.argv[2]))
