# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write files and links completely or not at all, so that they survive a power cut. Standard library only, Python 3.9+.

On hosts and on the controller, the collection writes every file with this module. The steps: temporary file in the same directory, fsync, rename,
fsync of the directory.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from typing import IO, NamedTuple


class Ownership(NamedTuple):
    """Numeric owner and group, and permission bits. None: keep the owner or group; a new file gets those of this process."""

    uid: int | None
    gid: int | None
    mode: int


PRIVATE = Ownership(None, None, 0o600)
READABLE = Ownership(None, None, 0o644)


class NotDurable(OSError):
    """The file is written, but a power cut may still undo the write."""


@contextlib.contextmanager
def writing(path: str, ownership: Ownership) -> Iterator[IO[bytes]]:
    """Return a stream. Its content becomes the file ``path`` when the block ends without an error.

    A symbolic link at ``path`` is replaced, never followed.
    Raises OSError and every error of the block. The old file then stays unchanged, except with NotDurable.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, _temporary(name))
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            give(stream.fileno(), ownership)
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    try:
        sync(directory)
    except OSError as error:
        raise NotDurable(error.errno, error.strerror or str(error)) from None


def write(path: str, data: bytes, ownership: Ownership) -> None:
    """Write ``data`` to ``path``. Raises OSError and its subclass NotDurable."""
    with writing(path, ownership) as stream:
        stream.write(data)


def give(handle: int, ownership: Ownership) -> None:
    """Set owner, group and mode of an open file. Raises OSError."""
    # Owner first: a change of owner clears set-id bits.
    os.fchown(handle, -1 if ownership.uid is None else ownership.uid, -1 if ownership.gid is None else ownership.gid)
    os.fchmod(handle, ownership.mode)


def ownership_of(path: str) -> Ownership:
    """Return owner, group and mode of an existing file. A link is not followed. Raises OSError."""
    status = os.lstat(path)
    return Ownership(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def put_link(path: str, target: str) -> None:
    """Make a symbolic link at ``path``, which replaces a file or link there. Raises OSError, and then nothing has changed."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, _temporary(name))
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    sync(directory)


def remove(path: str) -> None:
    """Remove a file or a link, also against a power cut. Raises OSError."""
    os.unlink(path)
    sync(os.path.dirname(path))


def make_parents(path: str, inclusive: bool = False) -> None:
    """Make the missing directories above ``path`` with mode 0755; the umask does not matter. Raises OSError.

    An existing directory stays unchanged. ``inclusive``: make ``path`` itself too.
    """
    directory = path if inclusive else os.path.dirname(path)
    if os.path.isdir(directory):
        return
    make_parents(directory)
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        if os.path.isdir(directory):  # another process was faster
            return
        raise
    os.chmod(directory, 0o755)


def sync(directory: str) -> None:
    """Make all renames, new files and removals in ``directory`` survive a power cut. Raises OSError."""
    handle = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leftovers(directory: str, names: str) -> list[str]:
    """Return the paths of temporary files of killed writers. ``names``: pattern of the file names. Raises OSError."""
    ours = re.compile(rf"\.({names})\.[0-9a-f]{{16}}\.tmp", re.DOTALL)
    return [os.path.join(directory, entry) for entry in os.listdir(directory) if ours.fullmatch(entry)]


def _temporary(name: str) -> str:
    return f".{name}.{os.urandom(8).hex()}.tmp"
