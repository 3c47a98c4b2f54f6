# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read certificates and keys in PEM form on the controller, with ``cryptography`` 42 or later, which ansible-core 2.19 installs.

No error, text form or attribute of this module shows a key: a key stays in a Secret or in an object of ``cryptography``, which has no text form.
Errors of ``cryptography`` are not chained, because their text may quote their input.

An import of this module never fails: without ``cryptography``, ``CRYPTOGRAPHY_IMPORT_ERROR`` has the traceback.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import (
    CA_VARIABLE,
    CERTIFICATE_VARIABLE,
    KEY_VARIABLE,
    Fault,
    Finding,
    Given,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import Held
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import Certificate, identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    PrivateKey = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey]

#: Most bytes of a file. The certificates of a cluster are some kilobytes.
MOST_BYTES = 1024 * 1024
_LONGEST_PATH = 4096
#: Longest chain from a certificate to its CA.
LONGEST_CHAIN = 8

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")
_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)


class ReadingError(Exception):
    """A file of the user is not usable. ``fault``: why. The message is one line without the name of the variable or the host."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Secret:
    """Bytes that no text form shows."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        """Return the bytes. The caller must keep them out of messages and logs."""
        return self._data

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> Any:
        raise TypeError("a secret cannot be pickled")


def read_source(source: str, secret: bool = False) -> bytes:
    """Return the bytes of ``source``, a path on the controller or PEM text. Raises ReadingError.

    ``secret``: the source is a key. Then no error quotes the source, which may be the text of a key without its first line instead of a path.
    """
    if "-----BEGIN " in source:
        return source.encode("utf-8", "surrogateescape")
    if not source.strip():
        raise ReadingError(Fault.NOT_GIVEN, "is empty. Set a path on the controller or PEM text.")
    if len(source) > _LONGEST_PATH or "\n" in source or "\0" in source:
        raise ReadingError(Fault.NO_PEM, "is neither a path nor PEM text. Set a path on the controller or PEM text.")
    where = "the file" if secret else source
    try:
        with open(os.path.expanduser(source), "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        after = f" cannot be read on the controller ({os.strerror(error.errno or 0)}). Correct the path."
        raise ReadingError(Fault.NO_FILE, fitted("", where, after, 120)) from None
    if len(data) > MOST_BYTES:
        raise ReadingError(Fault.NO_PEM, fitted("", where, f" has more than {MOST_BYTES} bytes. Set a file in PEM form.", 120))
    return data


def certificates(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of PEM data, in their order. Text between certificates may have any encoding. Raises ReadingError."""
    blocks = _CERTIFICATE.findall(data)
    if len(blocks) != data.count(_BEGIN_CERTIFICATE):
        raise ReadingError(Fault.DAMAGED, "has a certificate that is no PEM text. Copy the file again from your CA.")
    if not blocks:
        raise ReadingError(Fault.NO_PEM, "has no certificate in PEM form. Set a file with -----BEGIN CERTIFICATE-----.")
    found = []
    for number, block in enumerate(blocks, 1):
        try:
            certificate = x509.load_pem_x509_certificate(block)
            certificate_values(certificate)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ReadingError(Fault.DAMAGED, f"has a certificate that is no X.509 (number {number}). Copy the file again from your CA.") from None
        found.append(certificate)
    return found


