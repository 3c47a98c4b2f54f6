# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a directory of this host, so that it outlasts a power cut. Standard library only, Python 3.9+."""

from __future__ import annotations

import os


def sync(directory: str) -> None:
    """Make what was renamed, made or removed in ``directory`` outlast a power cut. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_parents(path: str, inclusive: bool = False) -> None:
    """Make the missing directories above ``path`` for everyone to enter, whatever the umask; ``inclusive``: and ``path`` itself. Raises OSError.

    A directory that exists stays unchanged.
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


def put_link(path: str, target: str) -> None:
    """Put a symbolic link at ``path``, in place of the file or link that is there. Raises OSError, and all is as it was."""
    temporary = f"{path}.{os.urandom(8).hex()}.tmp"
    os.symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    sync(os.path.dirname(path))
