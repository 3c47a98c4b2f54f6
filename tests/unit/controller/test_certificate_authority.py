# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CA directory, the certificates of hosts, real TLS handshakes with them, and that nothing shows a key or a passphrase.

tests/crash/test_ca_directory.py kills runs that write to the directory.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import certificate_authority
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import (
    BACKDATED,
    AuthorityError,
    AuthorityFault,
    authorities,
    begin_rotation,
    bundle,
    ensure,
    issue,
    retire,
    unlock,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import certificates
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import Identity, node_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.tests.unit.certificates import DAY, NOW, Made, secrets_of, texts_of

PASSPHRASE = "canary-passphrase-é"
HOST = "data1.banyandb.eu-west-1.example.org"


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "inventory" / "banyandb-ca")


@pytest.fixture
def signer(directory):
    return unlock(ensure(directory, PASSPHRASE, 3650, NOW)[-1], PASSPHRASE)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def issued(signer, host=HOST, days=365, present=None, now=NOW):
    return issue(signer, host, node_identity(host, "10.0.0.1"), days, now, present)


def fault(act, expected):
    """Check the error of ``act`` and return its message."""
    with pytest.raises(AuthorityError) as raised:
        act()
    assert raised.value.fault is expected, raised.value
    text = str(raised.value)
    assert len(text) <= MOST and message(text) == text and text.endswith(".") and ": " in text
    assert not any("canary" in each for each in texts_of(raised.value))
    return text


# ---- the directory


def test_the_first_run_makes_a_ca_for_the_user_alone_and_later_runs_use_it(directory):
    old_umask = os.umask(0)
    try:
        (made,) = ensure(directory, PASSPHRASE, 3650, NOW)
    finally:
        os.umask(old_umask)
    assert (mode(directory), mode(made.path), os.listdir(directory)) == (0o700, 0o600, ["ca-1.pem"])
    with open(made.path, encoding="ascii") as file:
        text = file.read()
    assert "BEGIN ENCRYPTED PRIVATE KEY" in text and "BEGIN PRIVATE" not in text
    assert ensure(directory, PASSPHRASE, 1, NOW + DAY) == [made] == authorities(directory)


def test_what_the_certificate_of_a_ca_says(signer):
    certificate = signer.authority.certificate
    assert certificate.subject == certificate.issuer and signer.authority.values.is_authority
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (NOW - BACKDATED, NOW + 3650 * DAY)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical and constraints.value.path_length == 0
    assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign and not usage.value.digital_signature
    assert signer.authority.key_id == signer.authority.values.issuer_key_id != ""
    assert 0 < certificate.serial_number.bit_length() <= 159


def test_no_directory_is_no_ca(directory):
    assert authorities(directory) == []


def test_files_of_others_in_the_directory_are_left_alone(directory):
    ensure(directory, PASSPHRASE, 3650, NOW)
    for name in ("README", "ca-01.pem", "ca-.pem", "xca-1.pem"):
        with open(os.path.join(directory, name), "w", encoding="ascii"):
            pass
    begin_rotation(directory, PASSPHRASE, 3650, NOW)
    retire(directory, authorities(directory)[-1].key_id)
    assert sorted(os.listdir(directory)) == ["README", "ca-.pem", "ca-01.pem", "ca-2.pem", "xca-1.pem"]


def test_a_rotation_makes_one_more_ca_and_its_end_deletes_the_older_ones(directory):
    (old,) = ensure(directory, PASSPHRASE, 3650, NOW)
    both = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    assert [each.number for each in both] == [1, 2] and both[0] == old and old.certificate.subject != both[1].certificate.subject
    assert begin_rotation(directory, PASSPHRASE, 3650, NOW) == ensure(directory, PASSPHRASE, 3650, NOW) == both
    fault(lambda: retire(directory, old.key_id), AuthorityFault.NOT_NEWEST)
    assert retire(directory, both[1].key_id) == [old.path] and authorities(directory) == both[1:]
    assert retire(directory, both[1].key_id) == []
    assert [each.number for each in begin_rotation(directory, PASSPHRASE, 3650, NOW)] == [2, 3]


