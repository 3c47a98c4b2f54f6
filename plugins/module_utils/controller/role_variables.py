# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the public variables of roles against their argument specifications."""

from __future__ import annotations

import glob
import os.path
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "..", "roles"))


def validated(roles: Sequence[str], variables: Mapping[str, Any], optional: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return the variables in the types that the roles declare, and what is wrong with them, as sentences.

    ``optional``: names that may be missing and have no default.
    """
    options: dict[str, Any] = {}
    for role in roles:
        options.update(_specification(role)["main"]["options"])
    # The validator copies its input. A copy of Ansible's lazy mappings would include every variable of the play.
    given = {name: plain(value) for name, value in variables.items() if value is not None}
    found = ArgumentSpecValidator(options).validate(given)
    nulls = [name for name in variables if found.validated_parameters.get(name) is None and name not in optional]
    return found.validated_parameters, [*found.error_messages, *(f"{name} is null. Give it a value, or leave it out." for name in nulls)]


def declared() -> set[str]:
    """Return the names of all public variables: the options of all entry points of all roles."""
    roles = [path.split(os.sep)[-3] for path in glob.glob(os.path.join(ROLES, "*", "meta", "argument_specs.yml"))]
    return {name for role in roles for entry in _specification(role).values() for name in entry["options"]}


def _specification(role: str) -> dict[str, Any]:
    """Return the argument specification of a role: entry point -> description."""
    # Imported here: ansible-test imports all of module_utils without any library. ansible-core itself needs yaml.
    import yaml

    with open(os.path.join(ROLES, role, "meta", "argument_specs.yml"), "rb") as stream:
        found: dict[str, Any] = yaml.load(stream, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["argument_specs"]
    return found


def plain(value: Any) -> Any:
    """Return the value with Ansible's lazy containers replaced by plain containers."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
