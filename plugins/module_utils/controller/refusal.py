# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an action plugin refuses: the first problem ends the task, the others are printed above it, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted


def refused(problems: Sequence[str], host: str = "") -> dict[str, Any]:
    """Return the result of a task that refuses, and print all problems but the first. ``host``: whose problems these are, for their lines."""
    # Imported here: ansible-test imports all of module_utils where ansible-core has no plugins.
    from ansible.utils.display import Display

    where = f"{host}: " if host else ""
    for problem in problems[1:]:
        Display().display(f"refused: {where}{' '.join(problem.split())}")
    others = len(problems) - 1
    more = f" ({others} more problem{'' if others == 1 else 's'} above)" if others else ""
    return {"failed": True, "msg": fitted("", " ".join(problems[0].split()), more)}