def test_a_ca_whose_passphrase_is_lost_can_be_rotated(directory):
    ensure(directory, "another passphrase", 3650, NOW)
    both = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    assert unlock(both[1], PASSPHRASE)
    fault(lambda: unlock(both[0], PASSPHRASE), AuthorityFault.WRONG_PASSPHRASE)


def test_a_ca_without_its_key_is_trusted_and_can_be_rotated(directory):
    """After a loss of the directory, ca.crt of a host becomes ca-1.pem."""
    (old,) = ensure(directory, PASSPHRASE, 3650, NOW)
    with open(old.path, "w", encoding="ascii") as file:
        file.write(bundle([old], [old.key_id]))
    fault(lambda: ensure(directory, PASSPHRASE, 3650, NOW), AuthorityFault.NO_KEY)
    both = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    assert [each.key_id for each in both][:1] == [old.key_id] and unlock(both[1], PASSPHRASE)


def test_runs_at_the_same_time_make_one_ca(directory):
    context = multiprocessing.get_context("fork")
    with context.Pool(6) as pool:
        found = pool.starmap(_key_ids, [(directory,)] * 12)
    assert len({tuple(each) for each in found}) == 1 and len(found[0]) == 1 and os.listdir(directory) == ["ca-1.pem"]
    with context.Pool(6) as pool:
        found = pool.starmap(_rotated, [(directory,)] * 12)
    assert len({tuple(each) for each in found}) == 1 and len(found[0]) == 2


def _key_ids(directory):
    return [each.key_id for each in ensure(directory, PASSPHRASE, 3650, NOW)]


def _rotated(directory):
    return [each.key_id for each in begin_rotation(directory, PASSPHRASE, 3650, NOW)]


def test_a_run_that_waits_too_long_names_the_directory_and_who_holds_it(directory, monkeypatch):
    monkeypatch.setattr(certificate_authority, "LOCK_SECONDS", 0.05)
    os.makedirs(directory, 0o700)
    with locked(directory):
        text = fault(lambda: ensure(directory, PASSPHRASE, 3650, NOW), AuthorityFault.BUSY)
    assert directory in text and str(os.getpid()) in text and os.listdir(directory) == []


@pytest.mark.parametrize(
    ("passphrase", "expected"),
    [
        ("", AuthorityFault.NO_PASSPHRASE),
        ("é" * 512, AuthorityFault.LONG_PASSPHRASE),
        ("canary", AuthorityFault.WRONG_PASSPHRASE),
        ("\ud800canary", AuthorityFault.WRONG_PASSPHRASE),
    ],
)
def test_a_passphrase_that_does_not_open_the_ca(directory, passphrase, expected):
    ensure(directory, PASSPHRASE, 3650, NOW)
    before = Path(directory, "ca-1.pem").read_bytes()
    assert "banyandb_ca_passphrase" in fault(lambda: ensure(directory, passphrase, 3650, NOW), expected)
    assert Path(directory, "ca-1.pem").read_bytes() == before


@pytest.mark.parametrize("passphrase", ["", "é" * 512])
def test_no_ca_is_made_without_a_usable_passphrase(directory, passphrase):
    for act in (ensure, begin_rotation):
        with pytest.raises(AuthorityError):
            act(directory, passphrase, 3650, NOW)
    assert not os.path.exists(directory)


def test_the_longest_passphrase_works(directory):
    assert unlock(ensure(directory, "p" * 1023, 3650, NOW)[0], "p" * 1023)


