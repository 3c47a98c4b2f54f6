# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller that several processes share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator


@contextlib.contextmanager
def locked(directory: str, mode: int = 0o755) -> Iterator[None]:
    """One process of the controller at a time in ``directory``, which is made where it is missing. Raises OSError."""
    os.makedirs(directory, mode=mode, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(path: str, data: bytes) -> None:
    """Put ``data`` at ``path``, whole or not at all: temporary file beside it, fsync, rename, fsync of the directory. Raises OSError."""
    directory = os.path.dirname(path)
    temporary = f"{path}.{secrets.token_hex(6)}.tmp"
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
