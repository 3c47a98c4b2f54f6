# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a user: what is read, what is refused, and that no error shows a key."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import ensure
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import (
    CRYPTOGRAPHY_IMPORT_ERROR,
    ReadingError,
    Secret,
    authority_id,
    certificate_values,
    certificates,
    given_files,
    held,
    pem_of,
    private_key,
    read_source,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import Fault, file_findings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import Held
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.tests.unit.certificates import DAY, DER, NOW, Made, secrets_of, texts_of

PKCS8, SEC1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
HOST = "data1.banyandb.eu-west-1.example.org"
CA = Made("ca")
LEAF = Made("leaf", CA, [HOST, "localhost", "10.0.0.1", "::1"])


def findings(ca=CA.pem, certificate=LEAF.pem, key=LEAF.key_pem, wanted=(HOST, "localhost"), days=7):
    given, found = given_files(HOST, ca, certificate, key)
    return found if given is None else file_findings(HOST, given, identity(wanted), NOW, days)


def faults(**changed):
    found = findings(**changed)
    for finding in found:
        assert finding.host == HOST and finding.message.startswith(f"{HOST}: {finding.variable}: ")
        assert len(finding.message) <= MOST and message(finding.message) == finding.message and finding.message.endswith(".")
    return [(finding.fault, finding.variable.removeprefix("banyandb_tls_")) for finding in found]


def test_the_library_is_there():
    assert CRYPTOGRAPHY_IMPORT_ERROR is None


def test_what_a_certificate_says():
    values = certificate_values(LEAF.certificate)
    assert values.names == {HOST, "localhost"} and values.addresses == {"10.0.0.1", "::1"}
    assert (values.not_before, values.not_after) == (NOW - DAY, NOW + 30 * DAY)
    assert values.serial == LEAF.certificate.serial_number and values.sha256 == LEAF.certificate.fingerprint(hashes.SHA256()).hex()
    assert (values.key_type, values.serves, values.is_authority, values.key_id, values.issuer_key_id) == ("secp256r1", True, False, "", "")
    assert certificate_values(CA.certificate).is_authority


def test_what_uses_and_key_identifiers_say():
    assert not certificate_values(Made("client", CA, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]).certificate).serves
    assert certificate_values(Made("any", CA, usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]).certificate).serves
    assert certificate_values(Made("rsa", CA, key=rsa.generate_private_key(65537, 2048)).certificate).key_type == "RSAPublicKey"


def test_files_and_texts_are_the_same(tmp_path, monkeypatch):
    for name, text in (("ca.pem", CA.pem), ("leaf.pem", LEAF.pem), ("key.pem", LEAF.key_pem)):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert faults() == faults(ca=str(tmp_path / "ca.pem"), certificate=str(tmp_path / "leaf.pem"), key="~/key.pem") == []
    assert faults(ca=CA.pem.replace("\n", "\r\n"), key=LEAF.key_pem.replace("\n", "\r\n")) == []


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "cp1252", "shift_jis"])
def test_comments_of_a_ca_file_may_have_any_encoding(tmp_path, encoding):
    comment = "# Zürich, é".encode(encoding, "replace") + b"\n"
    (tmp_path / "ca.pem").write_bytes(comment + Made("other").pem.encode() + b"\xff\xfe\x00" + comment + b"\n" + CA.pem.encode() + comment)
    assert faults(ca=str(tmp_path / "ca.pem")) == []
    found = certificates(read_source(str(tmp_path / "ca.pem")))
    assert pem_of([*found, found[0]]).isascii() and pem_of([*found, found[0]]).count("BEGIN") == 2


@pytest.mark.parametrize("form", [PKCS8, SEC1])
def test_the_forms_of_keys_that_the_server_reads(form):
    assert faults(key=LEAF.key_text(form)) == []
    # openssl writes the parameters of the curve before the key.
    assert faults(key=f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{LEAF.key_text(form)}") == []


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())]
)
def test_the_kinds_of_keys_that_the_server_reads(key):
    leaf = Made("leaf", CA, [HOST, "localhost"], key=key)
    assert faults(certificate=leaf.pem, key=leaf.key_pem) == []


def test_intermediate_certificates_lead_to_the_ca():
    middle = Made("middle", CA, authority=True)
    leaf = Made("leaf", middle, [HOST, "localhost"])
    assert faults(certificate=leaf.pem + middle.pem, key=leaf.key_pem) == []
    assert faults(certificate=leaf.pem, key=leaf.key_pem) == [(Fault.NOT_CHAINED, "certificate")]
    assert faults(ca=middle.pem, certificate=leaf.pem, key=leaf.key_pem) == []
    # A certificate that is no CA signs nothing.
    fake = Made("fake", CA, authority=False)
    leaf = Made("leaf", fake, [HOST, "localhost"])
    assert faults(certificate=leaf.pem + fake.pem, key=leaf.key_pem) == [(Fault.NOT_CHAINED, "certificate")]


def test_another_ca_with_the_same_name_did_not_sign():
    assert faults(ca=Made("ca").pem) == [(Fault.NOT_CHAINED, "certificate")]


def test_a_signature_that_was_changed_is_no_signature():
    data = bytearray(LEAF.certificate.public_bytes(DER))
    data[-1] ^= 1
    changed = x509.load_der_x509_certificate(bytes(data)).public_bytes(serialization.Encoding.PEM).decode()
    assert faults(certificate=changed) == [(Fault.NOT_CHAINED, "certificate")]


