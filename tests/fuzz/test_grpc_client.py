# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a gRPC port from a real server: invalid messages, and errors with any code and text."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure, Terms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.modules.node_info import QUESTIONS
from ansible_collections.skywalking.banyandb.tests.unit.peers import STATE, recorded

from .inputs import TOKENS, Fuzzer, spoilt

TERMS = Terms(timeout=600.0, deadline=3600.0, retries=0)
# Calls that share a connection.
CALLS = 200

METHODS = [method("banyandb.database.v1.ClusterStateService/GetClusterState", view_decoder())] * 4 + [
    method(path, decode) for path, decode in QUESTIONS.values()
]
SAMPLES: Mapping[str, list[bytes]] = {
    path: [answer for port in ("data", "liaison-public", "liaison-internal") for answer in [recorded(port).get(path)] if isinstance(answer, bytes)]
    for path in {made.path for made in METHODS}
}
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@dataclass(frozen=True)
class Call:
    """The question, and the answer: bytes, or the code and details of an error."""

    method: Any
    answer: bytes | tuple[grpc.StatusCode, str]


def wire(random: random.Random, depth: int = 5) -> bytes:
    """Return fields of any number and type, some with the payload of another type or cut short."""
    result = b""
    for _ in range(random.randrange(4)):
        number, kind = random.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 9, 15, 16, 2000, 536870911, 0)), random.choice((0, 1, 2, 2, 2, 2, 3, 4, 5, 6, 7))
        payload = {
            0: varint(random.choice((0, 1, 3, 200, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, 1 << 70))),
            1: random.randbytes(8),
            5: random.randbytes(4),
        }.get(kind)
        if payload is None:
            inner = wire(random, depth - 1) if depth and random.random() < 0.8 else random.choice(TOKENS)[:300]
            payload = varint(len(inner) if random.random() < 0.9 else random.choice((0, 5, 1 << 20, 1 << 35))) + inner
        result += varint(number << 3 | kind) + payload
    return result


def varint(number: int) -> bytes:
    result = b""
    while number > 127:
        result += bytes((number & 127 | 128,))
        number >>= 7
    return result + bytes((number,))


def call(random: random.Random) -> Call:
    asked = random.choice(METHODS)
    kind = random.random()
    if kind < 0.05:
        details = "".join(chr(random.choice((random.randrange(32, 127), random.randrange(0x110000 - 0x800)))) for _ in range(random.randrange(60)))
        return Call(asked, (random.choice(CODES), details.encode("utf-8", "replace").decode()))
    if kind < 0.35:
        return Call(asked, wire(random))
    if kind < 0.4:
        # Nested nodes.
        return Call(asked, nested(random.choice(SAMPLES[STATE]), random.choice((1, 50, 99, 101, 2000))))
    return Call(asked, spoilt(random, SAMPLES[asked.path], 200_000))


def nested(data: bytes, depth: int) -> bytes:
    for _ in range(depth):
        data = varint(1 << 3 | 2) + varint(len(data)) + data
    return data


class Answers(grpc.GenericRpcHandler):
    """Answers each call with the answer of the number in its request."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def respond(request: bytes, context: Any) -> bytes:
            answer = self.calls[int(request)].answer
            if isinstance(answer, tuple):
                await context.abort(*answer)
                raise AssertionError
            return answer

        return grpc.unary_unary_rpc_method_handler(respond)


async def run(fuzz: Fuzzer) -> None:
    answers = Answers()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((answers,))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        made = fuzz.inputs(call)
        while chunk := [(fuzz.number, one) for _, one in zip(range(CALLS), made, strict=False)]:
            answers.calls = [one for _, one in chunk]
            methods = [replace(one.method, request=b"%d" % index) for index, one in enumerate(answers.calls)]
            found = await ask({"node": address}, methods, TERMS)
            for (fuzz.number, fuzz.input), answer in zip(chunk, found["node"], strict=True):
                check(fuzz, address, answer)
    finally:
        await server.stop(None)


def check(fuzz: Fuzzer, address: str, answer: Any) -> None:
    assert isinstance(fuzz.input, Call)
    if isinstance(answer, Failure):
        assert answer.kind in REMEDY and answer.message.startswith(f"{address}: ") and len(answer.message) < 4000
        fuzz.came(answer.kind)
    else:
        assert isinstance(fuzz.input.answer, bytes)
        assert isinstance(answer, View if fuzz.input.method.path == STATE else (dict, int, str))
        fuzz.came("answered")


def test_an_answer_is_read_or_says_why_it_is_not(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        asyncio.run(run(fuzz))
