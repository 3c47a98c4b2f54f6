# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks many servers over gRPC at once, from one event loop.

Only for processes that Ansible does not fork from: a module, which runs in a process of its own. gRPC's
threads and locks do not survive a fork, so never call this from an action plugin, a lookup, an
inventory or a filter, which live in the process that forks the workers.

Importing this module never fails: without grpcio, ``GRPC_IMPORT_ERROR`` holds the traceback.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.diagnosis import diagnose
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import Method
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import (
    ErrorKind,
    Failure,
    Terms,
    pause_before,
)

GRPC_IMPORT_ERROR: str | None = None
try:
    # gRPC's core writes failed handshakes to stderr, where a module's caller takes them for a crash.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc
    import grpc.aio
except ImportError:
    GRPC_IMPORT_ERROR = traceback.format_exc()

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # The resolver's TXT question for each host name hangs where a nameserver drops packets (contract, section 1).
    ("grpc.service_config_disable_resolution", 1),
    # Nodes of a cluster are asked directly, whatever proxy the environment names.
    ("grpc.enable_http_proxy", 0),
    # A further try connects anew, instead of waiting out the back-off of the connection that failed.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that vanishes during a long call is noticed. Go servers cut off who pings more often than every
    # 5 minutes, at the third such ping: two are all that is sent between answers.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 2),
    # 60 bytes to 1 KiB a node: room for clusters far beyond those this collection is meant for.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)

# What a look at a port that was UNAVAILABLE may take: gRPC has just been there, so it answers at once or not at all.
LOOK_SECONDS = 1.0

Answers = tuple[Any, ...]


def ask_all(endpoints: Mapping[str, str], methods: Sequence[Method], terms: Terms) -> dict[str, Answers]:
    """Call every one of ``methods`` on every endpoint.

    ``endpoints``: name -> ``host:port``. Gives, for each name in the same order, one item for each method:
    what its ``decode`` made of the answer, or a Failure. Ends within a moment of ``terms.deadline`` seconds.
    """
    return asyncio.run(ask(endpoints, methods, terms))


async def ask(endpoints: Mapping[str, str], methods: Sequence[Method], terms: Terms) -> dict[str, Answers]:
    """As ask_all(), in a loop that runs already."""
    asker = _Asker(methods, terms)
    answers: dict[str, Answers] = dict.fromkeys(endpoints, ())
    waiting = iter(endpoints.items())

    async def work() -> None:
        for name, address in waiting:
            answers[name] = await asker.endpoint(address)

    await asyncio.gather(*(work() for _worker in range(min(terms.concurrency, len(endpoints)))))
    return answers


class _Asker:
    """One round of questions: what is common to all its endpoints."""

    def __init__(self, methods: Sequence[Method], terms: Terms) -> None:
        self.methods = methods
        self.terms = terms
        self.ends = asyncio.get_running_loop().time() + terms.deadline
        self.ssl_context = terms.ssl_context()
        if self.ssl_context is not None:
            self.ssl_context.set_alpn_protocols(["h2"])
        self.credentials = grpc.ssl_channel_credentials(terms.ca.encode()) if terms.tls else None
        self.options = CHANNEL_OPTIONS
        if terms.tls and terms.tls_server_name:
            self.options += (("grpc.ssl_target_name_override", terms.tls_server_name),)
        self.metadata = (("username", terms.username), ("password", terms.password)) if terms.username else None

    async def endpoint(self, address: str) -> Answers:
        """One item for each method; those that failed in passing are asked again, on a new connection."""
        answers = await self._try(address, self.methods)
        for attempt in range(1, self.terms.retries + 1):
            again = [at for at, answer in enumerate(answers) if isinstance(answer, Failure) and answer.passing]
            pause = pause_before(attempt, address)
            if not again or pause >= self._until_deadline():
                break
            await asyncio.sleep(pause)
            for at, answer in zip(again, await self._try(address, [self.methods[at] for at in again]), strict=True):
                answers[at] = answer
        return tuple(answers)

    def _until_deadline(self) -> float:
        return self.ends - asyncio.get_running_loop().time()

    async def _try(self, address: str, methods: Sequence[Method]) -> list[Any]:
        within = min(self.terms.timeout, self._until_deadline())
        if within <= 0:
            return [Failure.late(address, self.terms.deadline)] * len(methods)
        async with self._channel(address) as channel:
            answers = await asyncio.gather(*(self._call(channel, method, address, within) for method in methods))
        broken = [answer for answer in answers if isinstance(answer, _Unavailable)]
        if broken:
            # All methods share the connection, so one look at the port explains them all.
            within = max(0.1, min(LOOK_SECONDS, self._until_deadline()))
            why = await diagnose(address, self.ssl_context, self.terms.tls_server_name, within, broken[0].details)
            answers = [why if isinstance(answer, _Unavailable) else answer for answer in answers]
        return answers

    def _channel(self, address: str) -> Any:
        # The scheme in front, or a host that is called "unix" or "dns" would be taken for one.
        target = f"dns:///{address}"
        if self.credentials is None:
            return grpc.aio.insecure_channel(target, options=self.options)
        return grpc.aio.secure_channel(target, self.credentials, options=self.options)

    async def _call(self, channel: Any, method: Method, address: str, within: float) -> Any:
        try:
            data = await channel.unary_unary(method.path)(method.request, timeout=within, metadata=self.metadata)
            return method.decode(data)
        except grpc.aio.AioRpcError as error:
            return _failure(address, method, error, within)
        except ValueError as error:
            return Failure.at(address, ErrorKind.NOT_BANYANDB, f"the answer to {method.path} is {error}")


class _Unavailable:
    """gRPC's UNAVAILABLE: no connection, or a server's own word; which of them needs a look at the port."""

    def __init__(self, details: str) -> None:
        self.details = details


def _failure(address: str, method: Method, error: Any, within: float) -> Failure | _Unavailable:
    code, details = error.code(), error.details() or "no details"
    if code is grpc.StatusCode.UNAVAILABLE:
        return _Unavailable(details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure.at(address, ErrorKind.TIMEOUT, f"no answer to {method.path} within {within:.3g} s")
    if "http2 header" in details or "content-type" in details:
        # What gRPC's core says of an HTTP/2 answer that is not one of gRPC, under the code of its HTTP status.
        return Failure.at(address, ErrorKind.NOT_BANYANDB, f"answers HTTP/2, but not as gRPC does ({details})")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return Failure.at(address, ErrorKind.AUTH, f"{code.name}: {details}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure.at(address, ErrorKind.UNIMPLEMENTED, f"no method {method.path} here ({details})")
    return Failure.at(address, ErrorKind.UNAVAILABLE, f"{method.path} failed with {code.name}: {details}")
