# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find variables and groups whose names look like names of this collection, but are not. Pure.

Ansible accepts a misspelled variable or group without a message, and then the setting has no effect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import PREFIX
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import FEW, Check, Finding, Level
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, naming

OURS = "banyandb_"
#: Variables that the inventory plugin ``srv`` sets, and no user.
SET_BY_SRV = ("banyandb_apart", "banyandb_srv")
#: Longest shown name, in characters.
NAME = 50
# Similarity from 0 to 1 as difflib computes it. One wrong, missing or added letter of "banyandb_soak" gives 0.92 or more.
ALIKE = 0.85


def unknown_variables(variables: Mapping[str, Collection[str]], known: Collection[str]) -> list[Finding]:
    """Return a warning for each variable ``banyandb_*`` that this collection does not know, with the nearest known name.

    ``variables``: host -> names of its variables. ``known``: names of the variables in the argument specifications.
    """
    having: dict[str, list[str]] = defaultdict(list)
    for host, names in sorted(variables.items()):
        for name in names:
            if name.startswith(OURS) and not name.startswith(PREFIX) and name not in known and name not in SET_BY_SRV:
                having[name].append(host)
    return [
        Finding(
            tuple(hosts),
            Check.VARIABLES,
            Level.WARN,
            naming("", hosts, f": {cut(name, NAME)} is not a variable of this collection and has no effect. {_instead(name, known)}", FEW),
        )
        for name, hosts in sorted(having.items())
    ]


def unknown_groups(groups: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Return a warning for each group whose name is nearly a name of this collection, with hosts in none of the collection's groups.

    The run ignores these hosts. ``groups``: name -> hosts, as Ansible's ``groups``.
    """
    members = {host for group in GROUPS for host in groups.get(group, ())}
    found = []
    for group, all_hosts in sorted(groups.items()):
        near = get_close_matches(group, [*GROUPS], 1, ALIKE)
        hosts = [host for host in all_hosts if host not in members]
        if near and group not in GROUPS and hosts:
            after = f": only in the group {cut(group, NAME)}, so the run ignores them. Did you mean the group {near[0]}?"
            message = naming("", hosts, after, FEW)
            found.append(Finding(tuple(hosts), Check.VARIABLES, Level.WARN, message))
    return found


def _instead(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, sorted(known), 1, ALIKE)
    return f"Did you mean {near[0]}?" if near else "Remove or rename the variable."
