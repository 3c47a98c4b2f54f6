# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of a node as the value of the server's flag ``--node-labels``. Pure functions.

The server splits the value like a CSV line, then each part at ``=``, trims both sides, and drops without a word a
part that has no or more than one ``=`` (source: api/common/id.go, ParseNodeFlags). So what it would change or drop
is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORBIDDEN = '=,"'


class BadLabel(ValueError):
    """A label that the server would drop or change; the message names it and says what is allowed."""


def labels_flag(labels: Mapping[str, Any]) -> str:
    """``{"zone": "a", "type": "hot"}`` -> ``type=hot,zone=a`` (by name). Raises BadLabel."""
    if not isinstance(labels, Mapping):
        raise BadLabel(f"node labels must be a mapping of names to values, not {type(labels).__name__}")
    return ",".join(f"{_part(name, name)}={_part(name, value)}" for name, value in sorted(labels.items(), key=str))


def _part(name: object, part: object) -> str:
    text = ("true" if part else "false") if isinstance(part, bool) else str(part)
    if isinstance(part, (Mapping, list, tuple)) or part is None:
        raise BadLabel(f"node label {name!r}: expected text or a number, found {type(part).__name__}")
    if text != text.strip() or (part is name and not text):
        raise BadLabel(f"node label {name!r}: empty names, and spaces at either end, are not kept by the server")
    if any(character in _FORBIDDEN or ord(character) < 0x20 for character in text):
        raise BadLabel(f'node label {name!r}: the server cannot read back = , " or a line break in a name or value')
    return text
