# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries servers over HTTP for cluster state, health and metrics. Standard library only, Python 3.9+.

This file connects directly to the servers. It ignores proxy variables and follows no redirections.

A query is one HTTP/1.0 GET. An answer to HTTP/1.0 is never chunked and ends with its connection (RFC 9112, section 6.1). This file does not use
``http.client``, because a host imports this file at each push. Measured, best of 15 new processes of Python 3.11: the import of ``http.client`` takes
11 ms of processor time, of which ``ssl`` takes 6 ms. This was a third of the processor time of the module ``topology`` beyond ``ping``
(docs/figures.md). This file imports ``ssl`` only for servers with TLS.
"""

from __future__ import annotations

import base64
import errno
import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.happy_eyeballs import connect
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import read_ca
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import (
    ErrorKind,
    Failure,
    Terms,
    TermsError,
    pause_before,
    tls_failure,
    verified_name,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View

Answer = TypeVar("Answer")

STATE_PATH = "/api/v1/cluster/state"
HEALTH_PATH = "/api/healthz"
METRICS_PATH = "/metrics"

# A view has about 500 bytes of JSON for each node, so this is enough for any cluster of this collection.
MAX_BYTES = 64 * 1024 * 1024
# Limit for the status line and the headers. A server sends about 300 bytes.
MAX_HEAD_BYTES = 64 * 1024
PIECE = 64 * 1024

# First bytes of an HTTP/1 answer. A gRPC server starts with a SETTINGS frame.
HTTP1 = b"HTTP/1."
STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?: [^\r\n]*)?\r?\n")
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
HEADER = re.compile(rb"(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
FRAME_HEADER = 9
SETTINGS = 4

AWAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)


def state(address: str, terms: Terms) -> View | Failure:
    """Return the cluster view of a server, or a failure. ``address``: ``host:port`` of the HTTP port."""
    return _asked(address, STATE_PATH, terms, _view)


def health(address: str, terms: Terms) -> str | Failure:
    """Return the health of a server, or a failure. A healthy server reports ``SERVING``. Releases answer with the word or in JSON."""
    return _asked(address, HEALTH_PATH, terms, _health)


def write_streams(address: str, terms: Terms) -> WriteStreams | Failure:
    """Return the counts of client writes from a liaison's metrics, or a failure. ``address``: ``host:port`` of the metrics (port 2121 by default)."""
    return _asked(address, METRICS_PATH, terms, _write_streams)


def states(endpoints: Mapping[str, str], terms: Terms) -> dict[str, View | Failure]:
    """Return name -> view or failure, in the order of ``endpoints``, within ``terms.deadline`` seconds. ``endpoints``: name -> ``host:port``."""
    ends = time.monotonic() + terms.deadline
    found = side_by_side(
        lambda address: _asked(address, STATE_PATH, terms, _view, ends),
        set(endpoints.values()),
        terms.concurrency,
        terms.deadline,
    )
    return {name: found.get(address) or Failure.late(address, terms.deadline) for name, address in endpoints.items()}


class HttpClient:
    """A client for repeated queries to one server.

    ``url``: ``http://host:port`` or ``https://host:port``; https needs ``ca_path``. ``timeout``: seconds for each query. ``retries``: number of
    retries after a passing failure. ``tls_server_name``: name that the certificate must have; empty means the host of the URL. Raises TermsError.
    """

    def __init__(
        self,
        url: str,
        ca_path: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 5.0,
        retries: int = 0,
        tls_server_name: str = "",
    ) -> None:
        scheme, _sep, self.address = url.rstrip("/").partition("://")
        if scheme not in ("http", "https"):
            raise TermsError(f"url {shown(url)}: expected http://host:port or https://host:port")
        try:
            split_address(self.address, f"url {url!r}:")
        except TopologyError as error:
            raise TermsError(str(error)) from None
        tls = scheme == "https"
        if tls and not ca_path:
            raise TermsError(f"url {shown(url)}: https needs ca_path. Set ca_path to the CA that signed the server's certificate.")
        ca = read_ca(ca_path) if tls and ca_path else ""
        self.terms = Terms(
            timeout, retries=retries, tls=tls, ca=ca, tls_server_name=tls_server_name if tls else "", username=username or "", password=password or ""
        )

    def cluster_state(self) -> View | Failure:
        return state(self.address, self.terms)

    def health(self) -> str | Failure:
        return health(self.address, self.terms)

    def write_streams(self) -> WriteStreams | Failure:
        return write_streams(self.address, self.terms)

    def ask(self, path: str, decode: Callable[[bytes], Answer]) -> Answer | Failure:
        """Query ``path`` and return the decoded answer, or a failure. ``decode`` raises ValueError for an unexpected answer."""
        return _asked(self.address, path, self.terms, decode)


