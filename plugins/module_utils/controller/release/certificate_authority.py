# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a CA on the controller, keep it in a directory, and issue the certificates of hosts.

The directory has one file a CA, ``ca-<number>.pem``, with the certificate and the encrypted key. So one rename makes a CA, and a crash leaves no half
CA. The highest number is the CA to use. Two files are a rotation under way: the newer CA is the next one. ``retire`` deletes the older files.
A file without a key is a CA that the hosts trust and that signs nothing, such as ``ca.crt`` of a host after a loss of the directory.

Where keys are made: the controller makes the key of a host in memory, and the caller sends the key to this host once. Hosts have only the standard
library of Python, which makes no keys, and maybe no openssl; so a host cannot make a key and a CSR. Each later certificate is for the same public
key, taken from the host's present certificate, so a renewal sends nothing secret. No key of a host is ever in a file of the controller.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import (
    CRYPTOGRAPHY_IMPORT_ERROR,
    MOST_BYTES,
    ReadingError,
    Secret,
    certificate_values,
    certificates,
    pem_of,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, NotLockable, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import PRIVATE, leftovers, make_parents, remove, sync, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CURVE, Certificate, Identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

if not CRYPTOGRAPHY_IMPORT_ERROR:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

LOCK_SECONDS = 30.0
#: Most days of a certificate. RFC 5280 has no limit; a century needs no arithmetic near the end of the calendar.
MOST_DAYS = 36_500
#: A certificate is valid from one hour before it is made, so that a host whose clock is up to one hour slow accepts it.
BACKDATED = timedelta(hours=1)
#: Most bytes of a passphrase that OpenSSL takes.
MOST_PASSPHRASE = 1023
#: Most characters of a common name (RFC 5280, appendix A.1, ub-common-name).
_MOST_COMMON_NAME = 64

_NAME = re.compile(r"ca-([1-9][0-9]{0,8})\.pem")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----\s[A-Za-z0-9+/=\s]*-----END ENCRYPTED PRIVATE KEY-----\n?")


class AuthorityFault(str, Enum):
    """Why a CA is not usable."""

    NO_PASSPHRASE = "no_passphrase"
    LONG_PASSPHRASE = "long_passphrase"
    WRONG_PASSPHRASE = "wrong_passphrase"
    OPEN_TO_OTHERS = "open_to_others"
    DAMAGED = "damaged"
    NOT_ENCRYPTED = "not_encrypted"
    NO_KEY = "no_key"
    EXPIRED = "expired"
    BAD_DAYS = "bad_days"
    NOT_NEWEST = "not_newest"
    UNREADABLE = "unreadable"
    NOT_WRITTEN = "not_written"
    BUSY = "busy"


