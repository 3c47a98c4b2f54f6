# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill what writes the users of a server, before and after each of its system calls and in the middle of each write.

The file is written in place. After each kill: the file is the complete old file or the complete new file, or the host shows that a write was
interrupted. The next run leaves the complete new file and nothing else.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.server_users_file import found_users, put_users
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import padded, users_text

from .killing import kill, moments, traced

ME = pwd.getpwuid(os.geteuid()).pw_name
OLD, NEW = (users_text([{"username": "ops", "password": password}], "") for password in ("old" * 1000, "new"))


@pytest.mark.parametrize("before", [None, OLD], ids=["a first file", "another file"])
def test_a_killed_write_is_complete_or_seen_and_the_next_run_repairs_it(tmp_path: Path, before: str | None) -> None:
    folder = tmp_path / "etc"
    path = folder / "users.json"

    def reset() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if before:
            put_users(str(path), before, ME)

    def write() -> None:
        put_users(str(path), NEW, ME)

    reset()
    calls = traced(write, folder)
    assert any(call.startswith("pwrite64 users.json") for call in calls.calls) is bool(before), calls.calls
    interrupted = 0
    for moment in moments(calls):
        reset()
        kill(write, folder, moment)
        found = found_users(str(path))
        whole = [b"", *(padded(text) for text in (before, NEW) if text)]
        assert found.data in whole or found.interrupted, moment
        interrupted += found.data not in whole
        write()
        assert path.read_bytes() == padded(NEW) and os.listdir(folder) == ["users.json"], moment
    # The kill in the middle of the write in place.
    assert interrupted == (1 if before else 0)