ENCRYPTED = LEAF.key_text(PKCS8, "canary-passphrase")
LEGACY = LEAF.key_text(SEC1, "canary-passphrase")
PARAMETERS = dsa.generate_parameters(1024)
DSA = PARAMETERS.generate_private_key().private_bytes(serialization.Encoding.PEM, PKCS8, serialization.NoEncryption()).decode()
LONE = "".join(LEAF.key_pem.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"certificate": "", "ca": " "}, [(Fault.NOT_GIVEN, "ca"), (Fault.NOT_GIVEN, "certificate")]),
        ({"ca": "/nowhere/ca.pem"}, [(Fault.NO_FILE, "ca")]),
        ({"key": "/nowhere/key.pem"}, [(Fault.NO_FILE, "key")]),
        ({"ca": "/"}, [(Fault.NO_FILE, "ca")]),
        ({"ca": "/dev/zero"}, [(Fault.NO_PEM, "ca")]),
        ({"ca": "first\nsecond"}, [(Fault.NO_PEM, "ca")]),
        ({"ca": "a\0b"}, [(Fault.NO_PEM, "ca")]),
        ({"ca": "x" * 5000}, [(Fault.NO_PEM, "ca")]),
        ({"certificate": LEAF.key_pem}, [(Fault.NO_PEM, "certificate")]),
        ({"key": LEAF.pem}, [(Fault.NO_PEM, "key")]),
        ({"key": LONE}, [(Fault.NO_FILE, "key")]),
        ({"key": LONE[:40] + "\n" + LONE[40:]}, [(Fault.NO_PEM, "key")]),
        ({"ca": CA.pem[:200] + CA.pem}, [(Fault.DAMAGED, "ca")]),
        ({"certificate": CA.pem.replace("MII", "AAA", 1)}, [(Fault.DAMAGED, "certificate")]),
        ({"key": LEAF.key_pem.replace("M", "A", 1)}, [(Fault.DAMAGED, "key")]),
        ({"key": LEAF.key_pem.replace("PRIVATE", "EC PRIVATE")}, None),
        ({"key": ENCRYPTED}, [(Fault.KEY_ENCRYPTED, "key")]),
        ({"key": LEGACY}, [(Fault.KEY_ENCRYPTED, "key")]),
        ({"key": DSA}, [(Fault.KEY_TYPE, "key")]),
        ({"key": CA.key_pem}, [(Fault.KEY_MISMATCH, "key")]),
        ({"ca": LEAF.pem}, [(Fault.NO_AUTHORITY, "ca")]),
        ({"wanted": (HOST, "10.0.0.2")}, [(Fault.NAME_MISSING, "certificate")]),
        ({"days": 40}, [(Fault.EXPIRES_SOON, "certificate")]),
    ],
)
def test_each_fault_is_typed_and_no_finding_shows_a_key(changed, expected):
    assert expected is None or faults(**changed) == expected
    shown = "".join(text for finding in findings(**changed) for text in texts_of(finding))
    for secret in (*secrets_of(LEAF.key, CA.key), "canary-passphrase", LONE[:20]):
        assert secret not in shown


@pytest.mark.parametrize("text", [LEGACY, ENCRYPTED, DSA, LEAF.key_pem.replace("M", "A", 1), LEAF.key_pem[:-30], ""])
def test_no_error_of_reading_a_key_shows_the_key(text):
    with pytest.raises(ReadingError) as raised:
        private_key(text.encode())
    shown = "".join(texts_of(raised.value))
    assert (not any(secret in shown for secret in (*secrets_of(LEAF.key), "canary-passphrase")) and text[30:80] not in shown) or not text


def test_expired_certificates_and_cas_are_found():
    assert faults(certificate=(old := Made("old", CA, [HOST, "localhost"], start=-9, end=-1)).pem, key=old.key_pem) == [
        (Fault.EXPIRED, "certificate")
    ]
    early = Made("early", CA, [HOST, "localhost"], start=1)
    assert faults(certificate=early.pem, key=early.key_pem) == [(Fault.NOT_YET_VALID, "certificate")]
    ca = Made("old ca", start=-9, end=-1)
    leaf = Made("leaf", ca, [HOST, "localhost"])
    assert faults(ca=ca.pem, certificate=leaf.pem, key=leaf.key_pem) == [(Fault.CA_EXPIRED, "ca")]


def test_what_a_host_holds_names_the_ca_that_signed_even_without_key_identifiers():
    other = Made("other ca")
    found = held(LEAF.pem, other.pem + CA.pem, True, [LEAF.pem, Made("self").pem])
    ids = [authority_id(each.certificate) for each in (CA, other)]
    assert found.certificate is not None and found.certificate.issuer_key_id == ids[0] and len(ids[0]) == 64
    assert (found.pair, found.bundle, found.served) == (True, frozenset(ids), frozenset({ids[0], ""}))
    assert held("", "", False) == Held()
    assert held("garbage", CA.pem[:100], False, ["garbage"]) == Held()


def test_without_the_library_the_import_works_and_says_what_is_missing():
    program = (
        "import sys; sys.modules['cryptography'] = None; sys.path[:0] = sys.argv[1:]\n"
        f"from {ensure.__module__} import CRYPTOGRAPHY_IMPORT_ERROR\n"
        "assert 'cryptography' in CRYPTOGRAPHY_IMPORT_ERROR"
    )
    subprocess.run([sys.executable, "-c", program, *sys.path], check=True)


def test_a_secret_has_no_text_form_and_is_not_pickled():
    secret = Secret(b"canary")
    assert not any("canary" in text for text in texts_of([secret])) and secret.reveal() == b"canary"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
