# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the variable ``banyandb_srv_names``: the SRV names that list the nodes of a cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming, shown

# Letters, digits, - and _ between dots: commas separate the names in the server's list.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
EXAMPLE = "such as _data._tcp.example.org."


class SrvNamesError(ValueError):
    """The names are not usable; the message says which name, what was expected and what to do."""


@dataclass(frozen=True)
class SrvName:
    """One name, as the user wrote it.

    ``ca_cert_path``: path of a CA on the hosts; empty when the nodes of this name do not use TLS.
    """

    name: str
    ca_cert_path: str = ""

    @property
    def absolute(self) -> str:
        """The name with the trailing dot."""
        return f"{self.name.rstrip('.')}."


def srv_names(value: Any) -> tuple[SrvName, ...]:
    """Return the names. ``value``: list of names, or of mappings with ``name`` and ``ca_cert_path``. Raises SrvNamesError."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise SrvNamesError(f"banyandb_srv_names is {shown(value)}: expected a list with at least one SRV name, {EXAMPLE}")
    names = tuple(_name(item, f"banyandb_srv_names[{index}]") for index, item in enumerate(value))
    absolute = [each.absolute.lower() for each in names]
    twice = sorted({name for name in absolute if absolute.count(name) > 1})
    if twice:
        raise SrvNamesError(naming("banyandb_srv_names: ", twice, " is listed twice. Delete one."))
    return names


def server_problems(names: Sequence[SrvName], search: Sequence[str]) -> list[str]:
    """Return what is wrong with names that the servers resolve, as messages.

    ``search``: search list of the controller. The hosts may have another search list.
    """
    problems = []
    for each in names:
        if not each.name.endswith("."):
            also = [f"{each.name}.{domain.strip('.')}." for domain in search] or [f"{each.name} below each domain of that list"]
            before = f"banyandb_srv_names: {each.name} has no trailing dot, so a server may use the nodes of "
            problems.append(naming(before, also, f" (resolv.conf). Write {each.absolute}"))
    plain = [each.name for each in names if not each.ca_cert_path]
    if plain and len(plain) < len(names):
        problems.append(
            naming(
                "banyandb_srv_names: ",
                plain,
                " without ca_cert_path and other names with it: a server uses TLS for all names or for none. Set ca_cert_path for all, or for none.",
                2,
            )
        )
    return problems


def _name(item: Any, where: str) -> SrvName:
    fields = {"name": item} if isinstance(item, str) else item
    if not isinstance(fields, dict) or set(fields) - {"name", "ca_cert_path"}:
        raise SrvNamesError(f"{where} is {shown(item)}: expected a name, or a mapping with name and ca_cert_path, {EXAMPLE}")
    name, path = fields.get("name"), fields.get("ca_cert_path", "")
    if not isinstance(name, str) or len(name) > 254 or not _NAME.fullmatch(name):
        raise SrvNamesError(f"{where}: {shown(name)} is no SRV name: expected letters, digits, - and _ between dots, {EXAMPLE}")
    if not isinstance(path, str) or (path and not re.fullmatch(r"/[^,\x00-\x1f\x7f]+", path)):
        raise SrvNamesError(f"{where}: ca_cert_path is {shown(path)}: expected an absolute path on the hosts, without commas")
    return SrvName(name, path)
