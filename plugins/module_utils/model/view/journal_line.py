# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the decisive line in a server's journal: why one start failed. Pure.

The formats of the lines were recorded from the real server and from systemd 252 on Debian 12.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut

#: Longest decisive message and longest line of an excerpt, in characters. A Go stack alone has 4,000.
MOST_OF_A_MESSAGE = 150
MOST_OF_A_LINE = 500

_DECISIVE_LEVELS = ("fatal", "panic", "error")
# Written by cobra (a refused flag), by a Go program that panics, and by the Go runtime.
_DECISIVE_TEXT = re.compile(r"^(?:Error|panic|fatal error): (.+)$")
# Written by systemd before the program runs. The first line names the path; the line `Failed at step` names only the program.
_SYSTEMD = re.compile(r"^\S+\.(?:service|mount): ((?:Failed (?!with result)|Changing to the requested working directory failed).+)$")
# Debug lines, the server's banner, and the 200 lines of flags after a refused flag.
_NOISE = re.compile(r'"level":"debug"|^\s+(-\w, )?--\w|^(Usage|Flags|Global Flags):|\[flags\]$|[\u2550-\u256c\u2588]')
_STACK = re.compile(r"^(goroutine \d+ \[|\t\S+\.go:\d+|\S+\(.*\)$|created by )")


def decisive(lines: Sequence[str]) -> str:
    """Return why a start failed, as one line without a stack; empty when the journal does not say.

    The first message of level fatal, panic or error decides. Without one, the first failure that systemd reports decides. Without both, the last
    warning about a retry of the server decides (a liaison that waits for a META node).

    ``lines``: journal of this start, oldest first.
    """
    for choose in (_of_server, _of_systemd):
        found = next((text for line in lines for text in [choose(line)] if text), "")
        if found:
            return _short(found)
    return _short(next((text for line in reversed(lines) for text in [_of_retry(line)] if text), ""))


def excerpt(lines: Iterable[str], most: int) -> list[str]:
    """Return the last ``most`` useful lines, each at most MOST_OF_A_LINE characters.

    Debug messages, usage text and stacks are left out.
    """
    kept = [line for line in lines if line.strip() and not _NOISE.search(line) and not _STACK.search(line)]
    return [cut(_without_stack(line), MOST_OF_A_LINE) for line in kept[-most:]] if most > 0 else []


def _of_server(line: str) -> str:
    text = _DECISIVE_TEXT.match(line)
    if text:
        return text.group(1)
    entry = _entry(line)
    return _message(entry) if entry.get("level") in _DECISIVE_LEVELS else ""


def _of_systemd(line: str) -> str:
    found = _SYSTEMD.match(line)
    return found.group(1) if found else ""


def _of_retry(line: str) -> str:
    entry = _entry(line)
    retries = entry.get("level") == "warn" and re.search(r"\bretry", str(entry.get("message", "")))
    return _message(entry) if retries and entry.get("error") else ""


def _message(entry: dict[str, Any]) -> str:
    """Return the cause, or the message without a cause. A cause of one word (``EOF``) needs the message."""
    message = str(entry.get("message") or entry.get("msg") or "")
    cause = str(entry.get("error") or "")
    if not cause:
        return message
    return cause if " " in cause.strip() or not message else f"{message}: {cause}"


def _entry(line: str) -> dict[str, Any]:
    """Return the fields of a JSON log line. A text without a line break may precede the JSON (``terminated signal received{...}``)."""
    start = line.find('{"')
    if start < 0:
        return {}
    try:
        entry = json.loads(line[start:])
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _without_stack(line: str) -> str:
    entry = _entry(line)
    if "stack" not in entry:
        return line
    return json.dumps({key: value for key, value in entry.items() if key != "stack"}, ensure_ascii=False, separators=(",", ":"))


def _short(text: str) -> str:
    """Return the first line of a text without control characters and double quotes. Messages put the result between double quotes."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    plain = "".join(sign if sign.isprintable() else " " for sign in first).replace('"', "'")
    return cut(" ".join(plain.split()), MOST_OF_A_MESSAGE)
