# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many servers over gRPC at once, from one event loop.

Use this only in a process that Ansible does not fork, such as a module. gRPC's threads and locks do not survive a fork. So an action plugin, a
lookup, an inventory or a filter must not call this: they run in the process that forks the workers.

An import of this module never fails: without grpcio, ``GRPC_IMPORT_ERROR`` has the traceback.
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
    # gRPC's core writes failed handshakes to stderr, and Ansible takes this output for a crash of the module.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc
    import grpc.aio
except ImportError:
    GRPC_IMPORT_ERROR = traceback.format_exc()

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    # gRPC's TXT question for each host name hangs when a nameserver drops packets (contract, section 1).
    ("grpc.service_config_disable_resolution", 1),
    # Ask the nodes of a cluster directly, without the proxies of the environment.
    ("grpc.enable_http_proxy", 0),
    # A further try opens a new connection. It does not wait for the back-off of the failed connection.
    ("grpc.use_local_subchannel_pool", 1),
    # Pings find a peer that vanishes during a long call. A Go server closes the connection at the third ping within 5 minutes, so the client sends
    # at most two pings between answers.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 2),
    # A node takes 60 bytes to 1 KiB, so this is enough for clusters far larger than this collection is made for.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)

# Seconds for diagnose(). gRPC has just used the port, so the port responds at once or not at all.
LOOK_SECONDS = 1.0

Answers = tuple[Any, ...]


def ask_all(endpoints: Mapping[str, str], methods: Sequence[Method], terms: Terms) -> dict[str, Answers]:
    """Call each of ``methods`` on every endpoint. Takes little more than ``terms.deadline`` seconds.

    Return for each name, in the same order, one item for each method: the result of its ``decode``, or a Failure.

    ``endpoints``: name -> ``host:port``.
    """
    return asyncio.run(ask(endpoints, methods, terms))


async def ask(endpoints: Mapping[str, str], methods: Sequence[Method], terms: Terms) -> dict[str, Answers]:
    """Return the same as ask_all(), from a running event loop."""
    asker = _Asker(methods, terms)
    answers: dict[str, Answers] = dict.fromkeys(endpoints, ())
    waiting = iter(endpoints.items())

    async def work() -> None:
        for name, address in waiting:
            answers[name] = await asker.endpoint(address)

    await asyncio.gather(*(work() for _worker in range(min(terms.concurrency, len(endpoints)))))
    return answers


class _Asker:
    """One round of questions: the settings of all its endpoints."""

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
        """Return one item for each method. Methods with a passing failure are asked again on a new connection."""
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
            # All methods share the connection, so one diagnosis of the port explains all failures.
            within = max(0.1, min(LOOK_SECONDS, self._until_deadline()))
            why = await diagnose(address, self.ssl_context, self.terms.tls_server_name, within, broken[0].details)
            answers = [why if isinstance(answer, _Unavailable) else answer for answer in answers]
        return answers

    def _channel(self, address: str) -> Any:
        # Without this scheme gRPC would read the host names "unix" and "dns" as a scheme.
        target = f"dns:///{address}"
        if self.credentials is None:
            return grpc.aio.insecure_channel(target, options=self.options)
        return grpc.aio.secure_channel(target, self.credentials, options=self.options)

    async def _call(self, channel: Any, method: Method, address: str, within: float) -> Any:
        try:
            data = await channel.unary_unary(method.path)(method.request, timeout=within, metadata=self.metadata)
            if data is None:  # the call ended with OK
                return Failure.at(address, ErrorKind.NOT_BANYANDB, f"the answer to {method.path} has no message")
            return method.decode(data)
        except grpc.aio.AioRpcError as error:
            return _failure(address, method, error, within)
        except ValueError as error:
            return Failure.at(address, ErrorKind.NOT_BANYANDB, f"the answer to {method.path} is {error}")


class _Unavailable:
    """gRPC's UNAVAILABLE: no connection, or an answer of a server. Only diagnose() can distinguish them."""

    def __init__(self, details: str) -> None:
        self.details = details


def _failure(address: str, method: Method, error: Any, within: float) -> Failure | _Unavailable:
    code, details = error.code(), error.details() or "no details"
    if code is grpc.StatusCode.UNAVAILABLE:
        return _Unavailable(details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure.at(address, ErrorKind.TIMEOUT, f"no answer to {method.path} within {within:.3g} s")
    if "http2 header" in details or "content-type" in details:
        # Text of gRPC's core for an HTTP/2 answer that is not gRPC. The code comes from the HTTP status.
        return Failure.at(address, ErrorKind.NOT_BANYANDB, f"answers HTTP/2, but not as gRPC does ({details})")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return Failure.at(address, ErrorKind.AUTH, f"{code.name}: {details}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure.at(address, ErrorKind.UNIMPLEMENTED, f"no method {method.path} here ({details})")
    return Failure.at(address, ErrorKind.UNAVAILABLE, f"{method.path} failed with {code.name}: {details}")
