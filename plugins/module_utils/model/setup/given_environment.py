# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that the inventory gives a server, from several variables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

BASE = "banyandb_env"
PREFIX = f"{BASE}_"


class GivenEnvironmentError(ValueError):
    """One of the variables is no mapping; the message names the variable."""


def names_in(variables: Iterable[str]) -> list[str]:
    """Return the names of the variables that add to the environment, in the order in which they are merged.

    Every ``banyandb_env_<anything>`` in the order of its name, then ``banyandb_env``: the later one wins.
    """
    return [*sorted(name for name in variables if name.startswith(PREFIX)), BASE]


def given_environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged environment. ``variables``: those of one host, by name. Raises GivenEnvironmentError."""
    merged: dict[str, Any] = {}
    for name in names_in(variables):
        value = variables.get(name) or {}
        if not isinstance(value, Mapping):
            raise GivenEnvironmentError(f"{name} is {shown(value)}, expected a mapping of variables")
        merged.update(value)
    return merged
