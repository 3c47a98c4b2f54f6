# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes' answers about themselves, as a host reads them with the standard library: spoilt answers, and invalid frames."""

from __future__ import annotations

import random
import socket
import threading

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import gate_watch
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import NodeAnswer
from ansible_collections.skywalking.banyandb.tests.unit.peers import recorded

from .inputs import TOKENS, Fuzzer, spoilt
from .test_grpc_client import wire

SAMPLES = {method: [recorded(port)[f"/{method}"] for port in ("data", "liaison-internal")] for method in gate_watch.METHODS}


def messages(random: random.Random) -> list[bytes]:
    return [wire(random) if random.random() < 0.3 else spoilt(random, SAMPLES[method], 50_000) for method in gate_watch.METHODS]


def test_what_a_node_says_is_read_or_is_named(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for said in fuzz.inputs(messages):
            answer = gate_watch.read(Node("it", "127.0.0.1:17912"), said)
            if isinstance(answer, Failure):
                assert answer.kind in REMEDY and answer.message.startswith("127.0.0.1:17912: ")
                fuzz.came(answer.kind)
            else:
                assert isinstance(answer, NodeAnswer) and answer.identity is not None
                fuzz.came("answered")


def frames(random: random.Random) -> bytes:
    """Return frames of any kind, some cut short or with a wrong length."""
    result = b""
    for _ in range(random.randrange(6)):
        payload = random.choice((random.choice(TOKENS)[:200], random.randbytes(random.randrange(40)), b"\0\0\0\0\2\x08\1", b""))
        size = len(payload) if random.random() < 0.9 else random.choice((0, 1, 16777215, 60001))
        kind, flags = random.choice((0, 0, 0, 1, 1, 3, 4, 4, 6, 7, 9, 99)), random.choice((0, 1, 4, 5, 8, 9))
        result += size.to_bytes(3, "big") + bytes((kind, flags)) + random.choice((0, 1, 1, 1, 3, 1 << 31)).to_bytes(4, "big") + payload
    return result if random.random() < 0.9 else result[: random.randrange(len(result) + 1)]


def test_any_bytes_from_a_port_are_an_answer_or_a_typed_failure(fuzz: Fuzzer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        sent: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return  # end of the test
                with connection:
                    try:
                        connection.sendall(sent[-1])
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass
                    except OSError:
                        continue  # the client closed the connection

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with fuzz.reproducible():
            for data in fuzz.inputs(frames):
                sent.append(data)
                answer = gate_watch.ask_node(Node("it", address), 600.0, gate_watch.METHODS[:1])
                if isinstance(answer, Failure):
                    assert answer.kind in REMEDY and answer.message.startswith(f"{address}: ")
                    fuzz.came(answer.kind)
                else:
                    assert isinstance(answer, NodeAnswer)
                    fuzz.came("answered")
