# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file ``topology.yml`` on this host: read, written whole, one writer at a time.

Standard library only, Python 3.9+ (PyYAML, where the host has it, reads files that this collection did not
write). Every error is a TopologyFileError that says what to do; nothing is changed by then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.directory import sync
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    ForeignFormat,
    Topology,
    TopologyError,
    parse,
)

MAX_BYTES = 16 * 1024 * 1024


class TopologyFileError(Exception):
    """The file cannot be read or written as asked; the message says what is wrong and what to do."""


class NotDurable(TopologyFileError):
    """The file is written, but a power cut may still undo it."""


@dataclass(frozen=True)
class Ownership:
    """Numeric owner and group, and permission bits. ``None`` leaves the owner or group as it is."""

    uid: int | None
    gid: int | None
    mode: int


@contextlib.contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the only right to change ``path``, waiting for it up to ``timeout`` seconds.

    The lock is taken on the directory itself (flock): no lock file to leave behind, and it goes when its
    holder dies.
    """
    directory = os.path.dirname(path)
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TopologyFileError(
            f"{directory}: {_reason(error)}; the topology file needs an existing directory (the node role makes it)"
        ) from None
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TopologyFileError(
                        f"{path}: another push{_holder(handle)} has held it for {timeout:g} s; wait for that one to end, then push again"
                    ) from None
                time.sleep(0.1)  # flock has no wait with a deadline
            except OSError as error:  # some network file systems
                raise TopologyFileError(
                    f"{directory}: cannot be locked: {_reason(error)}; the topology file needs a directory on a local file system"
                ) from None
        yield
    finally:
        os.close(handle)


def read(path: str) -> tuple[Topology, str] | None:
    """The topology that stands in the file, and its text; None when there is no file.

    Raises TopologyFileError for a path that is no regular file, and for content that is no topology.
    """
    text = _read_text(path)
    if text is None:
        return None
    try:
        return parse(text), text
    except ForeignFormat as foreign:
        # Imported for such a file alone: PyYAML takes longer to import than all else that a push does.
        from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.foreign_topology import read_foreign

        return read_foreign(path, text, foreign), text
    except TopologyError as error:
        raise TopologyFileError(f"{path}: {error}; mend the file or move it away, then push again") from None


def ownership(path: str) -> Ownership:
    """What the existing file has."""
    status = os.lstat(path)
    return Ownership(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def own(path: str, wanted: Ownership) -> None:
    """Give an existing file its owner, group and mode, its content untouched."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _give(handle, wanted)
        finally:
            os.close(handle)
    except OSError as error:
        raise TopologyFileError(f"{path}: setting owner and mode failed: {_reason(error)}") from None


def write(path: str, text: str, wanted: Ownership) -> None:
    """Put ``text`` at ``path``: temporary file beside it, fsync, rename over, fsync of the directory.

    An owner or group of ``None`` is that of this process. Raises TopologyFileError; the old file then stands
    as it was, except with NotDurable.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.urandom(8).hex()}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
                stream.flush()
                _give(stream.fileno(), wanted)
                os.fsync(stream.fileno())
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise TopologyFileError(f"{path}: not written: {_reason(error)}; the file is as it was") from None
    try:
        sync(directory)
    except OSError as error:
        raise NotDurable(
            f"{path}: written, but it may not outlast a power cut: {_reason(error)}; see to the disk, then push again"
        ) from None


def back_up(path: str) -> str:
    """Copy the file beside itself and return the copy's path.

    A copy, never a hard link: the server watches the inode, and as long as the old one has another name the
    rename over it goes unnoticed.
    """
    text = _read_text(path)
    if text is None:
        raise TopologyFileError(f"{path}: no copy made: the file was there a moment ago and is gone; see what removes it, then push again")
    copy = f"{path}.{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}.bak"
    write(copy, text, ownership(path))
    return copy


def remove_leftovers(path: str) -> list[str]:
    """Remove temporary files that a killed run left beside ``path``; call with the lock held."""
    directory, name = os.path.split(path)
    ours = re.compile(rf"\.{re.escape(name)}\.(.*\.bak\.)?[0-9a-f]{{16}}\.tmp", re.DOTALL)
    left = []
    try:
        for entry in os.listdir(directory):
            if ours.fullmatch(entry):
                left.append(os.path.join(directory, entry))
                os.unlink(left[-1])
    except OSError as error:
        raise TopologyFileError(f"{error.filename}: a leftover of an earlier push cannot be removed: {_reason(error)}; remove it") from None
    return left


def _read_text(path: str) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TopologyFileError(
                f"{path}: is a symbolic link; the server does not notice when a link is swapped, so give the path of a regular file"
            ) from None
        raise TopologyFileError(f"{path}: cannot be read: {_reason(error)}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TopologyFileError(f"{path}: is not a regular file; give the path of a file, or move this away")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MAX_BYTES:
        raise TopologyFileError(f"{path}: larger than {MAX_BYTES} bytes, which no topology is; is it the right path?")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise TopologyFileError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); mend it or move it away") from None


def _give(handle: int, wanted: Ownership) -> None:
    # Owner first: a change of owner clears set-id bits.
    os.fchown(handle, -1 if wanted.uid is None else wanted.uid, -1 if wanted.gid is None else wanted.gid)
    os.fchmod(handle, wanted.mode)


def _holder(handle: int) -> str:
    """Who holds the flock on the open file, as words for a message; empty where the kernel does not tell (proc_locks(5))."""
    status = os.fstat(handle)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            held = [line.split() for line in locks]
    except OSError:
        return ""
    # A process of another container has the number 0 here. A waiting one has an arrow in the second place.
    return next((f" (process {words[4]})" for words in held if words[1] == "FLOCK" and words[5] == place and words[4] != "0"), "")


def _reason(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{said}, run this with become: true" if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0 else said