@pytest.mark.parametrize("bits", [0o040, 0o020, 0o004, 0o007])
def test_a_key_or_a_directory_that_others_may_open_is_refused(directory, bits):
    (made,) = ensure(directory, PASSPHRASE, 3650, NOW)
    for path, expected in ((made.path, 0o600), (directory, 0o700)):
        os.chmod(path, expected | bits)
        text = fault(lambda: ensure(directory, PASSPHRASE, 3650, NOW), AuthorityFault.OPEN_TO_OTHERS)
        assert path in text and f"chmod {expected:o}" in text
        os.chmod(path, expected)
    assert ensure(directory, PASSPHRASE, 3650, NOW) == [made]


def test_each_damage_of_the_file_is_found(directory):
    (made,) = ensure(directory, PASSPHRASE, 3650, NOW)
    with open(made.path, encoding="ascii") as file:
        text = file.read()
    certificate, key = text.split("-----BEGIN ENCRYPTED")
    key = "-----BEGIN ENCRYPTED" + key
    other = Made("other")
    plain = Made("plain", key=ec.generate_private_key(ec.SECP256R1()))
    broken = {
        "": AuthorityFault.DAMAGED,
        text[:100]: AuthorityFault.DAMAGED,
        text[: len(certificate) + 80]: AuthorityFault.DAMAGED,
        key: AuthorityFault.DAMAGED,
        certificate + text: AuthorityFault.DAMAGED,
        Made("leaf", other).pem + key: AuthorityFault.DAMAGED,
        other.pem + key: AuthorityFault.DAMAGED,
        certificate + key.replace("M", "A", 1): AuthorityFault.DAMAGED,
        certificate + plain.key_text(serialization.PrivateFormat.PKCS8, PASSPHRASE): AuthorityFault.DAMAGED,
        certificate + plain.key_pem: AuthorityFault.NOT_ENCRYPTED,
        certificate: AuthorityFault.NO_KEY,
    }
    for damaged, expected in broken.items():
        with open(made.path, "w", encoding="ascii") as file:
            file.write(damaged)
        assert made.path in fault(lambda: ensure(directory, PASSPHRASE, 3650, NOW), expected)
    os.unlink(made.path)
    os.mkfifo(made.path, 0o600)
    fault(lambda: authorities(directory), AuthorityFault.DAMAGED)
    os.unlink(made.path)
    os.symlink("/etc/hostname", made.path)
    fault(lambda: authorities(directory), AuthorityFault.UNREADABLE)


def test_every_changed_byte_of_the_encrypted_key_is_found(directory):
    (made,) = ensure(directory, PASSPHRASE, 3650, NOW)
    with open(made.path, encoding="ascii") as file:
        text = file.read()
    start = text.index("-----BEGIN ENCRYPTED")
    for at in range(start + 40, len(text) - 40, 7):
        with open(made.path, "w", encoding="ascii") as file:
            file.write(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
        with pytest.raises(AuthorityError) as raised:
            ensure(directory, PASSPHRASE, 3650, NOW)
        assert raised.value.fault in (AuthorityFault.DAMAGED, AuthorityFault.WRONG_PASSPHRASE)


def test_a_directory_that_cannot_be_made_or_read_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "ca")
    assert path in fault(lambda: ensure(path, PASSPHRASE, 3650, NOW), AuthorityFault.UNREADABLE)
    os.chmod(tmp_path / "file", 0o600)
    fault(lambda: ensure(str(tmp_path / "file"), PASSPHRASE, 3650, NOW), AuthorityFault.UNREADABLE)


@pytest.mark.parametrize("days", [0, -1, 36_501, 10**12])
def test_days_that_are_no_life_are_refused_before_a_file_is_written(directory, days):
    assert "banyandb_ca_days" in fault(lambda: ensure(directory, PASSPHRASE, days, NOW), AuthorityFault.BAD_DAYS)
    assert authorities(directory) == []
    signer = unlock(ensure(directory, PASSPHRASE, 3650, NOW)[0], PASSPHRASE)
    assert "banyandb_certificate_days" in fault(lambda: issued(signer, days=days), AuthorityFault.BAD_DAYS)


