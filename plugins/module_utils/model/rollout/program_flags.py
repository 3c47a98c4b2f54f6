# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the settings that a program does not know. Pure.

A server ignores an environment variable that is not one of its flags (contract, section 5). So a removed flag, such as those of etcd in 0.11, has no
effect after an upgrade, and no message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PREFIX = "BYDB_"
# A line of a flag in the output of ``--help``: `  -n, --name string   name of this service`.
_FLAG = re.compile(r"^ +(?:-[A-Za-z], )?--([a-z0-9][a-z0-9-]*)", re.MULTILINE)


class BadHelp(ValueError):
    """The output is not the help of a server."""


def flags_of(output: str) -> frozenset[str]:
    """Return the flags that a program lists for ``data --help`` or ``liaison --help``, without their dashes. Raises BadHelp."""
    found = frozenset(_FLAG.findall(output))
    if "node-discovery-mode" not in found:
        raise BadHelp("the program lists no flags of a server. Check banyandb_artifact.")
    return found


def unknown_settings(variables: Iterable[str], flags: Iterable[str]) -> list[str]:
    """Return the variables of a server's environment that are no flags of the program. Other variables than BYDB_... are not for the server."""
    known = {PREFIX + flag.upper().replace("-", "_") for flag in flags}
    return sorted(name for name in {*variables} if name.startswith(PREFIX) and name not in known)
