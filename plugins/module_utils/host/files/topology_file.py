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
    """The file cannot be read or written as asked; the message says what is wrong and what to do."""


class NotDurable(TopologyFileError):
    """The file is written, but a power cut may still undo it."""


@contextlib.contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the only right to change ``path``; wait for the right up to ``timeout`` seconds. Raises TopologyFileError."""
    directory = os.path.dirname(path)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locks.locked(directory, timeout))
        except locks.Busy as busy:
            holder = f" (process {busy.holder})" if busy.holder else ""
            raise TopologyFileError(
                f"{path}: another push{holder} has held it for {timeout:g} s; wait for that one to end, then push again"
            ) from None
        except locks.NotLockable as error:
            raise TopologyFileError(
                f"{directory}: cannot be locked: {_reason(error)}; the topology file needs a directory on a local file system"
            ) from None
        except OSError as error:
            raise TopologyFileError(
                f"{directory}: {_reason(error)}; the topology file needs an existing directory (the node role makes it)"
            ) from None
        yield


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


def own(path: str, wanted: Ownership) -> None:
    """Give an existing file its owner, group and mode, its content untouched."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            give(handle, wanted)
        finally:
            os.close(handle)
    except OSError as error:
        raise TopologyFileError(f"{path}: setting owner and mode failed: {_reason(error)}") from None


def write(path: str, text: str, wanted: Ownership) -> None:
    """Put ``text`` at ``path``, whole or not at all.

    An owner or group of ``None`` is that of this process. Raises TopologyFileError; the old file then stands
    as it was, except with NotDurable.
    """
    try:
        whole_files.write(path, text.encode(), wanted)
    except whole_files.NotDurable as error:
        raise NotDurable(f"{path}: written, but it may not outlast a power cut: {_reason(error)}; see to the disk, then push again") from None
    except OSError as error:
        raise TopologyFileError(f"{path}: not written: {_reason(error)}; the file is as it was") from None


def back_up(path: str) -> str:
    """Copy the file beside itself and return the copy's path.

    A copy, never a hard link: the server watches the inode, and as long as the old one has another name the
    rename over it goes unnoticed.
    """
    text = _read_text(path)
    if text is None:
        raise TopologyFileError(f"{path}: no copy made: the file was there a moment ago and is gone; see what removes it, then push again")
    copy = f"{path}.{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}.bak"
    write(copy, text, whole_files.ownership_of(path))
    return copy


def remove_leftovers(path: str) -> list[str]:
    """Remove temporary files that a killed run left beside ``path``; call with the lock held."""
    directory, name = os.path.split(path)
    try:
        left = whole_files.leftovers(directory, rf"{re.escape(name)}(\..*\.bak)?")
        for leftover in left:
            os.unlink(leftover)
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


def _reason(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{said}, run this with become: true" if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0 else said
