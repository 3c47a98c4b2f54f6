# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS proxy (UDP and TCP) before an authoritative server. It forwards answers until a test sets a lie."""

from __future__ import annotations

import asyncio
import enum
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from .knot import free_port


class Lie(enum.Enum):
    """A lie: what the proxy sends instead of the true answer."""

    DROP = "no answer"
    DELAY = "the true answer, 5 ms late"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    TRUNCATE = "an empty answer with the TC bit; by TCP the connection is closed without an answer"
    HALF = "every second record of the answer"
    OTHER_HALF = "the other records of the answer"
    NXDOMAIN = "NXDOMAIN"
    NO_DATA = "NOERROR without records"
    WRONG_ID = "the true answer with another message id"
    DOT = "one SRV record with the target ."
    GARBAGE = "bytes that are not a DNS message"
    NOTIMP = "NOTIMP"
    NO_EDNS = "FORMERR to a question with EDNS"
    DROP_EDNS = "no answer to a question with EDNS"
    NO_ADDITIONAL = "the true answer without the additional section"
    CUT = "by UDP the first 12 records of the answer, without the TC bit"
    NO_TCP = "the same as CUT, and by TCP the connection is closed without an answer"


class LyingProxy:
    """Serve on ``address``:``port`` in a separate thread. ``asked`` has the questions: (name, type, "udp" or "tcp").

    ``lie`` is a Lie, None for the true answer, or a function (name, type) -> Lie or None. A test may set it at any time.
    """

    def __init__(self, upstream: tuple[str, int], address: str = "127.0.0.1", port: int = 0) -> None:
        self.upstream = upstream
        self.address = address
        self.port = port or free_port(address)
        self.lie: Lie | Callable[[str, str], Lie | None] | None = None
        self.asked: list[tuple[str, str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LyingProxy:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._transport.close()
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> None:
        self._transport, _protocol = await self._loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(self.address, self.port))
        self._server = await asyncio.start_server(self._tcp, self.address, self.port)

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await self.answer(await reader.readexactly(length), "tcp")
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, wire: bytes, way: str) -> bytes | None:
        """Return the answer to a question, or None for silence (UDP) or a closed connection (TCP)."""
        question = dns.message.from_wire(wire)
        name, kind = question.question[0].name.to_text(), dns.rdatatype.to_text(question.question[0].rdtype)
        self.asked.append((name, kind, way))
        lie = self.lie(name, kind) if callable(self.lie) else self.lie
        if lie is Lie.NO_TCP and way == "tcp":
            return None
        if lie is Lie.DROP or (lie is Lie.DROP_EDNS and question.edns >= 0):
            # A TCP connection stays open, as if packets were dropped.
            await asyncio.Event().wait()
        if lie is Lie.GARBAGE:
            return b"\xff" * 40
        answer = dns.message.make_response(question)
        if lie is Lie.NO_EDNS and question.edns >= 0:
            # Like a server that stops at the record it does not know: send only a header.
            return wire[:2] + b"\x80\x01" + bytes(8)
        if lie in (Lie.SERVFAIL, Lie.REFUSED, Lie.NXDOMAIN, Lie.NOTIMP):
            answer.set_rcode(dns.rcode.from_text(lie.name))
        elif lie is Lie.TRUNCATE:
            answer.flags |= dns.flags.TC
            return answer.to_wire() if way == "udp" else None
        elif lie is Lie.DOT and kind == "SRV":
            answer.answer.append(dns.rrset.from_text(name, 30, dns.rdataclass.IN, "SRV", "0 0 0 ."))
        elif lie is not Lie.NO_DATA:
            return await self._truth(wire, way, lie)
        return answer.to_wire()

    async def _truth(self, wire: bytes, way: str, lie: Lie | None) -> bytes:
        if lie is Lie.DELAY:
            await asyncio.sleep(0.005)
        truth = await self._upstream(wire, "tcp" if lie in (Lie.CUT, Lie.NO_TCP) else way)
        if lie is Lie.WRONG_ID:
            return bytes([truth[0] ^ 0xFF]) + truth[1:]
        if lie is Lie.NO_ADDITIONAL:
            message = dns.message.from_wire(truth)
            message.additional = []
            return message.to_wire()
        if lie in (Lie.CUT, Lie.NO_TCP) and way == "udp":
            message = dns.message.from_wire(truth)
            message.additional = []
            for rrset in message.answer:
                for rdata in list(rrset)[12:]:
                    rrset.remove(rdata)
            return message.to_wire()
        if lie in (Lie.HALF, Lie.OTHER_HALF):
            message = dns.message.from_wire(truth)
            for rrset in message.answer:
                for rdata in sorted(rrset)[lie is Lie.HALF :: 2]:
                    rrset.remove(rdata)
            return message.to_wire()
        return truth

    async def _upstream(self, wire: bytes, way: str) -> bytes:
        if way == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
                plain.setblocking(False)
                plain.connect(self.upstream)
                await self._loop.sock_sendall(plain, wire)
                return await self._loop.sock_recv(plain, 65535)
        reader, writer = await asyncio.open_connection(*self.upstream)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        writer.close()
        return answer


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, proxy: LyingProxy) -> None:
        self.proxy = proxy
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self.proxy.answer(data, "udp")
        if answer is not None:
            self.transport.sendto(answer, addr)
