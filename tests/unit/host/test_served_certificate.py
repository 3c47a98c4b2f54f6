# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a port, from real TLS servers; certificates in DER and PEM form without a library."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.served_certificate import Failure, NotServed, served_certificate
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_der import BadDer, certificates_in, serial_and_end
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.tests.unit.certificates import DAY, DER, NOW, Made
from ansible_collections.skywalking.banyandb.tests.unit.peers import blackhole, closed_port
from ansible_collections.skywalking.banyandb.tests.unit.tls_peers import context_of, serving, tls


def failure(address, timeout=5.0):
    with pytest.raises(NotServed) as raised:
        served_certificate(address, timeout=timeout)
    text = str(raised.value)
    assert text.startswith(f"{address}: ") and len(text) <= MOST and message(text) == text and text.endswith(".")
    return raised.value.failure


CA = Made("ca")


@pytest.mark.parametrize(
    "made",
    [
        Made("of an unknown CA", CA, ["localhost"]),
        Made("expired", CA, ["localhost"], start=-9, end=-2),
        Made("not yet valid", CA, start=3),
        Made("signed by itself"),
        Made("after 2050", CA, end=20_000),
        Made("small", CA, key=rsa.generate_private_key(65537, 1024)),
    ],
    ids=lambda made: made.certificate.subject.rfc4514_string(),
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_any_certificate_is_read(tmp_path, made, host):
    with serving(tls(context_of(tmp_path, made, "DEFAULT:@SECLEVEL=0")), host) as address:
        found = served_certificate(address)
    certificate = made.certificate
    assert found.sha256 == certificate.fingerprint(hashes.SHA256()).hex() and found.pem == made.pem
    assert found.serial == f"{certificate.serial_number:x}" and found.not_after == f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"


def test_the_name_selects_the_certificate(tmp_path):
    one, two = Made("one", CA, ["one"]), Made("two", CA, ["two"])
    context = context_of(tmp_path, one)
    other = context_of(tmp_path, two)
    context.sni_callback = lambda wrapped, name, _context: setattr(wrapped, "context", other) if name == "two" else None
    with serving(tls(context)) as address:
        assert [served_certificate(address, name).pem for name in ("one", "two")] == [one.pem, two.pem]


def test_a_server_that_wants_a_certificate_of_the_client_shows_its_own(tmp_path):
    context = context_of(tmp_path, made := Made("strict", CA), verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(cadata=CA.pem)
    with serving(tls(context)) as address:
        assert served_certificate(address).pem == made.pem


def test_a_server_of_grpc_is_asked_for_h2(tmp_path):
    asked = []
    context = context_of(tmp_path, Made("grpc", CA))
    context.set_alpn_protocols(["h2"])

    def handle(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            asked.append(wrapped.selected_alpn_protocol())

    with serving(handle) as address:
        served_certificate(address)
    assert asked == ["h2"]


def reset(connection):
    """Make the kernel send RST instead of FIN at the end."""
    connection.recv(5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_each_failure_is_typed():
    with closed_port() as address:
        assert failure(address) is Failure.REFUSED
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        assert failure(address) is Failure.NO_TLS
    with serving(lambda connection: None) as address:
        assert failure(address) is Failure.NO_TLS
    with serving(
        lambda connection: connection.recv(5) and connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ) as address:
        assert failure(address) is Failure.NO_TLS
    assert failure("no-such-host.invalid:1") is Failure.UNREACHABLE
    assert failure("127.0.0.1") is Failure.UNREACHABLE


def test_a_silent_server_costs_no_more_than_the_timeout():
    with blackhole() as address:
        assert failure(address, 0.2) is Failure.TIMEOUT
    with serving(lambda connection: connection.recv(65536) and connection.recv(65536)) as address:
        assert failure(address, 0.2) is Failure.TIMEOUT


# ---- DER and PEM without a library


def test_serial_numbers_and_ends_are_those_of_the_library():
    for end in (1, 8_000, 20_000, 300_000):
        made = Made("some", CA, end=end).certificate
        serial, text = serial_and_end(made.public_bytes(DER))
        assert serial == made.serial_number
        assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) == made.not_valid_after_utc == NOW + end * DAY


def test_bytes_that_are_no_certificate_are_refused_without_another_error():
    der = Made("some", CA, ["localhost"]).certificate.public_bytes(DER)
    choose = random.Random(1)
    for cut in range(len(der) // 2):
        with pytest.raises(BadDer):
            serial_and_end(der[:cut])
    for _ in range(3000):
        changed = bytearray(der)
        for _change in range(choose.randint(1, 4)):
            changed[choose.randrange(120)] = choose.randrange(256)
        with contextlib.suppress(BadDer):
            serial_and_end(bytes(changed))
    for data in (b"", b"\x30", b"\x30\x80", b"\x30\x85\0\0\0\0\1", b"\x30\x02\x30\x00", b"\xff" * 100):
        with pytest.raises(BadDer):
            serial_and_end(data)


def test_pem_data_gives_its_certificates_and_a_damaged_block_is_found():
    one, two = Made("one"), Made("two", key=ec.generate_private_key(ec.SECP384R1()))
    data = b"\xff comment\n" + one.pem.encode() + two.key_pem.encode() + two.pem.replace("\n", "\r\n").encode()
    assert certificates_in(data) == [each.certificate.public_bytes(DER) for each in (one, two)]
    assert certificates_in(b"") == []
    with pytest.raises(BadDer):
        certificates_in(one.pem.replace("MII", "MI", 1).replace("=", "").encode())
