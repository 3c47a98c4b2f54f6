# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable ``banyandb_srv_names``: which SRV names lead to the nodes of a cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

# Letters, digits, - and _ between dots; anything else cannot stand in the server's list, which commas divide.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
EXAMPLE = "such as _data._tcp.example.org."


class SrvNamesError(ValueError):
    """The names cannot be used; the message says which, what was expected and what to do."""


@dataclass(frozen=True)
class SrvName:
    """One name, as it was given; its nodes speak TLS when there is a CA, which is a file on the hosts that ask them."""

    name: str
    ca_cert_path: str = ""

    @property
    def absolute(self) -> str:
        return f"{self.name.rstrip('.')}."


def srv_names(value: Any) -> tuple[SrvName, ...]:
    """Read the list. An item is a name, or a mapping with ``name`` and ``ca_cert_path``. Raises SrvNamesError."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise SrvNamesError(f"banyandb_srv_names is {shown(value)}: expected a list with at least one SRV name, {EXAMPLE}")
    names = tuple(_name(item, f"banyandb_srv_names[{index}]") for index, item in enumerate(value))
    absolute = [each.absolute.lower() for each in names]
    twice = sorted({name for name in absolute if absolute.count(name) > 1})
    if twice:
        raise SrvNamesError(f"banyandb_srv_names: {', '.join(twice)} stands more than once: leave it there once")
    return names


def server_problems(names: Sequence[SrvName], search: Sequence[str]) -> list[str]:
    """What is wrong with names that servers are to ask for themselves: sentences. ``search``: the search list of the machine
    that runs this; those of the hosts may be others."""
    problems = []
    for each in names:
        if not each.name.endswith("."):
            also = " and ".join(f"{each.name}.{domain.strip('.')}." for domain in search) or f"{each.name} below each domain of that list"
            problems.append(
                f"banyandb_srv_names: {each.name} has no trailing dot: where DNS denies it, a server goes on with the search list of "
                f"resolv.conf, to {also}, and takes what it finds there for its cluster. Write {each.absolute}"
            )
    plain = [each.name for each in names if not each.ca_cert_path]
    if plain and len(plain) < len(names):
        problems.append(
            f"banyandb_srv_names: {', '.join(plain)} without ca_cert_path beside others that have one: a server asks the nodes of all names "
            "with TLS, or none. Give each name its CA, or none"
        )
    return problems


def _name(item: Any, where: str) -> SrvName:
    fields = {"name": item} if isinstance(item, str) else item
    if not isinstance(fields, dict) or set(fields) - {"name", "ca_cert_path"}:
        raise SrvNamesError(f"{where} is {shown(item)}: expected a name, or a mapping with name and ca_cert_path, {EXAMPLE}")
    name, path = fields.get("name"), fields.get("ca_cert_path", "")
    if not isinstance(name, str) or len(name) > 254 or not _NAME.fullmatch(name):
        raise SrvNamesError(f"{where}: {shown(name)} is no SRV name: expected one of letters, digits, - and _ between dots, {EXAMPLE}")
    if not isinstance(path, str) or (path and not re.fullmatch(r"/[^,\x00-\x1f\x7f]+", path)):
        raise SrvNamesError(f"{where}: ca_cert_path is {shown(path)}: expected an absolute path on the hosts, without commas")
    return SrvName(name, path)
