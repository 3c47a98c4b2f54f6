# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On what terms endpoints are asked, and what stands in the place of an answer when there is none.

Both clients (gRPC on the controller, HTTP on a host) take the same terms and say why an answer is
missing in the same words, so that a verdict does not depend on the way that was asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import LONGEST_SECONDS

if TYPE_CHECKING:
    import ssl


class ErrorKind:
    """Why there is no answer; each kind has a remedy of its own. Plain strings: they are module results."""

    REFUSED = "refused"
    """The host answers, nothing listens on the port."""
    TIMEOUT = "timeout"
    """No answer in time: the host is away, cut off, or hangs."""
    UNRESOLVED = "unresolved"
    """The host name has no address."""
    TLS = "tls"
    """One side speaks TLS and the other does not, or the certificate is not trusted."""
    AUTH = "auth"
    """User name or password missing or wrong."""
    UNIMPLEMENTED = "unimplemented"
    """A BanyanDB port or version that does not offer what was asked."""
    NOT_BANYANDB = "not_banyandb"
    """Something listens and answers, but not as BanyanDB does."""
    UNAVAILABLE = "unavailable"
    """The server, or the way to it, failed otherwise; the message says how."""
    NOT_ASKED = "not_asked"
    """Nobody asked."""


# What to do about each kind of missing answer.
REMEDY: Mapping[str, str] = {
    ErrorKind.REFUSED: "start the server, or correct the port",
    ErrorKind.TIMEOUT: "see whether the host is up and its firewall lets this port through, or give it more time",
    ErrorKind.UNRESOLVED: "correct the host name, or add it to DNS or to the hosts file of the machine that asks",
    ErrorKind.TLS: "set tls, ca_path and tls_server_name to what this port uses",
    ErrorKind.AUTH: "give a username and password that stand in the server's authentication file",
    ErrorKind.UNIMPLEMENTED: "ask a port that offers it (a liaison's gRPC 17912 offers all), or a newer server",
    ErrorKind.NOT_BANYANDB: "correct the address: data nodes and liaisons answer on gRPC 17912 and HTTP 17913",
    ErrorKind.UNAVAILABLE: "ask again, and look into the server's log",
}


@dataclass(frozen=True)
class Failure:
    """A missing answer: its kind (an ErrorKind), and a sentence that says where, what and what to do.

    ``passing`` failures may be over a moment later, so the endpoint is asked again: gRPC's UNAVAILABLE on
    a port that is not foreign, and its HTTP likeness. A wrong CA or a foreign server stays what it is.
    """

    kind: str
    message: str
    passing: bool = False

    @classmethod
    def at(cls, address: str, kind: str, what: str, passing: bool = False) -> Failure:
        """The failure of ``address``; the remedy of its kind is added to ``what``."""
        return cls(kind, f"{address}: {what}; {REMEDY[kind]}", passing)

    @classmethod
    def late(cls, address: str, deadline: float) -> Failure:
        """The failure of an endpoint whose turn did not come within ``deadline`` seconds."""
        return cls.at(address, ErrorKind.TIMEOUT, f"not asked to the end, the {deadline:g} s for all endpoints were over")

    def to_mapping(self) -> dict[str, str]:
        """Plain data for a module's result."""
        return {"kind": self.kind, "message": self.message}


# Name of a term -> the least and the most that it may be. Times in seconds.
LIMITS = (("timeout", 0.001, LONGEST_SECONDS), ("deadline", 0.001, LONGEST_SECONDS), ("retries", 0, 1000), ("concurrency", 1, 10_000))


class TermsError(ValueError):
    """Terms that no endpoint can be asked on; the message says what to change."""


@dataclass(frozen=True)
class Terms:
    """How endpoints are asked. Times in seconds.

    ``timeout`` bounds one call with its connection, ``deadline`` all calls to all endpoints together.
    ``retries`` are further tries after a passing failure, ``concurrency`` the endpoints asked at a time.
    ``ca`` is PEM text; with ``tls`` a server is trusted by it alone. ``tls_server_name`` is expected in
    the certificate instead of the address's host. ``username`` is sent when it is not empty.

    Raises TermsError.
    """

    timeout: float = 5.0
    deadline: float = 60.0
    retries: int = 2
    concurrency: int = 64
    tls: bool = False
    ca: str = ""
    tls_server_name: str = ""
    username: str = ""
    password: str = ""

    def __post_init__(self) -> None:
        for name, least, most in LIMITS:
            if not least <= getattr(self, name) <= most:
                raise TermsError(f"{name} is {getattr(self, name)}: expected {least:g} to {most}")
        for name in ("username", "password"):
            if not (getattr(self, name).isascii() and getattr(self, name).isprintable()):
                raise TermsError(f"{name}: expected printable ASCII, gRPC and HTTP headers carry nothing else")
        if ":" in self.username:
            raise TermsError("username: HTTP basic authentication cannot carry a colon in it")
        self.ssl_context()

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that trusts ``ca`` alone, or None without TLS."""
        if not self.tls:
            return None
        import ssl  # not above: it takes 5 ms, which a push without TLS would pay for on every host

        try:
            context = ssl.create_default_context(cadata=self.ca or "-")
        except (ssl.SSLError, ValueError) as error:
            raise TermsError(f"the file of ca_path holds no usable certificate in PEM form ({error})") from None
        return context


def verified_name(host: str) -> str:
    """Return the name that a certificate must have for ``host``: certificates and SNI carry no trailing dot (RFC 6066, section 3)."""
    return host[:-1] if host.endswith(".") else host


def tls_failure(error: OSError) -> str:
    """Return what went wrong with TLS; empty for an error that is not one of TLS. Works without an import of ``ssl``."""
    if type(error).__module__ != "ssl":
        return ""
    distrust = getattr(error, "verify_message", "")
    if distrust:
        return f"the certificate is not trusted ({distrust})"
    return f"the port completes no TLS handshake ({getattr(error, 'reason', None) or error})"


def pause_before(attempt: int, address: str) -> float:
    """Seconds to let pass before the further try number ``attempt`` (from 1): doubling from 0.1 to 2 s,
    shortened by up to half, by the address, so that many endpoints are not asked again in one instant."""
    full: float = min(0.1 * 2 ** (attempt - 1), 2.0)
    return full * (1.0 - 0.5 * (zlib.crc32(address.encode()) % 1024) / 1024)
