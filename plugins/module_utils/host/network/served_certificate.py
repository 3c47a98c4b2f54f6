# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the certificate that a port of this host serves now. Standard library only, Python 3.9+.

Nothing is verified: the certificate may be expired, or signed by any CA. Nothing is sent after the handshake.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.happy_eyeballs import connect
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import left
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_der import BadDer, serial_and_end
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address

# Pause between two handshakes. A server loads a new certificate 2.0 s to 2.5 s after the rename (section 7 of the contract).
POLL_SECONDS = 0.1


class Failure(str, Enum):
    """Why a port serves no certificate. NO_TLS: it accepts the connection and completes no handshake."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    NO_TLS = "no_tls"
    UNREACHABLE = "unreachable"
    DAMAGED = "damaged"


class NotServed(Exception):
    """The port serves no certificate. ``failure``: why."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Served(NamedTuple):
    """A certificate. ``sha256``: of its DER form, in hexadecimal. ``serial``: in hexadecimal, without leading zeros. ``not_after``: in UTC, as
    ``2027-01-31T12:00:00Z``. ``pem``: the certificate itself, which is public.
    """

    sha256: str
    serial: str
    not_after: str
    pem: str


def served_certificate(address: str, server_name: str = "localhost", timeout: float = 5.0) -> Served:
    """Return the certificate that the server at ``address`` serves now for ``server_name`` (SNI). ``timeout``: in seconds. Raises NotServed."""
    import ssl  # imported only here: the import takes 5 ms on every host

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # The default level refuses small keys before anybody can read the certificate.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    # gRPC servers refuse a handshake without h2 (RFC 9113, section 3.3).
    context.set_alpn_protocols(["h2", "http/1.1"])
    deadline = time.monotonic() + timeout
    try:
        host, port = split_address(address)
        with connect(host, port, deadline) as plain:
            plain.settimeout(left(deadline))
            with context.wrap_socket(plain, server_hostname=server_name) as wrapped:
                der = wrapped.getpeercert(binary_form=True) or b""
    except ConnectionRefusedError:
        raise NotServed(Failure.REFUSED, f"{address}: refuses connections. Start the server, or correct the port.") from None
    except ssl.SSLError as error:
        why = f"completes no TLS handshake ({error.reason or 'closed'})"
        raise NotServed(Failure.NO_TLS, f"{address}: {why}. Set banyandb_tls: true and restart the server.") from None
    except socket.timeout:
        raise NotServed(Failure.TIMEOUT, f"{address}: no answer in {timeout:g} s. Look into the log of the server.") from None
    except ConnectionError:
        raise NotServed(Failure.NO_TLS, f"{address}: closes the connection in the handshake. Look into the log of the server.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise NotServed(Failure.UNREACHABLE, f"{address}: is not reachable ({why}). Correct the address.") from None
    try:
        serial, end = serial_and_end(der)
    except BadDer:
        raise NotServed(Failure.DAMAGED, f"{address}: serves a certificate that is no X.509. Replace its certificate.") from None
    return Served(hashlib.sha256(der).hexdigest(), f"{serial:x}", end, ssl.DER_cert_to_PEM_cert(der))


def pems_of(addresses: Sequence[str], timeout: float) -> list[str]:
    """Return the certificates that the addresses serve, as PEM text. An address without one is left out. ``timeout``: seconds for each address."""
    return [served.pem for served in _all_served(addresses, timeout).values()]


def ends_of(addresses: Sequence[str], timeout: float) -> dict[str, dict[str, str]]:
    """Return address -> serial number and end of the certificate that it serves. An address without one is left out.

    ``timeout``: seconds for each address.
    """
    return {address: {"serial": served.serial, "not_after": served.not_after} for address, served in _all_served(addresses, timeout).items()}


def _all_served(addresses: Sequence[str], timeout: float) -> dict[str, Served]:
    found = {}
    for address in addresses:
        try:
            found[address] = served_certificate(address, timeout=timeout)
        except NotServed:
            continue  # a server that stops or hangs has no view either, and its view decides
    return found


def await_served(addresses: Sequence[str], sha256: str, timeout: float) -> dict[str, Served]:
    """Wait until each address serves the certificate ``sha256``, and return what it serves. ``timeout``: seconds for all together.

    An address that refuses connections is left out. Raises HostStateError (``not_served``) for the first address that does not.
    """
    deadline = time.monotonic() + timeout
    found: dict[str, Served] = {}
    for address in addresses:
        while address not in found:
            problem = "it serves another certificate. Look into the log of the server, then run this again."
            try:
                served = served_certificate(address, timeout=left(deadline))
                if served.sha256 == sha256:
                    found[address] = served
                    break
            except NotServed as error:
                if error.failure is Failure.REFUSED:
                    break  # a server that does not listen serves nothing wrong; the proof of its view decides
                problem = str(error).partition(": ")[2]
            if time.monotonic() >= deadline:
                raise HostStateError("not_served", f"{address}: after {timeout:g} s {problem}")
            time.sleep(POLL_SECONDS)
    return found
