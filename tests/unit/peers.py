# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers on loopback with good, bad or no answers, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

RECORDED = Path(__file__).resolve().parent / "recorded"

STATE = "/banyandb.database.v1.ClusterStateService/GetClusterState"
NODE = "/banyandb.database.v1.NodeQueryService/GetCurrentNode"
VERSION = "/banyandb.common.v1.Service/GetAPIVersion"
REVISION = "/banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision"
HEALTH = "/grpc.health.v1.Health/Check"


def recorded(port):
    """Return path of each method -> answer of the real server on ``port``: bytes, or (code, details)."""
    calls = json.loads((RECORDED / "grpc-responses.json").read_text())[port]
    paths = {"GetCurrentNode": NODE, "GetClusterState": STATE, "GetAPIVersion": VERSION, "GetMaxRevision": REVISION, "Health": HEALTH}
    return {
        paths[call]: base64.b64decode(answer["ok"]) if "ok" in answer else (grpc.StatusCode[answer["code"]], answer["details"])
        for call, answer in calls.items()
    }


@asynccontextmanager
async def grpc_server(answers, certificate=None, port=0):
    """Serve ``answers``: path -> bytes, (code, details), or a function of the call's context that returns one of them.

    Yields the address. Any other method is UNIMPLEMENTED.
    """

    def handler(answer):
        async def respond(request, context):
            found = answer(context) if callable(answer) else answer
            if asyncio.iscoroutine(found):
                found = await found
            if isinstance(found, tuple):
                await context.abort(*found)
            return found

        return grpc.unary_unary_rpc_method_handler(respond)

    handlers = {path: handler(answer) for path, answer in answers.items()}

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details):
            return handlers.get(details.method)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Handlers(),))
    where = f"127.0.0.1:{port}"
    if certificate:
        port = server.add_secure_port(where, grpc.ssl_server_credentials([(certificate.key_pem, certificate.pem)]))
    else:
        port = server.add_insecure_port(where)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def byte_server(answer, certificate=None):
    """Read something, send ``answer`` (bytes, or a function of the received bytes), close. None: send nothing."""

    async def serve(reader, writer):
        try:
            asked = await reader.read(65536)
            said = answer(asked) if callable(answer) else answer
            if said is None:
                await reader.read()
            else:
                writer.write(said)
                await writer.drain()
        except OSError:
            pass  # the peer has closed the connection; its side has the assertions
        finally:
            writer.close()

    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path, certificate.key_path)
        context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def http_answer(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def closed_port(host="127.0.0.1"):
    """Yield an address that refuses connections: bound, so that no other process can use it, and not listening."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        yield f"{host}:{bound.getsockname()[1]}"


@contextmanager
def blackhole():
    """Yield an address that never accepts a connection: its backlog of one is full."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for taken in (first, second):
            taken.setblocking(False)
            taken.connect_ex(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"


class Certificate:
    """A self-signed certificate, its own CA, for 127.0.0.1 and ``name``; files in ``directory``."""

    def __init__(self, directory, name="localhost", address="127.0.0.1"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName(name)] + ([x509.IPAddress(ipaddress.ip_address(address))] if address else [])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.path = directory / f"{name}.pem"
        self.key_path = directory / f"{name}.key"
        self.path.write_bytes(self.pem)
        self.key_path.write_bytes(self.key_pem)
