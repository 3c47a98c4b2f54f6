# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of one start of a server, as journalctl gives it.

Standard library only, Python 3.9+.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import run

# A server that crash-loops writes about 100 lines a start.
_MOST_LINES = 1000


def lines_since(unit: str, began_at: float, not_of: str) -> list[str]:
    """Return what the unit and systemd logged about it since ``began_at`` (seconds since the epoch), oldest first.

    ``not_of``: the invocation that ran before, whose last lines are no evidence. An unreadable journal gives no lines.
    Asking for the unit alone misses what a short-lived process of systemd logged about it, such as the path that it could not execute (seen
    with systemd 252), so both fields are asked for.
    """
    command = ["journalctl", "--quiet", "--no-pager", "--output=json", f"--lines={_MOST_LINES}"]
    command.append(f"--since=@{int(began_at)}")  # journalctl takes whole seconds; the entries' own times are compared below
    try:
        run(["journalctl", "--sync"])  # else the very last lines, the ones that matter, may not be there yet
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
    """A message that is no text (a control character, not UTF-8) comes as a list of its bytes."""
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        return bytes(message).decode("utf-8", "replace")
    return message if isinstance(message, str) else ""
