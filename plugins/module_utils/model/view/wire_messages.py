# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the answers of a gRPC port, and write requests, without protobuf. Pure. Standard library only, Python 3.9+.

Numbers and types of the fields: ``protos/`` and section 4 of the contract. Wire format: protobuf.dev/programming-guides/encoding. The functions
return what protobuf returns: a field that occurs again replaces a value and extends a message. A missing field has the default of proto3.
Groups are no part of proto3, so this module refuses them.
"""

from __future__ import annotations

import time
from typing import Union

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View

Fields = list[tuple[int, Union[int, bytes]]]

_ROLES = {0: "ROLE_UNSPECIFIED", 1: "ROLE_META", 2: "ROLE_DATA", 3: "ROLE_LIAISON"}
_HEALTH = {1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
# A Timestamp is a date of the years 1 to 9999.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_MOST_NUMBER = (1 << 29) - 1
_LONGEST_VARINT = 10


def view(message: bytes) -> View:
    """Return the view in a ``banyandb.database.v1.GetClusterStateResponse``. Raises ValueError."""
    tables = {}
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            entry = fields(value)
            tables[_text(entry, 1)] = _route_table(_message(entry, 2) or b"")
    return View(tables)


def current_node(message: bytes) -> Identity:
    """Return the identity in a ``banyandb.database.v1.GetCurrentNodeResponse``. Raises ValueError, also for an answer without a node."""
    node = _message(fields(message), 1)
    if node is None:
        raise ValueError("an answer without a node")
    return identity(node)


def health(message: bytes) -> str:
    """Return the status in a ``grpc.health.v1.HealthCheckResponse``. A number without a name is UNKNOWN. Raises ValueError."""
    return _HEALTH.get(_integer(fields(message), 1), "UNKNOWN")


def revision(message: bytes) -> int:
    """Return the revision in a ``banyandb.cluster.v1.GetMaxRevisionResponse``. Raises ValueError."""
    return _integer(fields(message), 1)


def identity(message: bytes) -> Identity:
    """Return the identity in a ``banyandb.database.v1.Node``. A role without a name becomes its number. Raises ValueError."""
    found = fields(message)
    roles: list[int] = []
    labels: dict[str, str] = {}
    for number, value in found:
        if number == 2:
            roles += [value] if isinstance(value, int) else varints(value)
        elif number == 6 and isinstance(value, bytes):
            entry = fields(value)
            labels[_text(entry, 1)] = _text(entry, 2)
    return Identity(
        node_name=_text(fields(_message(found, 1) or b""), 2),
        grpc_address=_text(found, 3),
        roles=tuple(_ROLES.get(role, str(role)) for role in map(_enum, roles)),
        labels=tuple(sorted(labels.items())),
        created_at=_date(_message(found, 5)),
    )


def fields(message: bytes) -> Fields:
    """Return the fields of a message: (number, integer or bytes). Raises ValueError for an invalid message."""
    found: Fields = []
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if not 1 <= number <= _MOST_NUMBER:
            raise ValueError(f"a field with the number {number}")
        if kind == 0:
            value, at = _varint(message, at)
            found.append((number, value))
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if at + size > len(message):
            raise ValueError("a field that ends after its message")
        if kind == 2:
            found.append((number, message[at : at + size]))
        at += size
    return found


def field(number: int, value: bytes) -> bytes:
    """Return a field of text, bytes or a message. ``number``: 15 at most."""
    size, length = len(value), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def varints(data: bytes) -> list[int]:
    """Return the numbers of a packed repeated field. Raises ValueError."""
    found = []
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _route_table(message: bytes) -> RouteTable:
    found = [(number, value) for number, value in fields(message) if isinstance(value, bytes)]
    return RouteTable(
        registered=tuple(identity(value) for number, value in found if number == 1),
        active=tuple(value.decode() for number, value in found if number == 2),
        evictable=tuple(value.decode() for number, value in found if number == 3),
    )


def _message(found: Fields, wanted: int) -> bytes | None:
    """Return an embedded message, or None. Occurrences of one field are the parts of one message."""
    parts = [value for number, value in found if number == wanted and isinstance(value, bytes)]
    return b"".join(parts) if parts else None


def _text(found: Fields, wanted: int) -> str:
    return next((value.decode() for number, value in reversed(found) if number == wanted and isinstance(value, bytes)), "")


def _integer(found: Fields, wanted: int) -> int:
    """Return a field of type int64 or smaller."""
    value = next((value for number, value in reversed(found) if number == wanted and isinstance(value, int)), 0)
    return value - (1 << 64) if value >> 63 else value


def _enum(value: int) -> int:
    """Return the 32 bits of an enum, or of an int32."""
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _date(timestamp: bytes | None) -> str:
    """Return a Timestamp as RFC 3339, as in the server's JSON, or an empty text. Raises ValueError for a Timestamp that is no date."""
    if timestamp is None:
        return ""
    found = fields(timestamp)
    seconds, nanos = _integer(found, 1), _enum(_integer(found, 2))
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < 10**9):
        raise ValueError("a node with a created_at that is no date")
    try:
        date = time.gmtime(seconds)  # of given seconds, so this reads no clock
    except (OverflowError, OSError):  # a date after 2038 on a 32-bit host
        raise ValueError("a node with a created_at that this host cannot represent") from None
    fraction = f".{nanos:09}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    day = f"{date.tm_year:04}-{date.tm_mon:02}-{date.tm_mday:02}"
    return f"{day}T{date.tm_hour:02}:{date.tm_min:02}:{date.tm_sec:02}{fraction.rstrip('.')}Z"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= len(data):
            break
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            if value >> 64:
                break
            return value, at
    raise ValueError("a number without an end")
