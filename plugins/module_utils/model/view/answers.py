# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define how endpoints are asked, and the failure that replaces a missing answer. Pure.

Both clients (gRPC on the controller, HTTP on a host) use the same terms and the same failures. So a verdict does not depend on the client.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import LONGEST_SECONDS

if TYPE_CHECKING:
    import ssl


class ErrorKind:
    """Why an answer is missing. Each kind has its own remedy. The kinds are plain strings, because they are module results."""

    REFUSED = "refused"
    """The host responds, but nothing listens on the port."""
    DISABLED = "disabled"
    """The unit of the server does not run, and systemd does not start the unit at boot: the server was removed, or was never started."""
    TIMEOUT = "timeout"
    """No answer in time: the host is unreachable, or the server hangs."""
    UNRESOLVED = "unresolved"
    """The host name has no address."""
    TLS = "tls"
    """One side speaks TLS and the other does not, or the certificate is not trusted."""
    AUTH = "auth"
    """User name or password missing or wrong."""
    UNIMPLEMENTED = "unimplemented"
    """The BanyanDB port or version does not offer the method."""
    NOT_BANYANDB = "not_banyandb"
    """Another program than BanyanDB listens on the port."""
    UNAVAILABLE = "unavailable"
    """The server or the network failed; the message says how."""
    NOT_ASKED = "not_asked"
    """The endpoint was not asked."""


# Kind of a missing answer -> the remedy.
REMEDY: Mapping[str, str] = {
    ErrorKind.REFUSED: "start the server, or correct the port",
    ErrorKind.DISABLED: "run deploy, or delete a removed host from the inventory",
    ErrorKind.TIMEOUT: "see whether the host is up and its firewall lets this port through, or give it more time",
    ErrorKind.UNRESOLVED: "correct the host name, or add it to DNS or to the hosts file of the machine that asks",
    ErrorKind.TLS: "set tls, ca_path and tls_server_name to what this port uses",
    ErrorKind.AUTH: "give a username and password that stand in the server's authentication file",
    ErrorKind.UNIMPLEMENTED: "ask a port that offers it (a liaison's gRPC 17912 offers all), or a newer server",
    ErrorKind.NOT_BANYANDB: "correct the address: data nodes and liaisons answer on gRPC 17912 and HTTP 17913",
    ErrorKind.UNAVAILABLE: "ask again, and look into the server's log",
}


class Failure(NamedTuple):
    """A missing answer.

    ``kind``: an ErrorKind. ``message``: a sentence with the place, the fault and the remedy.
    ``passing``: whether the failure may be over a moment later, so that the client asks again. Passing: gRPC's UNAVAILABLE, and the same state over
    HTTP, on a port of a BanyanDB server. Not passing: a wrong CA, or a port of another program.
    """

    kind: str
    message: str
    passing: bool = False

    @classmethod
    def at(cls, address: str, kind: str, what: str, passing: bool = False) -> Failure:
        """Return the failure of ``address``. ``what``: the fault, to which the method adds the remedy of the kind."""
        return cls(kind, f"{address}: {what}; {REMEDY[kind]}", passing)

    @property
    def fault(self) -> str:
        """The kind and the message without its remedy, for a finding that has its own remedy."""
        return f"{self.kind}: {self.message.removesuffix('; ' + REMEDY.get(self.kind, ''))}"

    @classmethod
    def late(cls, address: str, deadline: float) -> Failure:
        """Return the failure of an endpoint that was not asked within ``deadline`` seconds."""
        return cls.at(address, ErrorKind.TIMEOUT, f"not asked within the {deadline:g} s for all endpoints")

    def to_mapping(self) -> dict[str, str]:
        """Return plain data for the result of a module."""
        return {"kind": self.kind, "message": self.message}


# Name of a term, its smallest and its largest value. Times in seconds.
LIMITS = (("timeout", 0.001, LONGEST_SECONDS), ("deadline", 0.001, LONGEST_SECONDS), ("retries", 0, 1000), ("concurrency", 1, 10_000))


class TermsError(ValueError):
    """The terms are invalid; the message says what to change."""


@dataclass(frozen=True)
class Terms:
    """How endpoints are asked. Times in seconds.

    ``timeout``: limit for one call with its connection. ``deadline``: limit for all calls to all endpoints.
    ``retries``: further attempts after a passing failure. ``concurrency``: endpoints that are asked at the same time.
    ``ca``: PEM text; with ``tls`` the client trusts only this CA.
    ``tls_server_name``: name that the certificate must have; empty means the host of the address.
    ``username``: sent when not empty.
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
        """Return a context that trusts ``ca`` alone, or None without TLS. Raises TermsError."""
        if not self.tls:
            return None
        import ssl  # imported here: the import takes 5 ms, and a push without TLS does not need it

        try:
            context = ssl.create_default_context(cadata=self.ca or "-")
        except (ssl.SSLError, ValueError) as error:
            raise TermsError(f"the file of ca_path holds no usable certificate in PEM form ({error})") from None
        return context


def verified_name(host: str) -> str:
    """Return the name that a certificate must have for ``host``: certificates and SNI have no trailing dot (RFC 6066, section 3)."""
    return host[:-1] if host.endswith(".") else host


def tls_failure(error: OSError) -> str:
    """Return why TLS failed; empty for an error that is not a TLS error. Does not import ``ssl``."""
    if type(error).__module__ != "ssl":
        return ""
    distrust = getattr(error, "verify_message", "")
    if distrust:
        return f"the certificate is not trusted ({distrust})"
    return f"the port completes no TLS handshake ({getattr(error, 'reason', None) or error})"


def pause_before(attempt: int, address: str) -> float:
    """Return the seconds to wait before the further attempt number ``attempt`` (from 1).

    The pause doubles from 0.1 s to 2 s. The address shortens the pause by up to half, so that many endpoints are not asked at the same instant.
    """
    full: float = min(0.1 * 2 ** (attempt - 1), 2.0)
    return full * (1.0 - 0.5 * (zlib.crc32(address.encode()) % 1024) / 1024)
