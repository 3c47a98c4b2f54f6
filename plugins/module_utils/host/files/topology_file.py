# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the file ``topology.yml`` on this host. Only one process writes at a time, and a write is atomic.

Standard library only, Python 3.9+. PyYAML, if the host has it, reads files not written by this collection. Every error is a TopologyFileError with
the remedy. After an error nothing has changed, except with NotDurable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timezone

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk import locks, whole_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, give
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    ForeignFormat,
    Topology,
    TopologyError,
    parse,
)

MAX_BYTES = 16 * 1024 * 1024


class TopologyFileError(Exception):
    """The file cannot be read or written. The message has ``problem`` and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem


class NotDurable(TopologyFileError):
    """The file is written, but a power cut may still undo it."""


@contextlib.contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the lock to change ``path``. Wait up to ``timeout`` seconds for the lock. Raises TopologyFileError."""
    directory = os.path.dirname(path)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locks.locked(directory, timeout))
        except locks.Busy as busy:
            holder = f" (process {busy.holder})" if busy.holder else ""
            raise TopologyFileError(f"{path}: another push{holder} has held it for {timeout:g} s", "Wait until it ends, then push again.") from None
        except locks.NotLockable as error:
            raise TopologyFileError(f"{directory}: cannot be locked: {_reason(error)}", "Use a directory on a local file system.") from None
        except OSError as error:
            raise TopologyFileError(
                f"{directory}: {_reason(error)}, and the topology file needs an existing directory",
                _advice(error, "Run skywalking.banyandb.deploy, which makes it."),
            ) from None
        yield


def read(path: str) -> tuple[Topology, str] | None:
    """Return the topology of the file and the text of the file, or None without the file.

    Raises TopologyFileError if the path is not a regular file, or the content is not a topology.
    """
    text = _read_text(path)
    if text is None:
        return None
    try:
        return parse(text), text
    except ForeignFormat as why:
        # Imported only here: the import of PyYAML takes longer than the rest of a push.
        from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.foreign_topology import read_foreign

        return read_foreign(path, text, why), text
    except TopologyError as error:
        raise TopologyFileError(f"{path}: {str(error).rstrip('.')}", "Repair the file or move it away, then push again.") from None


def own(path: str, wanted: Ownership) -> None:
    """Set owner, group and mode of an existing file. Raises TopologyFileError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            give(handle, wanted)
        finally:
            os.close(handle)
    except OSError as error:
        raise TopologyFileError(
            f"{path}: setting owner and mode failed: {_reason(error)}", _advice(error, "Check the flags of the file with lsattr, then push again.")
        ) from None


def write(path: str, text: str, wanted: Ownership) -> None:
    """Write ``text`` to ``path``, completely or not at all.

    ``wanted``: owner and group, where ``None`` means those of this process. Raises TopologyFileError; the old file is then unchanged, except with
    NotDurable.
    """
    try:
        whole_files.write(path, text.encode(), wanted)
    except whole_files.NotDurable as error:
        raise NotDurable(f"{path}: written, but it may not outlast a power cut: {_reason(error)}", "Check the disk, then push again.") from None
    except OSError as error:
        advice = _advice(error, "Repair the disk, then push again.")
        raise TopologyFileError(f"{path}: not written: {_reason(error)}", f"The file is unchanged. {advice}") from None


def back_up(path: str) -> str:
    """Copy the file within its directory, and return the path of the copy. Raises TopologyFileError.

    The copy is never a hard link: the server watches the inode, and does not notice a rename while the old inode has a second name.
    """
    text = _read_text(path)
    if text is None:
        raise TopologyFileError(f"{path}: no copy made: another program removed the file during this push", "Stop that program, then push again.")
    copy = f"{path}.{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}.bak"
    write(copy, text, whole_files.ownership_of(path))
    return copy


def leftovers(path: str) -> list[str]:
    """Return the paths of the temporary files that a killed run left next to ``path``. Raises OSError."""
    directory, name = os.path.split(path)
    return whole_files.leftovers(directory, rf"{re.escape(name)}(\..*\.bak)?")


def remove_leftovers(path: str) -> list[str]:
    """Remove temporary files of a killed run next to ``path``, and return their paths. The caller holds the lock. Raises TopologyFileError."""
    try:
        left = leftovers(path)
        for leftover in left:
            os.unlink(leftover)
    except OSError as error:
        raise TopologyFileError(
            f"{error.filename}: a leftover of an earlier push cannot be removed: {_reason(error)}", _advice(error, "Remove it.")
        ) from None
    return left


def _read_text(path: str) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TopologyFileError(
                f"{path}: is a symbolic link, and the server does not notice a change of a link", "Use the path of a regular file."
            ) from None
        raise TopologyFileError(f"{path}: cannot be read: {_reason(error)}", _advice(error, "Repair the disk, then push again.")) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TopologyFileError(f"{path}: is not a regular file", "Use the path of a file, or move this away.")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MAX_BYTES:
        raise TopologyFileError(f"{path}: larger than {MAX_BYTES} bytes, so it is not a topology", "Correct the path.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise TopologyFileError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})", "Repair the file or move it away.") from None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _advice(error: OSError, other: str) -> str:
    """Return what to do about an error: use root if this process lacks the permission, and ``other`` for a different error."""
    return "Run this with become: true." if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0 else other
