# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shorten values and texts for messages: no value from outside makes a message long. Pure."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence

#: Longest message, in characters.
MOST = 200
#: Longest value in a message, in characters.
VALUE = 80
_MORE = "..."
# A longer part of a word is cut, so that a path or a URL keeps its beginning. An address with its port is shorter.
_WORD = 21
#: Names that a message lists before it counts the rest.
NAMES = 5


class _Shortened(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = VALUE

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to spell out a number of more than 4300 digits.
        return repr(x) if x.bit_length() <= 128 else f"<a number of {x.bit_length()} bits>"


_SHORTENED = _Shortened()


def shown(value: object) -> str:
    """Return ``repr(value)``, shortened while it is built: a small YAML file with aliases may expand to gigabytes."""
    return cut(_SHORTENED.repr(value), VALUE)


def cut(text: str, most: int = MOST) -> str:
    """Return ``text``, or its beginning, with at most ``most`` characters. The beginning ends with a whole word, unless the word is very long."""
    if len(text) <= most:
        return text
    kept = text[: most - len(_MORE)]
    words, _blank, part = kept.rpartition(" ")
    if words and text[len(kept)] != " " and len(part) <= _WORD:
        kept = words
    before, bracket, inside = kept.rpartition("(")
    if before and bracket and ")" not in inside and len(inside) <= _WORD:
        kept = before
    return kept.rstrip(" .,;:") + _MORE


def without_credentials(source: str) -> str:
    """Return a URL without user, password and query, which may hold a token; return any other text unchanged."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source):
        return source
    return re.sub(r"[?#].*", "", re.sub(r"(://)[^/?#]*@", r"\1", source, count=1), count=1, flags=re.DOTALL)


def listed(names: Sequence[str], most: int = NAMES, room: int = MOST) -> str:
    """Return the first ``most`` names and the number of the others, such as ``a, b, c and 12 more``.

    The text has fewer names, but at least one, when it would have more than ``room`` characters.
    """
    if not most and len(names) > 1:
        return f"{len(names)} hosts"
    for count in range(min(len(names), max(most, 1)), 0, -1):
        text = ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
        if len(text) <= room or count == 1:
            return text
    return ""


def naming(before: str, names: Sequence[str], after: str, most: int = NAMES) -> str:
    """Return ``before``, the first ``most`` names and ``after`` as one text of at most MOST characters. A text that is too long has fewer names."""
    return fitted(before, listed(names, most, MOST - len(before) - len(after)), after)


def fitted(before: str, text: str, after: str, most: int = MOST) -> str:
    """Return ``before``, ``text`` and ``after`` as one text of at most ``most`` characters.

    ``text`` is shortened when needed, down to 20 characters.
    """
    room = max(20, most - len(before) - len(after))
    # The mark of the shortened text also ends its sentence.
    return cut(before + cut(text, room) + (after.removeprefix(".") if len(text) > room else after), most)


def message(text: object, after: str = "") -> str:
    """Return the message of a failure or a warning: one line of at most MOST characters, with ``after`` at the end.

    The last sentence says what to do. When ``text`` is too long, its last sentence stays and the text before it is shortened.
    """
    before, period, remedy = " ".join(str(text).split()).rpartition(". ")
    period = " " if before.endswith(_MORE) else period
    return fitted("", before, period + remedy + after) if period else fitted("", remedy, after)
