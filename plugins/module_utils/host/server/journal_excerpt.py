# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the journal of one start of a server. Standard library only, Python 3.9+."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import run

# A server in a crash loop writes about 100 lines for each start.
_MOST_LINES = 1000


def lines_since(unit: str, began_at: float, not_of: str) -> list[str]:
    """Return the log lines of the unit, and of systemd about the unit, since ``began_at`` (seconds since the epoch), oldest first.

    ``not_of``: the previous invocation, whose last lines are no evidence. Return an empty list for an unreadable journal. A query for the unit alone
    misses lines of a short-lived process of systemd, such as the path that systemd could not execute (seen with systemd 252). So the query has both
    fields.
    """
    command = ["journalctl", "--quiet", "--no-pager", "--output=json", f"--lines={_MOST_LINES}"]
    command.append(f"--since=@{int(began_at)}")  # journalctl takes whole seconds, so the code below compares the times of entries
    try:
        run(["journalctl", "--sync"])  # without a sync, the last and decisive lines may be missing
        text = run([*command, f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}"])
    except HostStateError:
        return []
    entries = [entry for line in text.splitlines() for entry in [_entry(line)] if entry]
    return [
        line
        for entry in entries
        if int(entry.get("__REALTIME_TIMESTAMP", 0)) >= began_at * 1e6
        and not (not_of and not_of in (entry.get("_SYSTEMD_INVOCATION_ID"), entry.get("INVOCATION_ID")))
        for line in _message(entry).splitlines()
    ]


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _message(entry: dict[str, Any]) -> str:
    """Return the message of an entry. journalctl writes a message with control characters or without UTF-8 as a list of bytes."""
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        return bytes(message).decode("utf-8", "replace")
    return message if isinstance(message, str) else ""