class AuthorityError(Exception):
    """The CA is not usable. The message says what, where and what to do; it has no key and no passphrase."""

    def __init__(self, fault: AuthorityFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class Authority:
    """A CA in the directory. ``encrypted_key``: PEM text of its key, None for a CA that signs nothing."""

    path: str
    number: int
    certificate: x509.Certificate
    values: Certificate
    encrypted_key: Secret | None = field(default=None, repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """The name of the CA in the model: its subject key identifier, in hexadecimal."""
        return self.values.key_id


class Signer:
    """A CA with its key in memory."""

    __slots__ = ("_key", "authority")

    def __init__(self, authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
        self.authority = authority
        self._key = key

    def __repr__(self) -> str:
        return f"<signer {self.authority.path}>"

    def __reduce__(self) -> Any:
        raise TypeError("a signer cannot be pickled")

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Return the signed certificate."""
        return builder.sign(self._key, hashes.SHA256())


class Issued(NamedTuple):
    """A new certificate of a host, as PEM text. ``key``: its key as PEM text (PKCS #8); None when the host keeps its key."""

    certificate: str
    values: Certificate
    key: Secret | None


def authorities(directory: str) -> list[Authority]:
    """Return the CAs in the directory, oldest first; none without the directory. Needs no passphrase. Raises AuthorityError."""
    try:
        _refuse_open(directory, os.stat(directory).st_mode, 0o700)
        numbers = sorted(int(match[1]) for match in map(_NAME.fullmatch, os.listdir(directory)) if match)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(directory, error) from None
    read = (_read(os.path.join(directory, f"ca-{number}.pem"), number) for number in numbers)
    return [authority for authority in read if authority is not None]


def ensure(directory: str, passphrase: str, days: int, now: datetime) -> list[Authority]:
    """Return the CAs in the directory, oldest first. Make the first CA when there is none.

    ``passphrase``: of the newest CA. ``days``: life of a new CA. ``now``: UTC. Two runs at the same time make one CA. Raises AuthorityError: also
    when the passphrase does not open the newest CA.
    """
    found = authorities(directory)
    if not found:
        check_passphrase(directory, passphrase)
        with _alone(directory):
            found = authorities(directory)  # another run may have made it meanwhile
            if not found:
                _make(directory, 1, passphrase, days, now)
                found = authorities(directory)
    unlock(found[-1], passphrase)
    return found


def begin_rotation(directory: str, passphrase: str, days: int, now: datetime) -> list[Authority]:
    """Return the CAs of a rotation, oldest first. Make the next CA unless a rotation is under way. Arguments and errors as with ensure().

    The older CA needs neither its key nor its passphrase, so a rotation also replaces a CA whose passphrase is lost.
    """
    check_passphrase(directory, passphrase)
    with _alone(directory):
        found = authorities(directory)
        if len(found) < 2 or found[-1].encrypted_key is None:
            _make(directory, found[-1].number + 1 if found else 1, passphrase, days, now)
            found = authorities(directory)
    unlock(found[-1], passphrase)
    return found


def retire(directory: str, newest: str) -> list[str]:
    """Delete all CAs but the newest one, and return the deleted paths. The last step of a rotation.

    ``newest``: key identifier of the CA that stays, as in the plan; another newest CA is an error. Raises AuthorityError.
    """
    with _alone(directory):
        found = authorities(directory)
        if not found or found[-1].key_id != newest:
            text = ": another run changed the CAs meanwhile. Nothing was deleted. Run this again."
            raise AuthorityError(AuthorityFault.NOT_NEWEST, fitted("", directory, text))
        paths = [each.path for each in found[:-1]]
        try:
            for path in paths:
                remove(path)
        except OSError as error:
            raise _not_written(directory, error) from None
        return paths


def unlock(authority: Authority, passphrase: str) -> Signer:
    """Return the CA with its key. Raises AuthorityError."""
    where = authority.path
    if authority.encrypted_key is None:
        raise AuthorityError(AuthorityFault.NO_KEY, fitted("", where, ": has no key, so this CA signs nothing. Restore the file, or rotate the CA."))
    check_passphrase(where, passphrase)
    pem = authority.encrypted_key.reveal()
    if _is_encrypted(pem):
        try:
            key = serialization.load_pem_private_key(pem, _encoded(passphrase))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            text = ": banyandb_ca_passphrase does not open this CA. Set its passphrase, or restore the file if the file is damaged."
            raise AuthorityError(AuthorityFault.WRONG_PASSPHRASE, fitted("", where, text)) from None
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == authority.certificate.public_key():
            return Signer(authority, key)
    raise _damaged(where, "has no key that fits its certificate")


def issue(signer: Signer, name: str, wanted: Identity, days: int, now: datetime, present: x509.Certificate | None = None) -> Issued:
    """Return a new certificate for a host.

    ``name``: inventory name, for people who read the certificate. ``wanted``: names and addresses. ``days``: life; it ends at the latest with the CA.
    ``now``: UTC. ``present``: certificate whose key the host keeps; None makes a new key. Raises AuthorityError, and ValueError when ``wanted`` is
    empty or the key of ``present`` is of another type.
    """
    _check_days("banyandb_certificate_days", days)
    if not wanted.names and not wanted.addresses:
        raise ValueError(f"{name}: no name and no address for a certificate")
    authority = signer.authority.certificate
    if authority.not_valid_after_utc <= now:
        text = f": this CA expired on {authority.not_valid_after_utc:%Y-%m-%d}. Rotate the CA."
        raise AuthorityError(AuthorityFault.EXPIRED, fitted("", signer.authority.path, text))
    key = None if present else ec.generate_private_key(ec.SECP256R1())
    public_key = present.public_key() if present else key.public_key() if key else None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != CURVE:
        raise ValueError(f"{name}: expected a key on {CURVE}")
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in sorted(wanted.names)]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in sorted(wanted.addresses)]
    start = max(now.replace(microsecond=0) - BACKDATED, authority.not_valid_before_utc)
    builder = (
        _builder(_subject(name), public_key, start, min(now.replace(microsecond=0) + timedelta(days=days), authority.not_valid_after_utc))
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_authority_key(authority), critical=False)
    )
    certificate = signer.sign(builder)
    return Issued(pem_of([certificate]), certificate_values(certificate), None if key is None else Secret(_pem_of_key(key)))


def bundle(found: Sequence[Authority], key_ids: Sequence[str]) -> str:
    """Return the text of ``ca.crt`` with the CAs of ``key_ids``, in the order of ``found``. Raises KeyError for a CA that is not in ``found``."""
    known = {each.key_id: each.certificate for each in found}
    wanted = {key_id: known[key_id] for key_id in key_ids}
    return pem_of([known[each.key_id] for each in found if each.key_id in wanted])


def _make(directory: str, number: int, passphrase: str, days: int, now: datetime) -> None:
    """Write a new CA. The caller holds the lock."""
    _check_days("banyandb_ca_days", days)
    key = ec.generate_private_key(ec.SECP256R1())
    start = now.replace(microsecond=0)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Two CAs with one name would make a client try both for each signature.
    subject = _subject(f"BanyanDB CA {identifier.digest.hex()[:16]}")
    certificate = (
        _builder(subject, key.public_key(), start - BACKDATED, start + timedelta(days=days))
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(_encoded(passphrase))
    )
    try:
        for path in leftovers(directory, _NAME.pattern):
            remove(path)
        write(os.path.join(directory, f"ca-{number}.pem"), pem_of([certificate]).encode() + encrypted, PRIVATE)
    except OSError as error:
        raise _not_written(directory, error) from None


def _builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey, start: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        # 159 random bits: at most 20 octets and positive (RFC 5280, section 4.1.2.2).
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:_MOST_COMMON_NAME])])