class _Failed(Exception):
    """One attempt failed. ``passing``: as in Failure."""

    def __init__(self, kind: str, what: str, passing: bool = False) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.passing = passing


def _asked(address: str, path: str, terms: Terms, decode: Callable[[bytes], Answer], ends: float = float("inf")) -> Answer | Failure:
    """Query, and retry after a passing failure up to ``terms.retries`` times. ``ends``: deadline in seconds of the monotonic clock."""
    attempt = 0
    while time.monotonic() < ends:
        try:
            try:
                return decode(_get(address, path, terms, min(ends, time.monotonic() + terms.timeout)))
            except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or JSON of something else
                raise _Failed(ErrorKind.NOT_BANYANDB, f"{path} answers with something else ({error})") from None
        except _Failed as failed:
            attempt += 1
            pause = pause_before(attempt, address)
            if not failed.passing or attempt > terms.retries or time.monotonic() + pause >= ends:
                return Failure.at(address, failed.kind, failed.what, failed.passing)
            time.sleep(pause)
    return Failure.late(address, terms.deadline)


def _get(address: str, path: str, terms: Terms, ends: float) -> bytes:
    """Return the complete body of one answer, read before ``ends`` (seconds of the monotonic clock). Raises _Failed."""
    try:
        with _connect(address, terms, ends) as connection:
            return _exchange(connection, address, path, terms, ends)
    except _Failed:
        raise
    except socket.gaierror as error:
        raise _Failed(ErrorKind.UNRESOLVED, f"the host name has no address ({error.strerror})") from None
    except ConnectionRefusedError:
        raise _Failed(ErrorKind.REFUSED, "connection refused, nothing listens there", passing=True) from None
    except socket.timeout:
        raise _Failed(ErrorKind.TIMEOUT, f"{path} gave no whole answer within {terms.timeout:g} s") from None
    except OSError as error:
        if tls_failure(error):
            raise _Failed(ErrorKind.TLS, tls_failure(error)) from None
        if error.errno in AWAY:
            raise _Failed(ErrorKind.TIMEOUT, f"no way to the host ({error})") from None
        raise _Failed(ErrorKind.UNAVAILABLE, f"connection lost ({error})", passing=True) from None


def _connect(address: str, terms: Terms, ends: float) -> socket.socket:
    host, port = split_address(address)
    plain = connect(host, port, ends)
    context = terms.ssl_context()
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=terms.tls_server_name or verified_name(host))
    except BaseException:
        plain.close()
        raise


def _exchange(connection: socket.socket, address: str, path: str, terms: Terms, ends: float) -> bytes:
    lines = [f"GET {path} HTTP/1.0", f"Host: {address}", "Accept: application/json"]
    if terms.username:
        credentials = base64.b64encode(f"{terms.username}:{terms.password}".encode()).decode()
        lines.append(f"Authorization: Basic {credentials}")
    answer = _Answer(connection, path, ends)
    try:
        connection.settimeout(_left(ends))
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer.read_to(FRAME_HEADER)
    except ConnectionError:
        answer.read = bytearray()
    start = bytes(answer.read[:FRAME_HEADER])
    if not start or not start.startswith(HTTP1[: len(start)]):
        connection.close()
        raise _foreign(start, address, terms, ends)
    status = answer.head()
    body = answer.body()
    if status != 200:
        connection.close()
        raise _refusal(status, body, address, path, terms, ends)
    return body


