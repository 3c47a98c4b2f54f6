# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a server: from a mapping to the text of a systemd ``EnvironmentFile``.

Pure functions. The quoting follows systemd.exec(5), "EnvironmentFile=": every value stands in double quotes, in
which only the backslash and the double quote are escaped; that is read alike by every systemd since 219 (newer
ones also accept an escaped dollar or backquote, older ones keep the backslash, so neither is escaped).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: How the first line of each file begins that this collection writes for systemd; by it a file is known to be ours.
MARK = "# Written by the Ansible collection skywalking.banyandb"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class BadEnvironment(ValueError):
    """A variable cannot be given to a server; the message names it (never its value) and says what to do."""


def normalised(environment: Mapping[str, Any]) -> dict[str, str]:
    """The variables as the server sees them: booleans as ``true`` and ``false``, numbers as text, ``None`` left out.

    Raises BadEnvironment for a name or a value that an environment file cannot carry.
    """
    if not isinstance(environment, Mapping):
        raise BadEnvironment(f"the environment of a server must be a mapping of variables to values, not {type(environment).__name__}")
    return {
        name: _text(name, value)
        for name, value in sorted(environment.items(), key=lambda item: shown(item[0]))
        if value is not None or not _is_name(name)
    }


def environment_file(environment: Mapping[str, Any]) -> str:
    """The text of the environment file: one ``NAME="value"`` a line, by name. Errors as in ``normalised``."""
    return "".join(f"{name}={quoted(value)}\n" for name, value in normalised(environment).items())


def marked_file(environment: Mapping[str, Any]) -> str:
    """Return the text of the environment file behind a line that says who wrote the file. Errors as in ``normalised``."""
    return f"{MARK}; change banyandb_env and deploy.\n{environment_file(environment)}"


def read_back(text: str) -> dict[str, str]:
    """Return the variables of a file that ``environment_file`` wrote; lines of another form are passed over."""
    lines = (line.partition("=") for line in text.splitlines())
    return {
        name: re.sub(r"\\(.)", r"\1", value[1:-1])
        for name, _separator, value in lines
        if _is_name(name) and len(value) >= 2 and value[0] == value[-1] == '"'
    }


def digests(environment: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of every value, by name: enough to compare with a running process without sending a secret."""
    return {name: digest(value) for name, value in normalised(environment).items()}


def digest(value: str) -> str:
    """The SHA-256 (hex) of one value; bytes that are no UTF-8 count as Python's os.environ gives them."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def quoted(value: str) -> str:
    """One value between double quotes, as systemd reads it back."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.match(name) is not None


def _text(name: object, value: object) -> str:
    if not _is_name(name):
        raise BadEnvironment(f"{shown(name)} is not the name of an environment variable: expected letters, digits and _, not starting with a digit")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 64:
        raise BadEnvironment(f"the value of {name} is a number of more than 64 bits, which no flag of a server takes")
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise BadEnvironment(
            f"the value of {name} is of type {type(value).__name__}: expected text, a number or a boolean; "
            "write a list as one text with commas, as the server's flags take it"
        )
    for character in value:
        if (ord(character) < 0x20 and character != "\t") or 0x7F <= ord(character) < 0xA0:
            what = "a line break" if character in "\n\r" else f"the control character U+{ord(character):04X}"
            raise BadEnvironment(f"the value of {name} contains {what}: remove it, systemd cannot hand it on")
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise BadEnvironment(f"the value of {name} is not valid Unicode: systemd takes UTF-8 only")
    return str(value)
