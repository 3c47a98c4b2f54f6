# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points as the processes of the simulator keep them and pass them on: a wire of their own, not the real server's.

A record is one point of one shard: which measure and series it is of, its time and version, and the DataPoint message
that a query answers with. Records are told apart and put in order without reading that message.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct

_HEAD = struct.Struct(">8s8sqqI")
POINTS = "points"


def digest(*parts):
    """Eight bytes that stand for some byte strings."""
    joined = hashlib.sha1()
    for part in parts:
        joined.update(struct.pack(">I", len(part)) + part)
    return joined.digest()[:8]


def record(measure, series, time, version, body):
    """measure, series: digests; time: nanoseconds; body: the bytes of a DataPoint."""
    return _HEAD.pack(measure, series, time, version, len(body)) + body


def records(data):
    """What `record` was given, and the whole record, for each record of data: (measure, series, time, version, body, whole)."""
    start = 0
    while start < len(data):
        measure, series, time, version, length = _HEAD.unpack_from(data, start)
        body = start + _HEAD.size
        yield measure, series, time, version, data[body : body + length], data[start : body + length]
        start = body + length


def repeated(message):
    """A message as an item of field 1 of another one: what a query's answer is made of."""
    length, size = bytearray(b"\x0a"), len(message)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes(length) + message


def with_head(head, data):
    """Bytes that tell something (a value for JSON) about the data after it."""
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data


def split_head(data):
    """What `with_head` was given."""
    head, _, rest = bytes(data).partition(b"\n")
    return json.loads(head), rest


def measure_root(flags):
    """Where a data node or liaison keeps measures."""
    return os.path.abspath(flags["measure-data-path"] or os.path.join(flags["measure-root-path"], "measure", "data"))


def make_private(path):
    """Create a directory and its missing parents, each 0700 (contract, section 5)."""
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent != path:
            make_private(parent)
        os.mkdir(path, 0o700)


def write_whole(path, data):
    """Write a file so that it is there whole or not at all, whenever the process is killed."""
    make_private(os.path.dirname(path))
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)
