# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy of a server's files is the one that its process was started with. Pure.

A run that is cut off between a change of the files and the restart leaves files that no process ever ran with. What is rolled back must be what
ran, so each file is judged by the process, and not by which run wrote it. The topology is none of these files: servers take it while they run,
and an older one would drop nodes that live.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Evidence(IntEnum):
    """Whether the process was started with an item: it was not, nothing tells, it was."""

    REFUTED = 0
    UNKNOWN = 1
    PROVED = 2


def chosen(
    now: Mapping[str, Any], kept: Mapping[str, Any], of_now: Mapping[str, Evidence], of_kept: Mapping[str, Evidence]
) -> tuple[dict[str, Any], list[str]]:
    """Return what to keep of each path, and the paths of which neither copy is what the process was started with.

    ``now``: path -> item as it is on the host; ``kept``: the same as an earlier run kept it, perhaps not of all paths; ``of_now`` and ``of_kept``:
    the evidence for each. The item on the host wins where the evidence is the same.
    """
    found, unproved = {}, []
    for path, item in now.items():
        earlier = of_kept.get(path, Evidence.REFUTED) if path in kept else Evidence.REFUTED
        found[path] = kept[path] if path in kept and earlier > of_now[path] else item
        if max(of_now[path], earlier) == Evidence.REFUTED:
            unproved.append(path)
    return found, unproved
