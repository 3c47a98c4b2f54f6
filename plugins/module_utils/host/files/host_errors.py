# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of a host that cannot be read or changed. Standard library only, Python 3.9+."""

from __future__ import annotations

import errno
import os
import pwd


class HostStateError(Exception):
    """This host cannot be read or changed. ``kind``: the ``error_type`` of the module. Each module documents its kinds."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def cannot_read(path: str, error: OSError) -> HostStateError:
    """Return the error of a failed read as HostStateError."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return HostStateError(
            "permission_denied",
            f"{path}: user {owner_name(os.geteuid())} may not read it. Run this with become: true.",
        )
    return HostStateError("unreadable", f"{path}: {os.strerror(error.errno or 0)}. Repair it, then run this again.")


def cannot_write(path: str, error: OSError) -> HostStateError:
    """Return the error of a failed write as HostStateError."""
    if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
        return HostStateError("permission_denied", f"{path}: user {owner_name(os.geteuid())} may not write it. Run this with become: true.")
    return HostStateError("not_written", f"{path}: not written: {error.strerror or error}. Repair the file system, then run this again.")


def owner_name(uid: int) -> str:
    """Return the name of a user, or the uid as text if the user has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
