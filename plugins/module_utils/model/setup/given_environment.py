# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge the environment of a server from several variables of the inventory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

BASE = "banyandb_env"
PREFIX = f"{BASE}_"


class GivenEnvironmentError(ValueError):
    """A variable is no mapping; the message names the variable."""


def names_in(variables: Iterable[str]) -> list[str]:
    """Return the names of the variables with an environment, in the order of the merge.

    The order is every ``banyandb_env_<anything>`` sorted by name, then ``banyandb_env``. The later variable wins.
    """
    return [*sorted(name for name in variables if name.startswith(PREFIX)), BASE]


def given_environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged environment. ``variables``: variables of one host. Raises GivenEnvironmentError."""
    merged: dict[str, Any] = {}
    for name in names_in(variables):
        value = variables.get(name) or {}
        if not isinstance(value, Mapping):
            raise GivenEnvironmentError(f"{name} is {shown(value)}, expected a mapping of variables")
        merged.update(value)
    return merged
