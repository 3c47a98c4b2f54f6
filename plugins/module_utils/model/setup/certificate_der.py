# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the serial number and the end of a certificate in DER form (X.690), and find certificates in PEM data (RFC 7468). Pure.

Hosts have no library for certificates. The standard library reads a certificate only through ``ssl._ssl._test_decode_cert``, which is private.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime

_SEQUENCE, _INTEGER, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


class BadDer(ValueError):
    """The bytes are no certificate."""


def serial_and_end(der: bytes) -> tuple[int, str]:
    """Return the serial number of a certificate, and the end of its validity in UTC, such as ``2027-01-31T12:00:00Z``. Raises BadDer."""
    fields = _elements(_first(_first(der)))
    # TBSCertificate (RFC 5280, section 4.1): [0] version, serialNumber, signature, issuer, validity.
    found = [element for element in fields if element[0] != _VERSION][:4]
    if [tag for tag, _content in found] != [_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE]:
        raise BadDer("no certificate")
    times = [*_elements(found[3][1])]
    if len(times) != 2:
        raise BadDer("no validity")
    return int.from_bytes(found[0][1], "big", signed=True), _moment(*times[1])


def certificates_in(data: bytes) -> list[bytes]:
    """Return the certificates of PEM data in DER form, in their order. Other text is left out. Raises BadDer for a block that is no base64."""
    try:
        return [base64.b64decode(b"".join(block.split()), validate=True) for block in _PEM.findall(data)]
    except binascii.Error:
        raise BadDer("no base64") from None


def _first(data: bytes) -> bytes:
    """Return the content of the sequence at the start of ``data``. Raises BadDer."""
    tag, content = next(_elements(data), (0, b""))
    if tag != _SEQUENCE:
        raise BadDer("no sequence")
    return content


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the elements of ``data``. Raises BadDer."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1] if at + 1 < len(data) else 0x80, at + 2
        if length >= 0x80:
            count = length & 0x7F
            # DER has no indefinite length. Four octets are enough for 4 GiB.
            if not 1 <= count <= 4 or at + count > len(data):
                raise BadDer("bad length")
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise BadDer("bad element")
        yield tag, data[at : at + length]
        at += length


def _moment(tag: int, content: bytes) -> str:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:  # two digits of the year, 1950 to 2049 (RFC 5280, section 4.1.2.5.1)
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise BadDer("no time")
    try:
        return f"{datetime.strptime(text, '%Y%m%d%H%M%SZ'):%Y-%m-%dT%H:%M:%SZ}"
    except ValueError:
        raise BadDer("no time") from None
