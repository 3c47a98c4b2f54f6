# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The helper that writes files. tests/unit/host/test_topology_file.py and tests/crash test it on failing disks and in killed processes."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import (
    PRIVATE,
    READABLE,
    leftovers,
    put_link,
    remove,
    write,
    writing,
)

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), writing(str(path), READABLE) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["f"]


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("target")
    put_link(str(tmp_path / "f"), "target")
    write(str(tmp_path / "f"), b"new", PRIVATE)
    assert (tmp_path / "target").read_text() == "target"
    assert not (tmp_path / "f").is_symlink() and (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    put_link(str(tmp_path / "f"), "target")
    assert os.readlink(tmp_path / "f") == "target"
    remove(str(tmp_path / "f"))
    assert os.listdir(tmp_path) == ["target"]


def test_a_path_without_a_directory_is_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("f", b"x", READABLE)
    assert os.listdir(tmp_path) == ["f"]


def test_a_link_that_cannot_be_put_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError):
        put_link(str(tmp_path / "f"), "target")
    assert os.listdir(tmp_path) == ["f"]


def test_what_a_killed_writer_left_is_found_by_the_names_that_it_wrote(tmp_path: Path) -> None:
    for name in (".a.0123456789abcdef.tmp", ".b.0123456789abcdef.tmp", ".a.tmp", "a"):
        (tmp_path / name).write_text("")
    assert leftovers(str(tmp_path), "a|c") == [str(tmp_path / ".a.0123456789abcdef.tmp")]


def test_a_lock_without_a_limit_is_waited_for_and_one_with_a_limit_names_its_holder(tmp_path: Path) -> None:
    with locked(str(tmp_path)):
        with pytest.raises(Busy) as busy, locked(str(tmp_path), 0.1):
            raise AssertionError("the lock is held by two")
        assert busy.value.holder == os.getpid()
    with locked(str(tmp_path)):
        pass


def test_no_other_file_renames_syncs_or_locks() -> None:
    """One helper for locks, one for atomic writes."""
    ours = {"disk/whole_files.py": {"rename", "fsync", "symlink"}, "disk/locks.py": {"flock"}, "host/files/installed_release.py": {"rename"}}
    # Not whole files: the ledger appends lines, and a server reads only a users file that was written in place.
    ours |= {"controller/rollout/ledger.py": {"fsync"}, "host/files/server_users_file.py": {"fsync", "flock"}}
    utils = PLUGINS / "module_utils"
    for path in PLUGINS.rglob("*.py"):
        place = path.relative_to(utils).as_posix() if path.is_relative_to(utils) else path.name
        calls = {
            part.func.attr
            for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
        }
        assert calls & {"rename", "renames", "fsync", "fdatasync", "symlink", "flock", "lockf"} <= ours.get(place, set()), path
