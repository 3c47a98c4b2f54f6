# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of a host that have a number of seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import LONGEST_SECONDS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

# Variable with seconds -> the least number of seconds. systemd takes 0 for no limit of a stop.
SECONDS = {
    "banyandb_start_timeout": 1.0,
    "banyandb_stop_timeout": 0.0,
    "banyandb_liaison_flush": 0.0,
    "banyandb_proof_timeout": 0.001,
    "banyandb_status_wait": 0.0,
}


def seconds_problems(variables: Mapping[str, Any]) -> list[str]:
    """Return a problem for each number of seconds that a module would refuse later. A variable without a value has no problem."""
    problems = no_seconds(variables)
    for name, least in SECONDS.items():
        value = _number(variables.get(name))
        if value is not None and not least <= value <= LONGEST_SECONDS:
            problems.append(_problem(name, f"{value:g}"))
    return problems


def no_seconds(variables: Mapping[str, Any]) -> list[str]:
    """Return a problem for each value that is no number, such as ``2m``. A variable without a value has no problem."""
    return [_problem(name, shown(value)) for name in SECONDS for value in [variables.get(name)] if value is not None and _number(value) is None]


def _problem(name: str, value: str) -> str:
    return f"{name} is {value}: expected seconds from {SECONDS[name]:g} to {LONGEST_SECONDS}."


def _number(value: object) -> float | None:
    """Return a value as a number; None for any other value. Ansible gives a text that is a number on the command line."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
