# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the wanted state of a host from the public variables of the roles ``install`` and ``node``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.system_resolver import system_resolver
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.artifact import known_sha512
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import plain, validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import server_environment, service_unit, variable_problems, wanted_host
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import BadEnvironment, marked_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import (
    BASE,
    PREFIX,
    GivenEnvironmentError,
    given_environment,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import WITH_USERS, digest_of, users_path, users_text
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import tls_directory, tls_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unit_options import BadUnitOptions, drop_in

#: Variables that belong to no role: the inventory name, and whether the inventory sets the server's user.
INTERNAL = ("inventory_hostname", "__banyandb_user_is_named")


def setup(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the filter ``host_setup``, as its documentation describes it. Errors are in ``problems``.

    ``variables``: name -> value.
    """
    parts = {name: plain(value) for name, value in variables.items() if name.startswith(PREFIX)}
    named = {name: value for name, value in variables.items() if name not in parts and name not in INTERNAL}
    values, problems = validated(("install", "node"), named, optional=("banyandb_users",))
    try:
        values[BASE] = given_environment({**parts, BASE: values[BASE]})
    except GivenEnvironmentError as error:
        problems.append(f"{error}.")
    values.update({name: variables[name] for name in INTERNAL}, search_list=system_resolver().search)
    problems = problems or variable_problems.problems(values)
    if problems:
        return {"problems": problems}
    try:
        found: dict[str, Any] = {
            "problems": [],
            "release": wanted_host.release(values, known_sha512(values["banyandb_artifact"], values["banyandb_artifact_checksum"])),
            "node": wanted_host.node(values),
            "storage": wanted_host.storage(values),
            "topology": wanted_host.topology_to_read(values),
            "topology_file": wanted_host.topology_file(values),
            "config_dir": values["banyandb_config_dir"],
            "users_file": _users_file(values),
            "tls_dir": tls_directory(values["banyandb_config_dir"]) if values["banyandb_kind"] and values["banyandb_tls"] else "",
        }
        if values["banyandb_kind"]:
            environment = server_environment.environment(values)
            found.update(
                environment=environment,
                environment_text=marked_file(environment),
                unit=service_unit.unit(values),
                drop_in=drop_in(values["banyandb_unit_options"]),
                ports=server_environment.ports(values),
                flush_seconds=server_environment.flush_seconds(values),
                paths=service_unit.paths(values),
                users_text=_users_text(values),
                made=_made(values),
            )
        return found
    except (BadEnvironment, BadLabel, BadUnitOptions) as error:
        return {"problems": [str(error)]}


def _users_file(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the option ``users_file`` of the module ``host_info``; None for a kind whose server has no users."""
    if values["banyandb_kind"] not in WITH_USERS:
        return None
    text = _users_text(values)
    return {
        "path": users_path(values["banyandb_config_dir"]),
        "owner": values["banyandb_user"],
        "sha256": digest_of(text.encode()) if text else None,
    }


def _made(values: Mapping[str, Any]) -> list[str]:
    """Return the paths of the files beside the environment file that a run makes before it starts the server."""
    files = [users_path(values["banyandb_config_dir"])] if _users_text(values) else []
    return [*files, *(tls_files(values["banyandb_config_dir"]) if values["banyandb_tls"] else ())]


def _users_text(values: Mapping[str, Any]) -> str:
    """Return the file with the users of a server; empty for a server without users."""
    users = values["banyandb_users"] if values["banyandb_kind"] in WITH_USERS else None
    return "" if users is None else users_text(users, values["banyandb_operator"])
