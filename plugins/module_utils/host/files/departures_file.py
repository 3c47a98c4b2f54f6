# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the record of departures on this host. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import READABLE, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.record_lock import held_record
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import (
    BadRecord,
    Departure,
    merged,
    moment,
    record_from,
    record_text,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import MARKER, read_marker


def recorded(path: str) -> list[Departure]:
    """Return the departures in the record. Return an empty list without the file. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8") as stream:
            return record_from(stream.read())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot_read(path, error) from error
    except (BadRecord, UnicodeDecodeError) as error:
        raise HostStateError("broken", f"{path}: {error}. Copy the file of another host of the cluster, or delete it.") from None


def since(roots: Sequence[str]) -> int | None:
    """Return the time in seconds since 1970 since when all roots belong to the node. Return None if a root has no marker."""
    found = []
    for root in roots:
        try:
            with open(os.path.join(root, MARKER), encoding="utf-8") as stream:
                found.append(moment(read_marker(stream.read()).since))
        except (OSError, ValueError):  # BadMarker is a ValueError
            return None
    return max(found, default=None)


def add(path: str, departures: Iterable[Departure], check: bool) -> bool:
    """Add departures to the record, and return whether the record changes. ``check``: write nothing. Raises HostStateError."""
    new = list(departures)
    if check and not os.path.isdir(os.path.dirname(path)):
        return bool(new)
    with held_record(path):
        known = merged(recorded(path))
        wanted = merged([*known, *new])
        if wanted == known:
            return False
        if not check:
            write(path, record_text(wanted).encode(), READABLE)
        return True