def _authority_key(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(**used: bool) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: used.get(usage, False) for usage in usages})


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _read(path: str, number: int) -> Authority | None:
    """Return the CA of a file, None when another run deleted the file. Raises AuthorityError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise _damaged(path, "is no regular file")
            _refuse_open(path, status.st_mode, 0o600)
            data = file.read(MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        found = certificates(data)
        values = [certificate_values(each) for each in found]
    except ReadingError:
        raise _damaged(path, "has no readable certificate") from None
    if len(found) != 1 or not values[0].is_authority or not values[0].key_id:
        raise _damaged(path, "expected one certificate, of a CA")
    key = _ENCRYPTED.search(data)
    if key is None and b"PRIVATE KEY-----" in data:
        if b"ENCRYPTED" in data:
            raise _damaged(path, "its key is no PEM text")
        raise AuthorityError(AuthorityFault.NOT_ENCRYPTED, fitted("", path, ": its key is not encrypted. Encrypt it with openssl pkcs8 -topk8."))
    return Authority(path, number, found[0], values[0], Secret(key[0]) if key else None)


def _is_encrypted(pem: bytes) -> bool:
    """Return whether the structure of the key is whole. The loader asks for the passphrase only then."""
    try:
        serialization.load_pem_private_key(pem, None)
    except TypeError:
        return True
    except (ValueError, UnsupportedAlgorithm):
        pass
    return False


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Make the directory when it is missing, and hold its lock. Raises AuthorityError."""
    try:
        make_parents(directory)
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        else:
            # A power cut must not lose the directory after hosts have certificates of its CA.
            sync(os.path.dirname(directory))
        with locked(directory, LOCK_SECONDS):
            yield
    except Busy as busy:
        text = f": process {busy.holder} has held it for {LOCK_SECONDS:g} s. Wait until the other run ends, then run this again."
        raise AuthorityError(AuthorityFault.BUSY, fitted("", directory, text)) from None
    except NotLockable:
        text = ": its file system has no locks. Set banyandb_ca_dir to a local directory."
        raise AuthorityError(AuthorityFault.NOT_WRITTEN, fitted("", directory, text)) from None
    except OSError as error:
        raise _not_written(directory, error) from None


def check_passphrase(where: str, passphrase: str) -> None:
    if not passphrase:
        text = ": its key needs a passphrase. Set banyandb_ca_passphrase, in Ansible Vault."
        raise AuthorityError(AuthorityFault.NO_PASSPHRASE, fitted("", where, text))
    if len(_encoded(passphrase)) > MOST_PASSPHRASE:
        text = f"banyandb_ca_passphrase: has more than {MOST_PASSPHRASE} bytes. Set a shorter one."
        raise AuthorityError(AuthorityFault.LONG_PASSPHRASE, text)


def _encoded(passphrase: str) -> bytes:
    # An error of encode() would hold the passphrase.
    return passphrase.encode("utf-8", "surrogatepass")


def _check_days(variable: str, days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise AuthorityError(AuthorityFault.BAD_DAYS, f"{variable}: expected 1 to {MOST_DAYS} days. Correct it.")


def _refuse_open(path: str, mode: int, expected: int) -> None:
    if stat.S_IMODE(mode) & 0o077:
        text = f": has the mode {stat.S_IMODE(mode):04o}, expected {expected:04o}. Run chmod {expected:o} on it."
        raise AuthorityError(AuthorityFault.OPEN_TO_OTHERS, fitted("", path, text))


def _damaged(path: str, why: str) -> AuthorityError:
    return AuthorityError(AuthorityFault.DAMAGED, fitted("", path, f": {why}. Restore the file from a backup, or rotate the CA."))


def _unreadable(path: str, error: OSError) -> AuthorityError:
    text = f": {os.strerror(error.errno or 0)}. Repair it, or set another banyandb_ca_dir."
    return AuthorityError(AuthorityFault.UNREADABLE, fitted("", path, text))


def _not_written(path: str, error: OSError) -> AuthorityError:
    text = f": not written: {os.strerror(error.errno or 0)}. Repair the file system, or set another banyandb_ca_dir."
    return AuthorityError(AuthorityFault.NOT_WRITTEN, fitted("", path, text))
