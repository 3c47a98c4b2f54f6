# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the settings of units and their drop-ins. Standard library only, Python 3.9+.

drop_ins() returns no values, because an option ``Environment=`` may hold a secret.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

_VARIABLE = re.compile(r"""(?:^|\s)["']?([A-Za-z_][A-Za-z0-9_]*)=""")
_LINE_VARIABLE = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)


def drop_ins(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return the settings of drop-ins, without the values.

    ``paths``: all drop-ins that systemd applies to a unit, also the drop-ins of a prefix of its name (``banyandb-.service.d``) and of its type
    (``service.d``; systemd.unit(5)).
    Each has ``path`` and ``settings``: ``section``, ``option``, ``reset`` (the value is empty) and ``variables`` (names that the setting adds to the
    environment).
    """
    return [{"path": path, "settings": [_described(section, option, value) for section, option, value in settings(path)]} for path in paths]


def settings(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, option and value of each setting of a unit file (systemd.syntax(7)). Yield nothing for a missing or unreadable file."""
    text = ""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;" and "=" in line:
            option, _separator, value = line.partition("=")
            yield section, option.strip(), value.strip()


def _described(section: str, option: str, value: str) -> dict[str, Any]:
    names: list[str] = []
    if option == "Environment":
        names = _VARIABLE.findall(value)
    elif option == "PassEnvironment":
        names = value.split()
    elif option == "EnvironmentFile":
        with contextlib.suppress(OSError), open(value.lstrip("-"), encoding="utf-8", errors="replace") as stream:
            names = _LINE_VARIABLE.findall(stream.read())
    return {"section": section, "option": option, "reset": not value, "variables": sorted(set(names))}
