# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaced CAs and certificates of a running server (contract, section 7)."""

from __future__ import annotations

import hashlib
import pathlib
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.unit.certificates import DER, Made

from .servers import GOSSIP, GRPC, HTTP, SCHEMA, Server, listing
from .waiting import SOON, holds, until

PAIRS = ("", "http-", "schema-server-")
LOADED = 6.0
"""Seconds to wait until a server has loaded a file. The real server needs 2.0 s to 2.5 s."""


def put(folder: pathlib.Path, name: str, text: str) -> None:
    """Replace a file by a new one, as the collection does."""
    (folder / "new").write_text(text)
    (folder / "new").replace(folder / name)


def served(server: Server, port: int, ca: str) -> str:
    """Return the SHA-256 of the certificate of a port, for a client that trusts ``ca``. Raises OSError."""
    context = ssl.create_default_context(cadata=ca)
    context.set_alpn_protocols(["h2"] if port != HTTP else ["http/1.1"])
    plain = socket.create_connection((server.host.address, port), timeout=2)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as wrapped:
        return hashlib.sha256(wrapped.getpeercert(True) or b"").hexdigest()


def digest(made: Made) -> str:
    return hashlib.sha256(made.certificate.public_bytes(DER)).hexdigest()


@pytest.fixture(scope="module")
def old() -> Made:
    return Made("old CA")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, old: Made) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("tls")
    node = Made("node", old, ["localhost"])
    for name, text in {"ca.crt": old.pem, "node.crt": node.pem, "node.key": node.key_pem}.items():
        put(folder, name, text)
    return folder


@pytest.fixture(scope="module")
def server(add: Callable[..., Server], folder: pathlib.Path, old: Made) -> Server:
    settings = {f"{prefix}tls": "true" for prefix in PAIRS}
    settings |= {f"{prefix}{what}-file": str(folder / f"node.{suffix}") for prefix in PAIRS for what, suffix in (("cert", "crt"), ("key", "key"))}
    settings |= {"http-grpc-addr": f"localhost:{GRPC}", "http-grpc-cert-file": str(folder / "ca.crt")}
    settings |= {"schema-property-client-tls": "true", "schema-property-client-ca-cert": str(folder / "ca.crt")}
    server = add("standalone", 6, **settings | {"node-host": "localhost", "node-discovery-mode": "none"})
    server.start()
    until(lambda: server.listens(HTTP) and served(server, HTTP, old.pem), 30, f"{server} serves its certificate")
    return server


def test_replaced_cas_are_watched_again_by_every_client_of_the_server(server: Server, folder: pathlib.Path, old: Made) -> None:
    path = folder / "ca.crt"
    until(lambda: server.watches_of(path) == 2, LOADED, "the schema client and the HTTP gateway watch their CAs")
    put(folder, "ca.crt", old.pem + Made("new CA").pem)
    assert server.watches_of(path) == 0
    until(lambda: server.watches_of(path) == 2, LOADED, "the two clients watch the new file")
    assert server.running


def test_a_certificate_of_another_ca_is_served_without_a_restart(server: Server, folder: pathlib.Path) -> None:
    authority = Made("new CA")
    put(folder, "ca.crt", (folder / "ca.crt").read_text() + authority.pem)
    node = Made("node", authority, ["localhost"])
    put(folder, "node.key", node.key_pem)
    put(folder, "node.crt", node.pem)
    for port in (GRPC, HTTP, SCHEMA):

        def serves(port: int = port) -> bool:
            try:
                return served(server, port, authority.pem) == digest(node)
            except ssl.SSLError:
                return False

        until(serves, LOADED, f"port {port} serves the new certificate")
    assert server.running


GOSSIP_FLAGS = "property-repair-gossip-"


def test_the_gossip_port_serves_the_certificate_of_the_start_until_a_restart(add: Callable[..., Server], tmp_path: pathlib.Path, old: Made) -> None:
    first = Made("node", old, ["localhost"])
    renewed = Made("node", old, ["localhost"], key=first.key)
    for name, text in {"ca.crt": old.pem, "node.crt": first.pem, "node.key": first.key_pem}.items():
        put(tmp_path, name, text)
    pair = {f"{what}-file": str(tmp_path / f"node.{suffix}") for what, suffix in (("cert", "crt"), ("key", "key"))}
    settings = {"tls": "true", **pair, f"{GOSSIP_FLAGS}grpc-tls": "true", f"{GOSSIP_FLAGS}client-ca-cert": str(tmp_path / "ca.crt")}
    server = add("data", 7, **settings, **{f"{GOSSIP_FLAGS}grpc-server-{name}": path for name, path in pair.items()})
    server.rename(listing({}))

    def start() -> None:
        server.start()
        until(lambda: server.listens(GOSSIP) and server.listens(GRPC), 30, f"{server} listens")

    start()
    assert served(server, GOSSIP, old.pem) == served(server, GRPC, old.pem) == digest(first)
    put(tmp_path, "node.crt", renewed.pem)
    until(lambda: served(server, GRPC, old.pem) == digest(renewed), LOADED, "the gRPC port serves the new certificate")
    holds(lambda: served(server, GOSSIP, old.pem) == digest(first), LOADED, "the gossip port serves the certificate of the start")
    server.stop()
    start()
    assert served(server, GOSSIP, old.pem) == digest(renewed)


@pytest.mark.parametrize("kind", ["data", "standalone"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "CA certificate path must be provided when TLS is enabled"),
        ({"client-ca-cert": "ca.crt"}, "invalid server cert file"),
        ({"client-ca-cert": "ca.crt", "grpc-server-cert-file": "node.crt"}, "invalid server key file"),
    ],
)
def test_a_server_with_tls_for_its_gossip_does_not_start_without_a_file(
    add: Callable[..., Server], kind: str, flags: dict[str, str], message: str
) -> None:
    server = add(kind, 8, **{GOSSIP_FLAGS + name: value for name, value in {"grpc-tls": "true", **flags}.items()})
    server.rename(listing({}))
    server.start()
    server.exited(within=SOON)
    assert server.process.returncode != 0 and message in server.log.read_text()
