# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch on one file by inotify, with the semantics of the library that the real server uses.

The watch is on the inode, not on the name. A rename over the file removes the inode and ends the watch. A new watch follows a
symlink to its target, so it never sees a later swap of the symlink (contract, section 1).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct

WRITE, REMOVE, RENAME = "write", "remove", "rename"

_IN_MODIFY, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x2, 0x400, 0x800
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
_HEADER = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Events of one path, in order, in the queue `events`: WRITE, REMOVE, or RENAME (to another name). The last two end the watch."""

    def __init__(self, path):
        self.path = path
        self.events = asyncio.Queue()
        self._watch = None
        self._fd = _libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code) + " (inotify; see fs.inotify.max_user_instances)")
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def add(self):
        """Watch the file that the path names now. Raises OSError when there is none."""
        mask = _IN_MODIFY | _IN_DELETE_SELF | _IN_MOVE_SELF
        watch = _libc.inotify_add_watch(self._fd, os.fsencode(self.path), mask)
        if watch < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), self.path)
        self._watch = watch

    def remove(self):
        """Stop watching."""
        if self._watch is not None:
            _libc.inotify_rm_watch(self._fd, self._watch)
            self._watch = None

    def close(self):
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _read(self):
        data = os.read(self._fd, 65536)
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size + length
            if watch != self._watch:
                continue
            if mask & (_IN_DELETE_SELF | _IN_MOVE_SELF):
                self.remove()
                self.events.put_nowait(RENAME if mask & _IN_MOVE_SELF else REMOVE)
            elif mask & _IN_MODIFY:
                self.events.put_nowait(WRITE)
