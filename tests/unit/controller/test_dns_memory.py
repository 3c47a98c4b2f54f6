# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observations that a run keeps for the next run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.dns_memory import MemoryFile
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.dns_nodes import Memory

ENTRY = {"name": "d1", "role": "data", "grpc_address": "10.0.0.1:17912", "node_name": "d1:17912", "roles": None, "labels": {"type": "hot"}}
MEMORY = Memory({"d2": 2}, {"d1": ENTRY}, {"d1": "d1.lab.test.:17912"})


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    file = MemoryFile(str(tmp_path), "default", ["_data._tcp.lab.test."])
    assert file.load() == (Memory(), ())
    file.save(MEMORY)
    assert file.load() == (MEMORY, ())


def test_clusters_and_names_are_kept_apart(tmp_path: Path) -> None:
    paths = {MemoryFile(str(tmp_path), cluster, names).path for cluster in ("default", "../x") for names in (["a."], ["b."], ["a.", "b."])}
    assert len(paths) == 6
    assert all(Path(path).parent == tmp_path / "clusters" for path in paths)
    assert MemoryFile(str(tmp_path), "c", ["a.", "b."]).path == MemoryFile(str(tmp_path), "c", ["b.", "a."]).path


@pytest.mark.parametrize(
    "data",
    [
        "{",
        [],
        {"missing": {}},
        {"missing": {"d2": "2"}, "entries": {}, "members": {}},
        {"missing": {}, "entries": {"d1": {"name": "d1", "grpc_address": "d1"}}, "members": {}},
        {"missing": {}, "entries": {"d1": {"name": "d1", "grpc_address": "d1:1"}}, "members": {}},
    ],
)
def test_an_unreadable_file_restarts_the_count_with_a_warning(tmp_path: Path, data: Any) -> None:
    file = MemoryFile(str(tmp_path), "default", ["a."])
    file.save(MEMORY)
    Path(file.path).write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    memory, (warning,) = file.load()
    assert memory == Memory()
    assert warning.startswith(f"{file.path}: not used, observations start again at 0: ")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "clusters").write_text("", encoding="utf-8")
    with pytest.raises(SnapshotError, match="Set another banyandb_srv_snapshot_dir"):
        MemoryFile(str(tmp_path), "default", ["a."]).save(MEMORY)