# ---- certificates of hosts


def test_what_the_certificate_of_a_host_says(signer):
    made = issued(signer)
    (certificate,) = certificates(made.certificate.encode())
    extensions = certificate.extensions
    assert made.values.names == {HOST, "localhost"} and made.values.addresses == {"10.0.0.1", "127.0.0.1", "::1"}
    assert (made.values.not_before, made.values.not_after) == (NOW - timedelta(hours=1), NOW + 365 * DAY)
    assert made.values.issuer_key_id == signer.authority.key_id != made.values.key_id != ""
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical and not made.values.is_authority
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign and not usage.value.key_encipherment
    uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert 0 < made.values.serial.bit_length() <= 159 and made.values.serial != issued(signer).values.serial
    certificate.verify_directly_issued_by(signer.authority.certificate)
    key = serialization.load_pem_private_key(made.key.reveal(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()


def test_a_renewal_keeps_the_key_and_sends_none(signer):
    first = issued(signer)
    again = issued(signer, present=certificates(first.certificate.encode())[0], now=NOW + 300 * DAY)
    assert again.key is None and again.values.public_key == first.values.public_key and again.values.serial != first.values.serial
    assert issued(signer).values.public_key != first.values.public_key


def test_a_certificate_ends_with_its_ca_at_the_latest(directory):
    signer = unlock(ensure(directory, PASSPHRASE, 10, NOW)[0], PASSPHRASE)
    assert issued(signer).values.not_after == NOW + 10 * DAY
    fault(lambda: issued(signer, now=NOW + 10 * DAY), AuthorityFault.EXPIRED)


def test_a_long_inventory_name_fits_and_a_host_without_names_gets_nothing(signer):
    long = "x" * 60 + ".example.org"
    assert long in issued(signer, host=long).values.names
    with pytest.raises(ValueError, match="no name"):
        issue(signer, HOST, Identity(frozenset(), frozenset()), 1, NOW)
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(ValueError, match="secp256r1"):
            issued(signer, present=Made("other", key=key).certificate)


def test_a_bundle_has_the_cas_once_in_the_order_of_the_directory(directory):
    ensure(directory, PASSPHRASE, 3650, NOW)
    both = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    ids = [each.key_id for each in both]
    assert certificates(bundle(both, [*reversed(ids), ids[0]]).encode()) == [each.certificate for each in both]
    assert certificates(bundle(both, ids[1:]).encode()) == [both[1].certificate]
    with pytest.raises(KeyError):
        bundle(both, ["unknown"])


# ---- handshakes


def handshake(tmp_path, server, trusted, name, client=None):
    """Return the certificate that a client gets that trusts only ``trusted``, or the error of the client. With ``client``, both sides verify."""
    files = {}
    for part, made in (("server", server), ("client", client)):
        if made:
            files[part] = (tmp_path / f"{part}.crt", tmp_path / f"{part}.key")
            files[part][0].write_text(made.certificate)
            files[part][1].write_bytes(made.key.reveal())
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*files["server"])
    asking = ssl.create_default_context(cadata=trusted)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    if client:
        asking.load_cert_chain(*files["client"])
        serving.verify_mode = ssl.CERT_REQUIRED
        serving.load_verify_locations(cadata=trusted)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        results = []

        def serve():
            connection, _address = listening.accept()
            try:
                with serving.wrap_socket(connection, server_side=True) as wrapped:
                    wrapped.sendall(b"!")
                    results.append(wrapped.getpeercert(binary_form=True))
            except OSError as error:
                results.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listening.getsockname()) as plain, asking.wrap_socket(plain, server_hostname=name) as wrapped:
                assert wrapped.recv(1) == b"!"
                return wrapped.getpeercert()
        except ssl.SSLError as error:
            return error
        finally:
            thread.join()


