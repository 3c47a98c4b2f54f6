# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and changes the record of the last operation on this host. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Optional

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import PRIVATE, leftovers, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.machine_identity import machine_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.record_lock import held_record
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import stamp
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import (
    BadRecord,
    HostRecord,
    Moment,
    read_record,
    record_text,
)

#: A decision of host_operation.py: gets the record, the time on the host's clock, and the same time as ISO 8601; returns the new record.
Decision = Callable[[Optional[HostRecord], Moment, str], Optional[HostRecord]]


def recorded(path: str) -> HostRecord | None:
    """Return the record, None without the file. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8") as stream:
            return read_record(stream.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except (BadRecord, UnicodeDecodeError) as error:
        raise HostStateError("broken", f"{path}: {error}. Run skywalking.banyandb.status, then delete the file.") from None


def change(path: str, decide: Decision, check: bool = False) -> bool:
    """Change the record by a decision, and return whether the record changes. ``check``: write nothing.

    No other process changes the record meanwhile. Raises HostStateError, and each error of the decision.
    """
    if check and not os.path.isdir(os.path.dirname(path)):
        return decide(None, moment(), stamp(time.time())) is not None
    with held_record(path):
        known = recorded(path)
        wanted = decide(known, moment(), stamp(time.time()))
        if wanted is None or wanted == known:
            return False
        if not check:
            for left in leftovers(os.path.dirname(path), re.escape(os.path.basename(path))):
                os.unlink(left)
            write(path, record_text(wanted).encode(), PRIVATE)
        return True


def moment() -> Moment:
    """Return the time since the boot. A change of the date does not change it, and it runs while the machine sleeps (clock_gettime(2))."""
    return Moment(machine_identity()["boot_id"], time.clock_gettime(time.CLOCK_BOOTTIME))
