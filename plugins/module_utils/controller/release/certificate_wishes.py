# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the variables of a run of the playbook ``certificates`` ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import REPLACE, TRUST, Wishes
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import FALSE, is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, naming

_ROTATE = "banyandb_rotate_ca"


def wishes_of(arguments: Mapping[str, Any], hosts: Sequence[str], extra: Mapping[str, Any], check: bool) -> Wishes:
    """Return what the variables of the run ask for. ``hosts``: hosts with TLS. ``extra``: variables of the command line. Raises ValueError."""
    rotate, renew, first = arguments["rotate"], arguments["renew"], arguments["round"] == 1
    rotation = TRUST if rotate == TRUST else REPLACE if is_true(rotate) else ""
    if rotation and _ROTATE not in extra:
        raise ValueError(f"{_ROTATE}: is set in the inventory, so each run would replace the CA. Delete it there, and give it with -e.")
    if not rotation and str(rotate or "").lower() not in ("", *FALSE):
        raise ValueError(f"{_ROTATE} is {cut(str(rotate), 40)}: expected true, false or {TRUST}. Correct the variable.")
    named = [renew] if isinstance(renew, str) and not is_true(renew) and renew.lower() not in ("", *FALSE) else renew
    renewed = list(map(str, named)) if isinstance(named, list) else list(hosts) if is_true(named) else []
    unknown = [host for host in renewed if host not in hosts]
    if unknown:
        raise ValueError(naming("banyandb_renew names ", unknown, ", which have no banyandb_tls. Correct the variable."))
    if not first or rotation:
        renewed = []
    return Wishes(renewed, renewed if arguments["new_key"] else (), rotation, arguments["round"] - 1 if check else 0)
