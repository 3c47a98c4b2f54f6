# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock a directory, so that only one process works in it. Standard library only, Python 3.9+."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

POLL_SECONDS = 0.1


class Busy(Exception):
    """Another process held the lock for the whole time. ``holder``: id of the process, 0 when the kernel does not report it."""

    def __init__(self, directory: str, holder: int) -> None:
        super().__init__(f"{directory}: held by process {holder}" if holder else f"{directory}: held by another process")
        self.holder = holder


class NotLockable(OSError):
    """The file system of the directory does not support these locks."""


@contextlib.contextmanager
def locked(directory: str, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock of ``directory`` during the block. Wait for the lock up to ``timeout`` seconds; None: without a limit.

    The lock is a flock(2) on the directory itself. It leaves no file behind, and the kernel frees it when its holder dies.
    Raises Busy, NotLockable, and OSError when the directory does not exist.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _take(handle, directory, timeout)
        yield
    finally:
        os.close(handle)


def _take(handle: int, directory: str, timeout: float | None) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if deadline is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                raise Busy(directory, _holder(handle)) from None
            time.sleep(POLL_SECONDS)  # flock has no wait with a deadline
        except OSError as error:  # some network file systems
            raise NotLockable(error.errno, error.strerror or str(error), directory) from None


def _holder(handle: int) -> int:
    """Return the process that holds the flock on the open file, 0 when the kernel does not report it (proc_locks(5))."""
    status = os.fstat(handle)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            held = [line.split() for line in locks]
    except OSError:
        return 0
    # A process of another container has the id 0 here. A waiting process has an arrow in the second column.
    return next((int(words[4]) for words in held if words[1] == "FLOCK" and words[5] == place), 0)
