# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse to drop a node from the views while its server runs or starts again. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, listed

# States of a unit that runs, or that systemd starts again: between two starts of a server that fails, its unit has no process (systemctl(1)).
_ACTIVE = ("active", "activating", "reloading")
_AT_BOOT = ("enabled", "enabled-runtime")
_NAMES = 2


def problem(results: Sequence[Mapping[str, Any]]) -> str:
    """Return why nodes listed in ``banyandb_remove`` may not be dropped now; empty when they may.

    ``results``: results of a loop with the module ``host_info``; ``item`` has the name of the host. A host without ``services`` is unreachable.
    """
    names = sorted(result["item"] for result in results if any(map(_comes_back, result.get("services", {}).values())))
    if not names:
        return ""
    command = "skywalking.banyandb.remove -e '" + json.dumps({"banyandb_remove": names}) + "'"
    before = f"{listed(names, _NAMES)}: listed in banyandb_remove, and the server runs or starts at boot. Run: ansible-playbook -i INVENTORY "
    return before + command if len(before + command) <= MOST else f"{before}skywalking.banyandb.remove"


def _comes_back(service: Mapping[str, Any]) -> bool:
    return bool(service["exists"] and (service["main_pid"] or service["active_state"] in _ACTIVE or service["enabled"] in _AT_BOOT))
