# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a liaison for the keys of its schema, and a data node for the keys that it has. Standard library only, Python 3.9+."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import grpc_call
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.content_questions import CONTENT_PATH, GROUPS_PATH
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import groups_from
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.schema_keys import SchemaKey, keys_from, lacking, refusal
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.wire_messages import field, fields

METHOD = "banyandb.cluster.v1.NodeSchemaStatusService/GetKeyRevisions"
WORKERS = 16
PAUSE_SECONDS = 0.5
# Bytes of one question. Its answer repeats the keys, so _LARGEST is enough for the answer.
_MOST_BYTES = 12_000
_LARGEST = 65_536
_ABSENT = 0


def liaison_keys(client: HttpClient) -> list[SchemaKey] | Failure:
    """Return the keys of all groups of users that a liaison knows, or why one question has no answer. ``client``: of the liaison's HTTP port."""
    groups = client.ask(GROUPS_PATH, lambda body: groups_from(json.loads(body)))
    if isinstance(groups, Failure):
        return groups
    keys: list[SchemaKey] = []
    for group in groups:
        if not group.has_properties:
            found = client.ask(CONTENT_PATH + urllib.parse.quote(group.name, safe=""), lambda body: keys_from(json.loads(body)))
            if isinstance(found, Failure):
                return found
            keys += found
    return keys


def lacking_on(node: Node, keys: Sequence[SchemaKey], timeout: float) -> list[SchemaKey] | Failure:
    """Return the keys that a data node lacks, or why the answer is missing. ``timeout`` in seconds, for each part of the question."""
    present: list[SchemaKey] = []
    for part in _parts(keys):
        found = grpc_call.call(node, [(METHOD, b"".join(part))], timeout, largest=_LARGEST)
        if isinstance(found, Failure):
            return found
        try:
            present += _present(found[0])
        except ValueError as error:
            return Failure.at(node.grpc_address, ErrorKind.NOT_BANYANDB, f"answers with something else ({error})")
    return lacking(keys, present)


def nodes_without_schema(client: HttpClient, nodes: Sequence[Node], timeout: float, each: float) -> dict[str, str]:
    """Wait until all ``nodes`` have the schema that the liaison behind ``client`` knows, about ``timeout`` seconds at most.

    ``each``: seconds for one question to one node. The last round reads the liaison's keys again: a deleted object is no reason to refuse a node.
    A liaison may fail to answer for 11 s after a data node has died (see content_questions), so each round asks a failing liaison again.
    Return the nodes that do not have the schema: entry name -> why (see schema_keys.refusal).
    """
    began = time.monotonic()
    by_name = {node.name: node for node in nodes}
    left, last = [*by_name], False
    keys: list[SchemaKey] | Failure = []
    while True:
        if last or not keys or isinstance(keys, Failure):
            keys = liaison_keys(client)
        lack = dict.fromkeys(left, keys) if isinstance(keys, Failure) else _lacking(keys, [by_name[name] for name in left], each)
        left = [name for name in left if lack[name]]
        waited = time.monotonic() - began
        if last or not left:
            return {name: refusal(lack[name], waited) for name in left}
        last = waited + PAUSE_SECONDS >= timeout
        time.sleep(PAUSE_SECONDS)


def _lacking(keys: Sequence[SchemaKey], nodes: Sequence[Node], each: float) -> dict[str, list[SchemaKey] | Failure]:
    """Ask all nodes side by side. Return the keys that each node lacks, or why the answer is missing."""
    by_name = {node.name: node for node in nodes}
    rounds = -(-len(by_name) // WORKERS) * max(1, len([*_parts(keys)]))
    found = side_by_side(lambda name: lacking_on(by_name[name], keys, each), by_name, WORKERS, rounds * each + 1.0)
    return {name: found[name] if name in found else Failure.late(node.grpc_address, each) for name, node in by_name.items()}


def _parts(keys: Sequence[SchemaKey]) -> Iterator[list[bytes]]:
    """Yield the fields of the requests that ask for all keys."""
    part: list[bytes] = []
    for key in keys:
        asked = field(1, b"".join(field(number, text.encode()) for number, text in enumerate(key, start=1)))
        if part and sum(map(len, part)) + len(asked) > _MOST_BYTES:
            yield part
            part = []
        part.append(asked)
    if part:
        yield part


def _present(message: bytes) -> list[SchemaKey]:
    """Return the keys that a GetKeyRevisionsResponse calls present. Raises ValueError."""
    present = []
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            entry = dict(fields(value))
            key = entry.get(1)
            if entry.get(3, _ABSENT) != _ABSENT and isinstance(key, bytes):
                texts = {place: text.decode() for place, text in fields(key) if isinstance(text, bytes)}
                present.append(SchemaKey(texts.get(1, ""), texts.get(2, ""), texts.get(3, "")))
    return present