def certificate_values(certificate: x509.Certificate) -> Certificate:
    """Return what a certificate says. Raises ValueError and UnsupportedAlgorithm for an extension or a key that is not readable."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    constraints = _extension(certificate, x509.BasicConstraints)
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    subject_key = _extension(certificate, x509.SubjectKeyIdentifier)
    authority_key = _extension(certificate, x509.AuthorityKeyIdentifier)
    public_key = certificate.public_key()
    # A wildcard is no host name, so it does not go through identity().
    hosts = names.get_values_for_type(x509.DNSName) if names else []
    said = identity(map(str, names.get_values_for_type(x509.IPAddress)) if names else [])
    return Certificate(
        names=frozenset(host.lower() for host in hosts),
        addresses=said.addresses,
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_id=subject_key.digest.hex() if subject_key else "",
        issuer_key_id=(authority_key.key_identifier or b"").hex() if authority_key else "",
        public_key=public_key_digest(public_key),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        key_type=public_key.curve.name if isinstance(public_key, ec.EllipticCurvePublicKey) else type(public_key).__name__.lstrip("_"),
        serves=usages is None or ExtendedKeyUsageOID.SERVER_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages,
        is_authority=bool(constraints and constraints.ca),
    )


def public_key_digest(public_key: Any) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo of a public key, in hexadecimal. Raises UnsupportedAlgorithm."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def private_key(data: bytes) -> PrivateKey:
    """Return the first private key of PEM data. The server reads PKCS #8, PKCS #1 and SEC 1 without encryption. Raises ReadingError."""
    block = _KEY.search(data)
    if block is None:
        raise ReadingError(Fault.NO_PEM, "has no private key in PEM form. Set a file with -----BEGIN PRIVATE KEY-----.")
    if block[1] == b"ENCRYPTED " or b"Proc-Type:" in block[0]:
        remedy = "Decrypt the key with openssl pkey, and keep the result in Ansible Vault."
        raise ReadingError(Fault.KEY_ENCRYPTED, f"is encrypted, and the server has no passphrase. {remedy}")
    try:
        key = serialization.load_pem_private_key(block[0], None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ReadingError(Fault.DAMAGED, "is no readable private key. Copy the file again from your CA.") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise ReadingError(Fault.KEY_TYPE, "has a key that the server cannot use, expected EC, RSA or Ed25519. Let your CA sign such a key.")
    return key


def chain(leaf: x509.Certificate, intermediates: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return the certificates from ``leaf`` to a CA of ``authorities``; only the leaf when no CA of ``authorities`` signed it.

    Checks signatures and names, not dates and uses.
    """
    found = [leaf]
    while len(found) < LONGEST_CHAIN:
        top = next((each for each in authorities if _signed(found[-1], each)), None)
        if top is not None:
            return [*found, top]
        above = next((each for each in intermediates if each not in found and _signed(found[-1], each)), None)
        if above is None:
            break
        found.append(above)
    return [leaf]


def given_files(host: str, ca: str, certificate: str, key: str) -> tuple[Given | None, list[Finding]]:
    """Return the files of a host for file_findings(), or the faults that reading them finds.

    ``ca``, ``certificate``, ``key``: values of banyandb_tls_ca, banyandb_tls_certificate and banyandb_tls_key, each a path or PEM text.
    """
    findings: list[Finding] = []
    read: dict[str, Any] = {}
    for variable, source, reader in (
        (CA_VARIABLE, ca, certificates),
        (CERTIFICATE_VARIABLE, certificate, certificates),
        (KEY_VARIABLE, key, private_key),
    ):
        try:
            read[variable] = reader(read_source(source, secret=variable == KEY_VARIABLE))
        except ReadingError as error:
            findings.append(Finding(host, error.fault, variable, fitted("", f"{host}: {variable}", f": {error}")))
    if findings:
        return None, findings
    leaf, *intermediates = read[CERTIFICATE_VARIABLE]
    found = chain(leaf, intermediates, read[CA_VARIABLE])
    digest = public_key_digest(read[KEY_VARIABLE].public_key())
    return Given([certificate_values(each) for each in found], digest, [certificate_values(each) for each in read[CA_VARIABLE]]), []


def held(certificate: str, bundle: str, pair: bool, served: Sequence[str] = ()) -> Held:
    """Return what a host holds, as the plan takes it.

    ``certificate``, ``bundle``: texts of ``node.crt`` and ``ca.crt`` as the host returns them, empty without the file or without a certificate in it.
    ``pair``: as the host returns it. ``served``: PEM text of the certificate that each port of the server serves now.
    """
    trusted = readable(bundle)
    own = readable(certificate)[:1]
    return Held(
        certificate=_with_issuer(own[0], trusted) if own else None,
        pair=pair,
        bundle=frozenset(authority_id(each) for each in trusted),
        served=frozenset(_with_issuer(each, trusted).issuer_key_id for text in served for each in readable(text)[:1]),
    )


def authority_id(certificate: x509.Certificate) -> str:
    """Return the name of a CA in the model: its subject key identifier, or the SHA-256 of its public key when it has none."""
    values = certificate_values(certificate)
    return values.key_id or values.public_key


def _with_issuer(certificate: x509.Certificate, trusted: Sequence[x509.Certificate]) -> Certificate:
    """Return the values of a certificate. The CA that signed it counts, not the authority key identifier, which may be missing."""
    values = certificate_values(certificate)
    issuer = next((each for each in trusted if _signed(certificate, each)), None)
    return values if issuer is None else values._replace(issuer_key_id=authority_id(issuer))


def readable(text: str) -> list[x509.Certificate]:
    """Return the certificates of a text, none when one of them is damaged."""
    try:
        return certificates(text.encode("utf-8", "surrogateescape")) if text else []
    except ReadingError:
        return []


def name_of(name: x509.Name) -> str:
    """Return the common name of a subject or an issuer, or the whole name when it has none."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def pem_of(found: Sequence[x509.Certificate]) -> str:
    """Return certificates as ASCII text, without the comments of their file and without duplicates."""
    texts = [each.public_bytes(serialization.Encoding.PEM).decode("ascii") for each in found]
    return "".join(dict.fromkeys(texts))


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    constraints = _extension(issuer, x509.BasicConstraints)
    if not constraints or not constraints.ca:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    """Return an extension of a certificate, None without it."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
