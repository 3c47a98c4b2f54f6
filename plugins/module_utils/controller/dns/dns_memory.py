# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the memory of a cluster's nodes in DNS between runs that changed hosts, on the controller's disk beside the snapshots.

The file is ``<directory>/clusters/<cluster>-<digest>.json``. The digest is of the cluster's name and SRV names, so clusters of two inventories with
the same name do not share their observations.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import PRIVATE, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.dns_nodes import Memory
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, TopologyError


class MemoryFile:
    """The file of one cluster. ``directory``: directory of the snapshots; ``services``: SRV names of the cluster."""

    def __init__(self, directory: str, cluster: str, services: Iterable[str]) -> None:
        self.directory = os.path.join(os.path.expanduser(directory), "clusters")
        plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "-" for letter in cluster)
        digest = hashlib.sha256(json.dumps([cluster, *sorted(services)]).encode()).hexdigest()[:12]
        self.path = os.path.join(self.directory, f"{plain[:80]}-{digest}.json")

    def load(self) -> tuple[Memory, tuple[str, ...]]:
        """Return the memory, and a warning when the file is not readable.

        Without a memory the observations start at 0, so no node is removed.
        """
        try:
            with open(self.path, "rb") as stream:
                return _memory(json.loads(stream.read())), ()
        except FileNotFoundError:
            return Memory(), ()
        except (OSError, ValueError, RecursionError) as error:
            return Memory(), (f"{self.path}: not used, observations start again at 0: {error}",)

    def save(self, memory: Memory) -> None:
        """Write the memory. Raises SnapshotError."""
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            with locked(self.directory):
                write(self.path, json.dumps(asdict(memory), indent=1).encode() + b"\n", PRIVATE)
        except OSError as error:
            raise SnapshotError(f"{self.path}: cannot be written: {error.strerror}. Set another banyandb_srv_snapshot_dir.") from None


def _memory(data: Any) -> Memory:
    """Return the memory in parsed JSON. Raises ValueError and its subclass TopologyError."""
    if not isinstance(data, dict) or not all(isinstance(data.get(key), dict) for key in ("missing", "entries", "members")):
        raise ValueError("it is no mapping with missing, entries and members")
    if not all(isinstance(count, int) for count in data["missing"].values()) or not all(isinstance(text, str) for text in data["members"].values()):
        raise ValueError("missing are no numbers, or members are no texts")
    for name, entry in data["entries"].items():
        Node.from_mapping(entry, f"entries.{name}")
        if not isinstance(entry.get("node_name"), str) or not isinstance(entry.get("role"), str):
            raise TopologyError(f"entries.{name}: node_name or role is missing")
    return Memory(data["missing"], data["entries"], data["members"])
