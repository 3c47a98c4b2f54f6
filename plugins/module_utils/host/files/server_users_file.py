# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the file with the users of a server. Standard library only, Python 3.9+.

This is the only file that the collection writes in place. Measured with the real server: it never reads a file that was renamed over its file, and
its watch ends then. It reads a file that was written in place 0.5 s after the write. So the write is one pwrite() of the whole file, which never
shrinks. A copy beside the file, written before and removed after, shows the next run that a power cut interrupted the write.
Readers hold a shared lock on the file, so that none reads half of a write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk import whole_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, NotLockable, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read, cannot_write, owner_name
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import USERS_MARK, digest_of, padded

LOCK_SECONDS = 30.0
MODE = 0o600
#: Most bytes of the file. A larger file is not of this collection.
MOST_BYTES = 1024 * 1024
_COPY = ".new"


class FoundUsers(NamedTuple):
    """The file. ``state``: ABSENT, OURS or OTHER. ``interrupted``: a write was interrupted. ``data``: content of a small regular file."""

    state: str
    owner: str = ""
    mode: str = ""
    interrupted: bool = False
    data: bytes = b""


ABSENT, OURS, OTHER = "absent", "ours", "other"


def users_now(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option ``users_file`` of the module ``host_info`` compared with the host: ``state``, ``wanted`` and ``differs``.

    Raises HostStateError.

    ``wanted``: ``path``, and for a server with users ``owner`` and ``sha256`` of the text.
    """
    found = found_users(wanted["path"])
    if wanted["sha256"] is None:
        return {"state": found.state, "wanted": False, "differs": found.state == OURS}
    same = digest_of(found.data) == wanted["sha256"] and (found.owner, found.mode) == (wanted["owner"], f"{MODE:04o}")
    return {"state": found.state, "wanted": True, "differs": not same or found.interrupted}


def found_users(path: str) -> FoundUsers:
    """Return what lies at ``path``. Raises HostStateError."""
    interrupted = os.path.lexists(path + _COPY)
    try:
        status = os.lstat(path)
        attributes = owner_name(status.st_uid), f"{stat.S_IMODE(status.st_mode):04o}"
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return FoundUsers(OTHER, *attributes)
        data = read_users(path)
    except FileNotFoundError:
        return FoundUsers(ABSENT, interrupted=interrupted)
    except OSError as error:
        raise cannot_read(path, error) from None
    ours = interrupted or data.startswith(USERS_MARK.encode())
    return FoundUsers(OURS if ours else OTHER, *attributes, interrupted, data)


def read_users(path: str) -> bytes:
    """Return the content of the file, never half of a write. Raises OSError."""
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file.read(MOST_BYTES)


def put_users(path: str, text: str, owner: str) -> None:
    """Write the file, in place if it exists. Raises HostStateError: ``not_ours``, ``busy``, ``no_user``, and those of reading and writing."""
    try:
        uid, gid = pwd.getpwnam(owner)[2:4]
    except KeyError:
        raise HostStateError("no_user", f"{path}: this host has no user {owner}. Install the release first.") from None
    ownership = whole_files.Ownership(uid, gid, MODE)
    with _held(path):
        found = found_users(path)
        if found.state == OTHER:
            raise not_ours(path)
        if found.state == ABSENT:
            whole_files.write(path, padded(text), ownership)
        else:
            whole_files.write(path + _COPY, padded(text), ownership)
            _overwrite(path, padded(text, len(found.data)), ownership)
        _remove_rests(path)


def put_back(path: str, data: bytes) -> None:
    """Write an earlier content of the file in place. Raises HostStateError."""
    with _held(path):
        _overwrite(path, padded(data.decode("utf-8", "replace").rstrip(), os.path.getsize(path)), whole_files.ownership_of(path))


def remove_users(path: str) -> None:
    """Remove the file of this collection, and the rests of its writes. Raises HostStateError."""
    with _held(path):
        ours = found_users(path).state == OURS
        _remove_rests(path)
        if ours:
            whole_files.remove(path)


def rests(path: str) -> list[str]:
    """Return the copy beside the file, and the temporary files of killed writers: all have passwords. Raises HostStateError."""
    directory, name = os.path.split(path)
    try:
        found = whole_files.leftovers(directory, f"{re.escape(name)}({re.escape(_COPY)})?")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot_read(directory, error) from None
    return [*found, *([path + _COPY] if os.path.lexists(path + _COPY) else [])]


def _remove_rests(path: str) -> None:
    """Remove the rests of writes. Raises OSError."""
    for rest in rests(path):
        with contextlib.suppress(FileNotFoundError):
            whole_files.remove(rest)


def not_ours(path: str) -> HostStateError:
    """Return the error of a file that this collection did not write."""
    return HostStateError("not_ours", f"{path}: not written by this collection. Move it away, then run this again.")


@contextlib.contextmanager
def _held(path: str) -> Iterator[None]:
    """Hold the lock of the directory, and turn its errors and those of the block into HostStateError."""
    directory = os.path.dirname(path)
    try:
        with locked(directory, LOCK_SECONDS):
            yield
    except Busy as busy:
        raise HostStateError("busy", f"{directory}: process {busy.holder} has held it for {LOCK_SECONDS:g} s. Run this again.") from None
    except NotLockable:
        raise HostStateError("not_written", f"{directory}: its file system has no locks. Set banyandb_config_dir to a local directory.") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _overwrite(path: str, data: bytes, ownership: whole_files.Ownership) -> None:
    """Write the file in place, and end when it survives a power cut. ``data``: not shorter than the file. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Before the write: the server reads the file after the write, and refuses another mode.
        whole_files.give(handle, ownership)
        written = os.pwrite(handle, data, 0)
        while written < len(data):
            written += os.pwrite(handle, data[written:], written)
        os.fsync(handle)
    finally:
        os.close(handle)