def test_clients_that_trust_the_ca_connect_by_each_name_and_by_no_other(tmp_path, directory, signer):
    made = issued(signer)
    trusted = bundle(authorities(directory), [signer.authority.key_id])
    for name in (HOST, "localhost", "10.0.0.1", "127.0.0.1", "::1"):
        assert handshake(tmp_path, made, trusted, name)["serialNumber"].lstrip("0") == f"{made.values.serial:X}"
    assert "mismatch" in str(handshake(tmp_path, made, trusted, "other.example.org"))
    assert "mismatch" in str(handshake(tmp_path, made, trusted, "10.0.0.2"))


def test_the_certificate_of_a_host_is_also_one_of_a_client(tmp_path, directory, signer):
    trusted = bundle(authorities(directory), [signer.authority.key_id])
    assert handshake(tmp_path, issued(signer), trusted, "localhost", client=issued(signer, host="other"))["serialNumber"]


def test_a_bundle_of_two_cas_accepts_both_and_one_ca_only_its_own(tmp_path, directory, signer):
    both = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    old, new = issued(signer), issued(unlock(both[1], PASSPHRASE))
    ids = [each.key_id for each in both]
    for made in (old, new):
        assert handshake(tmp_path, made, bundle(both, ids), HOST)["serialNumber"]
    assert isinstance(handshake(tmp_path, new, bundle(both, ids[:1]), HOST), ssl.SSLCertVerificationError)
    assert isinstance(handshake(tmp_path, old, bundle(both, ids[1:]), HOST), ssl.SSLCertVerificationError)


def test_a_host_cannot_sign_for_another_host(tmp_path, directory, signer):
    """Basic constraints and key usage: the certificate of a host is no CA."""
    host = issued(signer)
    key = serialization.load_pem_private_key(host.key.reveal(), None)
    forged = Made("victim", type("Issuer", (), {"certificate": certificates(host.certificate.encode())[0], "key": key}), ["victim"])
    made = host._replace(certificate=forged.pem + host.certificate, key=type("Key", (), {"reveal": lambda self: forged.key_pem.encode()})())
    trusted = bundle(authorities(directory), [signer.authority.key_id])
    assert isinstance(handshake(tmp_path, made, trusted, "victim"), ssl.SSLCertVerificationError)


# ---- secrets


def test_nothing_shows_a_key_or_a_passphrase(directory):
    found = begin_rotation(directory, PASSPHRASE, 3650, NOW)
    signer = unlock(found[-1], PASSPHRASE)
    made = issued(signer)
    own = serialization.load_pem_private_key(made.key.reveal(), None)
    with open(found[-1].path, "rb") as file:
        text = file.read()
    authority = serialization.load_pem_private_key(text[text.index(b"-----BEGIN ENCRYPTED") :], PASSPHRASE.encode())
    encrypted = [line.decode() for line in text[text.index(b"-----BEGIN ENCRYPTED") :].splitlines()[1:-1]]
    shown = "".join(text for value in (found, signer, made, made.key, [found[-1].encrypted_key]) for text in texts_of(value))
    for secret in (*secrets_of(own, authority), *encrypted, "canary"):
        assert secret not in shown
    for value in (signer, made, found[-1]):
        with pytest.raises(TypeError):
            pickle.dumps(value)


def test_no_file_of_the_controller_has_a_key_in_clear(directory):
    signer = unlock(begin_rotation(directory, PASSPHRASE, 3650, NOW)[-1], PASSPHRASE)
    made = issued(signer)
    key = serialization.load_pem_private_key(made.key.reveal(), None)
    for place, _folders, names in os.walk(os.path.dirname(directory)):
        for name in names:
            with open(os.path.join(place, name), encoding="latin-1") as file:
                text = file.read()
            assert not any(secret in text for secret in (*secrets_of(key), "canary", "BEGIN PRIVATE", "BEGIN EC"))
