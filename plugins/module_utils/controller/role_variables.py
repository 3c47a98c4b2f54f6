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
from ansible.module_utils.errors import AnsibleValidationError, ArgumentTypeError, ArgumentValueError, ElementError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.time_limits import no_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: Type in a specification -> words for a message.
EXPECTED = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "text",
}
PLURALS = {"bool": "true and false", "dict": "mappings", "float": "numbers", "int": "whole numbers", "path": "paths", "str": "texts"}
FOUND = ((Mapping, "a mapping"), (list, "a list"), ((int, float), "a number"))
NUMBERS = ("bool", "float", "int")
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
    problems = _errors(options, given, found.errors)
    return found.validated_parameters, [*problems, *(f"{name} is null. Give it a value, or leave it out." for name in nulls)]


def _errors(options: Mapping[str, Any], given: Mapping[str, Any], errors: Sequence[AnsibleValidationError]) -> list[str]:
    """Return what is wrong, as sentences. The texts of Ansible about wrong types do not say what to write.

    ``options``: specification. ``given``: name -> value. ``errors``: found by Ansible in all values together.
    """
    wrong = {
        name: value
        for name, value in given.items()
        if errors and name in options and ArgumentSpecValidator({name: options[name]}).validate({name: value}).error_messages
    }
    others = [str(error.msg) for error in errors if not isinstance(error, (ArgumentTypeError, ArgumentValueError, ElementError))]
    of_seconds = no_seconds(wrong)
    of_types = [wrong_type(name, value, options[name]) for name, value in wrong.items() if not no_seconds({name: value})]
    return of_seconds + of_types + others


def wrong_type(name: str, value: Any, option: Mapping[str, Any]) -> str:
    """Return the message for a value of a wrong type. ``option``: specification of the variable.

    A list, a mapping and a text may have secrets, so the message has the values of numbers and choices alone.
    """
    kind, elements = option.get("type", "str"), option.get("elements", "str")
    expected = f"one of {', '.join(option['choices'])}" if option.get("choices") else EXPECTED[kind]
    if kind == "list" and isinstance(value, (list, tuple)):
        return f"{name} has an element of a wrong type: expected a list of {PLURALS[elements]}. Correct the list."
    shows = isinstance(value, (str, int, float)) and (kind in NUMBERS or option.get("choices"))
    found = shown(value) if shows else next((words for kinds, words in FOUND if isinstance(value, kinds)), "text")
    return f"{name} is {found}: expected {expected}. Correct the value."


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
