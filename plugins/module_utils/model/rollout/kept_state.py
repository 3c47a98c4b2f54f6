# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the copy of each file that a server's process was started with. Pure.

A run may stop between the change of the files and the restart. Then the files on the host are files that no process ever ran with.
A roll back must restore the files that the process ran with, so the process is the evidence for each file.
The file topology.yml is not among these files. A server reads topology.yml while it runs, so a stale topology.yml would drop live nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Evidence(IntEnum):
    """Whether the process was started with an item: no, unknown, yes."""

    REFUTED = 0
    UNKNOWN = 1
    PROVED = 2


def chosen(
    now: Mapping[str, Any], kept: Mapping[str, Any], of_now: Mapping[str, Evidence], of_kept: Mapping[str, Evidence]
) -> tuple[dict[str, Any], list[str]]:
    """Return the item to keep for each path, and the paths for which no copy is what the process was started with.

    ``now``: path -> item that is on the host.
    ``kept``: path -> item that an earlier run kept; a path may be missing.
    ``of_now`` and ``of_kept``: path -> the evidence for each item.
    The item on the host wins when the evidence is equal.
    """
    found, unproved = {}, []
    for path, item in now.items():
        earlier = of_kept.get(path, Evidence.REFUTED) if path in kept else Evidence.REFUTED
        found[path] = kept[path] if path in kept and earlier > of_now[path] else item
        if max(of_now[path], earlier) == Evidence.REFUTED:
            unproved.append(path)
    return found, unproved
