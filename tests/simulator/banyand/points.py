# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The format of points in the simulator's files and messages. The real server has another format.

A record is one point of one shard: digests of its measure and series, its time and version, and the DataPoint message
of a query's answer. The code compares and sorts records without reading that message.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct

_HEAD = struct.Struct(">8s8sqqI")
POINTS = "points"


def digest(*parts):
    """Return eight bytes that stand for some byte strings."""
    joined = hashlib.sha1()
    for part in parts:
        joined.update(struct.pack(">I", len(part)) + part)
    return joined.digest()[:8]


def record(measure, series, time, version, body):
    """Return a record. measure, series: digests; time: nanoseconds; body: the bytes of a DataPoint."""
    return _HEAD.pack(measure, series, time, version, len(body)) + body


def records(data):
    """Yield each record of data: (measure, series, time, version, body, whole record)."""
    start = 0
    while start < len(data):
        measure, series, time, version, length = _HEAD.unpack_from(data, start)
        body = start + _HEAD.size
        yield measure, series, time, version, data[body : body + length], data[start : body + length]
        start = body + length


def repeated(message):
    """Return a message as an item of field 1 of another message, such as a query's answer."""
    length, size = bytearray(b"\x0a"), len(message)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes(length) + message


def with_head(head, data):
    """Return data with a head before it. The head is a value for JSON."""
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data


def split_head(data):
    """Return the two arguments of `with_head`."""
    head, _, rest = bytes(data).partition(b"\n")
    return json.loads(head), rest


def measure_root(flags):
    """Return the directory for measures of a data node or liaison."""
    return os.path.abspath(flags["measure-data-path"] or os.path.join(flags["measure-root-path"], "measure", "data"))


def make_private(path):
    """Create a directory and its missing parents, each with mode 0700 (contract, section 5)."""
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent != path:
            make_private(parent)
        os.mkdir(path, 0o700)


def write_whole(path, data):
    """Write a file atomically, even if the process is killed."""
    make_private(os.path.dirname(path))
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)
