# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the environment of a server as the text of a systemd ``EnvironmentFile``. Pure.

The quotes follow systemd.exec(5), "EnvironmentFile=". Every value is in double quotes, and only the backslash and the double quote are escaped.
Every systemd since 219 reads this form alike. Newer versions also accept an escaped dollar or backquote, but older versions keep the backslash,
so these two signs are not escaped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: Start of the first line of each file that this collection writes for systemd. The line identifies a file of this collection.
MARK = "# Written by the Ansible collection skywalking.banyandb"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class BadEnvironment(ValueError):
    """A server cannot get this variable; the message names the variable (never its value) and what to do."""


def normalised(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables as the server reads them.

    Booleans become ``true`` and ``false``, numbers become text, and ``None`` is left out.
    Raises BadEnvironment for a name or a value that an environment file cannot carry.
    """
    if not isinstance(environment, Mapping):
        raise BadEnvironment(f"the environment of a server must be a mapping of variables, not {type(environment).__name__}. Write a mapping.")
    return {
        name: _text(name, value)
        for name, value in sorted(environment.items(), key=lambda item: shown(item[0]))
        if value is not None or not _is_name(name)
    }


def environment_file(environment: Mapping[str, Any]) -> str:
    """Return the text of the environment file: one ``NAME="value"`` a line, sorted by name. Raises BadEnvironment."""
    return "".join(f"{name}={quoted(value)}\n" for name, value in normalised(environment).items())


def marked_file(environment: Mapping[str, Any]) -> str:
    """Return the text of the environment file after a line that names the writer of the file. Raises BadEnvironment."""
    return f"{MARK}; change banyandb_env and deploy.\n{environment_file(environment)}"


def read_back(text: str) -> dict[str, str]:
    """Return the variables of a file that ``environment_file`` wrote. Other lines do not count."""
    lines = (line.partition("=") for line in text.splitlines())
    return {
        name: re.sub(r"\\(.)", r"\1", value[1:-1])
        for name, _separator, value in lines
        if _is_name(name) and len(value) >= 2 and value[0] == value[-1] == '"'
    }


def digests(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> SHA-256 of the value. The digests compare with a running process without sending a secret. Raises BadEnvironment."""
    return {name: digest(value) for name, value in normalised(environment).items()}


def digest(value: str) -> str:
    """Return the SHA-256 (hex) of one value. Bytes that are not UTF-8 count as in Python's os.environ."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def quoted(value: str) -> str:
    """Return one value between double quotes, as systemd reads it back."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.match(name) is not None


def _text(name: object, value: object) -> str:
    if not _is_name(name):
        expected = "expected letters, digits and _, not starting with a digit"
        raise BadEnvironment(f"{shown(name)} is not the name of an environment variable: {expected}. Correct the name.")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 64:
        raise BadEnvironment(f"the value of {name} is a number of more than 64 bits, which no flag of a server takes. Correct the value.")
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise BadEnvironment(
            f"the value of {name} is of type {type(value).__name__}: expected text, a number or a boolean. "
            "Write a list as one text with commas, as the server's flags take it."
        )
    for character in value:
        if (ord(character) < 0x20 and character != "\t") or 0x7F <= ord(character) < 0xA0:
            what = "a line break" if character in "\n\r" else f"the control character U+{ord(character):04X}"
            raise BadEnvironment(f"the value of {name} contains {what}, which systemd cannot hand on. Remove it from the value.")
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise BadEnvironment(f"the value of {name} is not valid Unicode, and systemd takes only UTF-8. Correct the value.")
    return str(value)
