# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the labels of a node as the value of the server's flag ``--node-labels``. Pure.

The server splits the value like a CSV line, splits each part at ``=`` and trims both sides. It silently drops a part with no ``=`` or with more
than one ``=`` (source: api/common/id.go, ParseNodeFlags). So this module refuses each label that the server would change or drop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

# Signs at which the server would split a label, and signs that an environment file cannot carry.
_FORBIDDEN = re.compile('[=,"\x00-\x1f\x7f-\x9f\ud800-\udfff]')


class BadLabel(ValueError):
    """The server would drop or change this label; the message names the label and what is allowed."""


def labels_flag(labels: Mapping[str, Any]) -> str:
    """Return the value of the flag, sorted by name: ``{"zone": "a", "type": "hot"}`` -> ``type=hot,zone=a``. Raises BadLabel."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels_read(labels).items()))


def labels_read(labels: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels as the server reads and shows them: all text, booleans as ``true`` and ``false``. Raises BadLabel."""
    if not isinstance(labels, Mapping):
        raise BadLabel(f"node labels must be a mapping of names to values, not {type(labels).__name__}. Write a mapping such as {{type: hot}}.")
    read: dict[str, str] = {}
    for name, value in labels.items():
        text = _part(name, name)
        if not text:
            raise BadLabel(f"node label {shown(name)}: the server does not keep an empty name. Give the label a name.")
        if text in read:
            raise BadLabel(f"node label {shown(name)} is listed twice, as text and as a number, and the server keeps one of them. Delete one.")
        read[text] = _part(name, value)
    return read


def labels_expected(labels: Mapping[str, Any] | None, where: str) -> tuple[tuple[str, str], ...] | None:
    """Return the labels that a view must show for a node, sorted by name; None when ``labels`` is None.

    The server shows labels as text, as in its flag (tests/contract/test_identity.py): for ``{ssd: true}`` the server shows ``true``.

    ``where``: start of the message. Raises BadLabel.
    """
    try:
        return None if labels is None else tuple(sorted(labels_read(labels).items()))
    except BadLabel as error:
        raise BadLabel(f"{where}: {error}") from None


def _part(name: object, part: object) -> str:
    if not isinstance(part, (str, int, float)) or (isinstance(part, int) and part.bit_length() > 64):
        what = "a larger number" if isinstance(part, int) else type(part).__name__
        raise BadLabel(f"node label {shown(name)}: expected text or a number of 64 bits, found {what}. Correct the value.")
    text = ("true" if part else "false") if isinstance(part, bool) else str(part)
    if text != text.strip():
        raise BadLabel(f"node label {shown(name)}: the server does not keep spaces at either end. Delete the spaces.")
    if _FORBIDDEN.search(text):
        raise BadLabel(f'node label {shown(name)}: the server cannot read back = , " or a line break in a name or value. Use other characters.')
    return text
