# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a record of this host while one process reads and changes it. Standard library only, Python 3.9+."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, NotLockable, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import make_parents
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_write

LOCK_SECONDS = 30.0


@contextlib.contextmanager
def held_record(path: str) -> Iterator[None]:
    """Hold the record ``path`` during the block; a new machine gets its directory. Raises HostStateError, also for each OSError of the block."""
    try:
        make_parents(path)
        with locked(os.path.dirname(path), LOCK_SECONDS):
            yield
    except Busy as busy:
        raise HostStateError("busy", f"{path}: process {busy.holder} has held its directory for {LOCK_SECONDS:g} s. Run this again.") from None
    except NotLockable:
        raise HostStateError("not_written", f"{path}: its file system has no locks. Set banyandb_config_dir to a local directory.") from None
    except OSError as error:
        raise cannot_write(path, error) from None
