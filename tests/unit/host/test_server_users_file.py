# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""server_users_file: the file with the users, written in place."""

from __future__ import annotations

import os
import pwd
import threading
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import server_users_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import BLOCK, digest_of, users_in, users_text

ME = pwd.getpwuid(os.geteuid()).pw_name


def text(password: str, users: int = 1) -> str:
    return users_text([{"username": f"user{number}", "password": password} for number in range(users)], "")


def now(path: Path, wanted: str | None) -> dict[str, object]:
    return server_users_file.users_now({"path": str(path), "owner": ME, "sha256": digest_of(wanted.encode()) if wanted else None})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def test_a_write_keeps_the_inode_and_the_size(path: Path) -> None:
    server_users_file.put_users(str(path), text("long" * 300, users=9), ME)
    before = path.stat()
    server_users_file.put_users(str(path), text("new"), ME)
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mode & 0o777) == (before.st_ino, before.st_size, 0o600)
    assert [user.password for user in users_in(path.read_text())] == ["new"]
    assert now(path, text("new")) == {"state": "ours", "wanted": True, "differs": False}
    assert os.listdir(path.parent) == ["users.json"]


def test_a_file_that_grows_is_written_in_place_too(path: Path) -> None:
    server_users_file.put_users(str(path), text("a"), ME)
    before = path.stat()
    server_users_file.put_users(str(path), text("b" * BLOCK), ME)
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, 2 * BLOCK)


def test_a_reader_never_sees_half_of_a_write(path: Path) -> None:
    texts = [text(letter * 900, users=40) for letter in "ab"]
    server_users_file.put_users(str(path), texts[0], ME)
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(digest_of(server_users_file.read_users(str(path))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(30):
            server_users_file.put_users(str(path), texts[turn % 2], ME)
    finally:
        done.set()
        reader.join()
    assert seen == {digest_of(each.encode()) for each in texts}


@pytest.mark.parametrize("content", [None, "half", text("old")])
def test_an_interrupted_write_is_repaired_by_the_next_run(path: Path, content: str | None) -> None:
    if content is not None:
        path.write_text(content)
    Path(f"{path}.new").write_text(text("new")[:40])
    assert now(path, text("new"))["differs"]
    server_users_file.put_users(str(path), text("new"), ME)
    assert now(path, text("new")) == {"state": "ours", "wanted": True, "differs": False}


@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o640), lambda path: os.chown(path, 65534, -1), lambda path: path.write_text(text("x"))])
def test_another_mode_owner_or_content_differs_and_is_repaired(path: Path, spoil: object) -> None:
    server_users_file.put_users(str(path), text("a"), ME)
    assert callable(spoil)
    spoil(path)
    assert now(path, text("a"))["differs"]
    server_users_file.put_users(str(path), text("a"), ME)
    assert not now(path, text("a"))["differs"]


def test_a_file_of_another_writer_is_neither_changed_nor_removed(path: Path) -> None:
    path.write_text('{"users": []}')
    assert now(path, text("a")) == {"state": "other", "wanted": True, "differs": True}
    assert now(path, None) == {"state": "other", "wanted": False, "differs": False}
    with pytest.raises(HostStateError, match="not written by this collection"):
        server_users_file.put_users(str(path), text("a"), ME)
    server_users_file.remove_users(str(path))
    assert path.read_text() == '{"users": []}'


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), lambda path: path.mkdir()])
def test_a_link_or_a_directory_is_of_another_writer(path: Path, make: object) -> None:
    assert callable(make)
    make(path)
    assert now(path, text("a"))["state"] == "other"


def test_a_file_that_no_server_needs_is_removed(path: Path) -> None:
    server_users_file.put_users(str(path), text("a"), ME)
    assert now(path, None) == {"state": "ours", "wanted": False, "differs": True}
    server_users_file.remove_users(str(path))
    assert os.listdir(path.parent) == []
    assert now(path, None) == {"state": "absent", "wanted": False, "differs": False}


def test_an_earlier_content_comes_back_in_place(path: Path) -> None:
    server_users_file.put_users(str(path), text("old"), ME)
    before = path.read_bytes()
    server_users_file.put_users(str(path), text("new" * BLOCK), ME)
    inode = path.stat().st_ino
    server_users_file.put_back(str(path), before)
    assert path.stat().st_ino == inode and digest_of(path.read_bytes()) == digest_of(before)


def test_a_host_without_the_account_is_an_error(path: Path) -> None:
    with pytest.raises(HostStateError, match="no user no-such-user"):
        server_users_file.put_users(str(path), text("a"), "no-such-user")
    assert not path.exists()