class _Answer:
    """An answer of a server, with a limit for its time and its size. ``ends``: deadline in seconds of the monotonic clock.

    Raises _Failed if the answer is not HTTP/1, and OSError.
    """

    def __init__(self, connection: socket.socket, path: str, ends: float) -> None:
        self.connection = connection
        self.path = path
        self.ends = ends
        self.read = bytearray()
        self.ended = False
        self._length: int | None = None

    def read_to(self, size: int) -> None:
        """Read until ``read`` has ``size`` bytes, or the server closes the connection."""
        while not self.ended and len(self.read) < size:
            self.connection.settimeout(_left(self.ends))
            piece = self.connection.recv(PIECE)
            self.read += piece
            self.ended = not piece

    def head(self) -> int:
        """Read the head and return the status. ``read`` keeps the first bytes of the body."""
        while True:
            start = bytes(self.read[:MAX_HEAD_BYTES])
            blank = BLANK_LINE.search(start)
            if blank or self.ended or len(self.read) > MAX_HEAD_BYTES:
                break
            self.read_to(len(self.read) + 1)
        status = STATUS_LINE.match(start)
        if not status:
            raise self._broken(f"the status line {start[:200].splitlines()[0]!r}")
        if not blank and not self.ended:
            raise self._broken(f"a head of more than {MAX_HEAD_BYTES} bytes")
        if not blank:
            raise _Failed(ErrorKind.UNAVAILABLE, f"{self.path}: the connection was lost within the headers", passing=True)
        for line in start[status.end() : blank.start()].splitlines():
            header = HEADER.fullmatch(line)
            if header and header[1].lower() == b"transfer-encoding":
                raise self._broken("a transfer encoding, which HTTP/1.0 does not have")
            if header:
                self._length = self._read_length(header[2].strip())
        del self.read[: blank.end()]
        return int(status[1])

    def body(self) -> bytes:
        """Return the body."""
        self.read_to(MAX_BYTES + 1 if self._length is None else self._length)
        if len(self.read) > MAX_BYTES:
            raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.path} answers with more than {MAX_BYTES} bytes")
        missing = (self._length or 0) - len(self.read)
        if missing > 0:
            what = f"{self.path}: the connection was lost with {missing} bytes to come"
            raise _Failed(ErrorKind.UNAVAILABLE, what, passing=True)
        return bytes(self.read if self._length is None else self.read[: self._length])

    def _read_length(self, text: bytes) -> int:
        if not re.fullmatch(rb"[0-9]{1,18}", text):
            raise self._broken(f"the Content-Length {cut(repr(text))}")
        length = int(text)
        if length > MAX_BYTES:
            raise _Failed(ErrorKind.NOT_BANYANDB, f"{self.path} answers with more than {MAX_BYTES} bytes")
        return length

    def _broken(self, what: str) -> _Failed:
        return _Failed(ErrorKind.NOT_BANYANDB, f"{self.path} answers with broken HTTP ({what})")


def _foreign(start: bytes, address: str, terms: Terms, ends: float) -> _Failed:
    """Return the failure for an answer that is not HTTP/1. ``start``: first bytes of the answer."""
    if not terms.tls and _speaks_tls(address, ends):
        return _Failed(ErrorKind.TLS, "the port speaks TLS and was asked without")
    if not start:
        return _Failed(ErrorKind.UNAVAILABLE, "closes the connection without a word", passing=True)
    if len(start) >= FRAME_HEADER and start[3] == SETTINGS and not any(start[5:FRAME_HEADER]):
        return _Failed(ErrorKind.NOT_BANYANDB, "this is a gRPC port, the HTTP port is another (17913 by default)")
    return _Failed(ErrorKind.NOT_BANYANDB, f"speaks no HTTP, its first bytes are {start[:FRAME_HEADER]!r}")


def _refusal(status: int, body: bytes, address: str, path: str, terms: Terms, ends: float) -> _Failed:
    """Return the failure for an HTTP status other than 200."""
    said = f"{path} answers with HTTP status {status}"
    if status in (401, 403):
        return _Failed(ErrorKind.AUTH, said)
    if status == 501 or (status == 404 and _is_gateway(body)):
        return _Failed(ErrorKind.UNIMPLEMENTED, said)
    if status >= 500:
        # A data node with TLS always answers 503, because its gateway queries its own TLS port without TLS (contract, section 7).
        what = f"{said} (with TLS, ask its gRPC port)" if status == 503 else said
        return _Failed(ErrorKind.UNAVAILABLE, what, passing=status == 503)
    if status == 400 and not terms.tls and _speaks_tls(address, ends):
        return _Failed(ErrorKind.TLS, "the port speaks TLS and was asked without")
    return _Failed(ErrorKind.NOT_BANYANDB, said)


def _is_gateway(body: bytes) -> bool:
    """Return whether an error comes from a gRPC gateway. Such a server lacks only the method."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and {"code", "message"} <= said.keys()


def _view(body: bytes) -> View:
    return View.from_mapping(json.loads(body))


def _write_streams(body: bytes) -> WriteStreams:
    return WriteStreams.from_text(body.decode())


def _health(body: bytes) -> str:
    text = body.decode().strip()
    said = json.loads(text).get("status") if text.startswith("{") else text
    if not isinstance(said, str) or said not in ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"):
        raise ValueError(f"no health status: {text[:80]!r}")
    return said


def _speaks_tls(address: str, ends: float) -> bool:
    # Imported only here: few failures need it.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.tls_probe import speaks_tls

    return speaks_tls(address, ends)


def _left(ends: float) -> float:
    """Return the seconds until ``ends`` for a socket's time-out. Raises socket.timeout after ``ends``."""
    left = ends - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left
