# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out why a gRPC call was UNAVAILABLE, with a connection to the port itself.

gRPC has one code for a closed port, a wrong certificate, a web server and a server that shuts down. Each version of grpcio has another text for the
error. So this module sends the first bytes of HTTP/2 (RFC 9113, section 3.4) to the port and judges the response. Needs only the standard
library.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.address_order import ATTEMPT_DELAY, interleaved
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, tls_failure, verified_name

# The client's preface and an empty SETTINGS frame. The first frame of a server is also SETTINGS, on stream 0.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
FRAME_HEADER = 9
SETTINGS = 4

AWAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)

CLOSED = "closes the connection without a word"


async def diagnose(address: str, context: ssl.SSLContext | None, server_name: str, within: float, details: str) -> Failure:
    """Return the failure of ``address`` (host:port), found with at most two connections of ``within`` seconds each.

    ``context``: None without TLS. ``server_name``: name that the certificate must have; empty means the host of the address.
    ``details``: text of gRPC, used when the port itself is in order.
    """
    try:
        kind, what = await asyncio.wait_for(_look(address, context, server_name), within)
    except TimeoutError:
        kind, what = ErrorKind.TIMEOUT, f"no answer within {within:.3g} s ({details})"
    # A TLS port answers plain bytes with a close, an alert or an HTTP/1 error. None of them looks like BanyanDB.
    if context is None and (kind == ErrorKind.NOT_BANYANDB or what == CLOSED) and await _speaks_tls(address, within):
        kind, what = ErrorKind.TLS, "the port speaks TLS and was asked without"
    return Failure.at(address, kind, what or details, passing=kind in (ErrorKind.REFUSED, ErrorKind.UNAVAILABLE))


async def _look(address: str, context: ssl.SSLContext | None, server_name: str) -> tuple[str, str]:
    try:
        reader, writer = await _connect(address, context, server_name)
    except socket.gaierror as error:
        return ErrorKind.UNRESOLVED, f"the host name has no address ({error.strerror})"
    except ConnectionRefusedError:
        return ErrorKind.REFUSED, "connection refused, nothing listens there"
    except OSError as error:
        if tls_failure(error):
            return ErrorKind.TLS, tls_failure(error)
        if context is not None and isinstance(error, ConnectionError):
            return ErrorKind.TLS, f"the port completes no TLS handshake ({error})"
        return ErrorKind.TIMEOUT if error.errno in AWAY else ErrorKind.UNAVAILABLE, f"no connection ({error})"
    try:
        writer.write(PREFACE)
        start = await reader.readexactly(FRAME_HEADER)
    except asyncio.IncompleteReadError as error:
        start = error.partial
    except ssl.SSLError as error:
        return ErrorKind.TLS, f"the port ends the TLS connection ({error})"
    except OSError:
        start = b""
    finally:
        writer.transport.abort()
    if not start:
        return ErrorKind.UNAVAILABLE, CLOSED
    if len(start) == FRAME_HEADER and start[3] == SETTINGS and not any(start[5:]):
        return ErrorKind.UNAVAILABLE, ""
    return ErrorKind.NOT_BANYANDB, f"speaks no HTTP/2, its first bytes are {start!r}"


async def _speaks_tls(address: str, within: float) -> bool:
    """Return whether the port completes a TLS handshake. The client sends nothing afterwards, so it does not check the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _reader, writer = await asyncio.wait_for(_connect(address, context, ""), within)
    except (TimeoutError, OSError):
        return False
    writer.transport.abort()
    return True


async def _connect(address: str, context: ssl.SSLContext | None, server_name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the first address of the host that responds (RFC 8305), inside TLS when there is a ``context``.

    Raises the most informative OSError. asyncio.open_connection() combines several failures into an OSError without a number.
    """
    host, port = split_address(address)
    loop = asyncio.get_running_loop()
    waiting = interleaved(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    failures: list[OSError] = []
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(_attempt(waiting.pop(0))))
            done, attempts = await asyncio.wait(attempts, timeout=ATTEMPT_DELAY if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                try:
                    sock = attempt.result()
                except OSError as error:
                    failures.append(error)
                    continue
                name = (server_name or verified_name(host)) if context else None
                return await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
    finally:
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
    raise next((error for error in failures if isinstance(error, ConnectionRefusedError)), failures[0])


async def _attempt(answer: tuple[Any, ...]) -> socket.socket:
    """Return a socket that is connected to one answer of getaddrinfo(). Raises OSError."""
    family, kind, protocol, _name, where = answer
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock
