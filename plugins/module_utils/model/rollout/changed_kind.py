# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find hosts that ran another kind of server before. Pure.

A data server that still runs beside a new liaison holds the liaison's ports. The liaison then exits again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import service_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES


def others(kind: str) -> list[str]:
    """Return the names of the systemd units of all other kinds."""
    return [service_of(role) for role in ROLES if role != kind]


def problems(kind: str, beside: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with a host of this ``kind``, as messages.

    ``beside``: unit -> the facts that ``host_info`` returned, for each unit in others().
    """
    found = []
    for role in ROLES:
        facts = beside.get(service_of(role))
        if role != kind and facts and (facts["main_pid"] or facts["enabled"] == "enabled"):
            state = "runs" if facts["main_pid"] else "is enabled"
            found.append(
                f"{service_of(role)} {state}, and the host is in banyandb_{kind} now. Return it to banyandb_{role}, run "
                "skywalking.banyandb.remove, then move it."
            )
    return found
