# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests, made without the code under test, and what must never show a key."""

from __future__ import annotations

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


class Made:
    """A certificate with its key. ``issuer``: the Made that signs, None for a CA that signs itself. ``start`` and ``end``: days from now."""

    def __init__(self, name, issuer=None, hosts=(), key=None, start=-1, end=30, authority=None, usages=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        authority = issuer is None if authority is None else authority
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + start * DAY)
            .not_valid_after(NOW + end * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([general_name(host) for host in hosts]), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(PEM).decode()
        self.key_pem = self.key_text(serialization.PrivateFormat.PKCS8)

    def key_text(self, form, passphrase=""):
        encryption = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        return self.key.private_bytes(PEM, form, encryption).decode()


def general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def secrets_of(*keys):
    """Return texts that only somebody with one of these keys knows: its number in two bases, and the lines of its PEM forms."""
    found = set()
    for key in keys:
        number = getattr(key.private_numbers(), "private_value", None) or key.private_numbers().d
        found |= {str(number), f"{number:x}"}
        for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
            text = key.private_bytes(PEM, form, serialization.NoEncryption()).decode()
            found |= {line[:20] for line in text.splitlines()[1:-1] if len(line) > 40}
    return found


def texts_of(value, depth=4):
    """Return every text form of a value, of what it holds, and of the errors behind an error."""
    found = [repr(value), str(value), f"{value}"]
    if depth and isinstance(value, BaseException):
        found += [text for inner in (value.__cause__, value.__context__, *value.args) if inner is not None for text in texts_of(inner, depth - 1)]
    elif depth and isinstance(value, (list, tuple)):
        found += [text for inner in value for text in texts_of(inner, depth - 1)]
    elif depth and hasattr(value, "__dict__"):
        found += [text for inner in vars(value).values() for text in texts_of(inner, depth - 1)]
    return found
