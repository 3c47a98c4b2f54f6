# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host should be, from the public variables of the roles ``install`` and ``node``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.search_list import search_list
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.artifact import known_sha512
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import server_environment, service_unit, variable_problems, wanted_host
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import BadEnvironment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel

#: What comes with the variables and is no variable of a role: the inventory name, and whether the inventory names the server's user.
INTERNAL = ("inventory_hostname", "__banyandb_user_is_named")


def setup(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the filter ``host_setup`` documents, from these variables by their names; what is wrong with them is in ``problems``."""
    values, problems = validated(("install", "node"), {name: value for name, value in variables.items() if name not in INTERNAL})
    values.update({name: variables[name] for name in INTERNAL}, search_list=search_list())
    problems = problems or variable_problems.problems(values)
    if problems:
        return {"problems": problems}
    try:
        found: dict[str, Any] = {
            "problems": [],
            "release": wanted_host.release(values, known_sha512(values["banyandb_artifact_checksum"])),
            "node": wanted_host.node(values),
            "storage": wanted_host.storage(values),
            "topology": wanted_host.topology_to_read(values),
        }
        if values["banyandb_kind"]:
            found.update(
                environment=server_environment.environment(values),
                unit=service_unit.unit(values),
                ports=server_environment.ports(values),
                flush_seconds=server_environment.flush_seconds(values),
                paths=service_unit.paths(values),
            )
        return found
    except (BadEnvironment, BadLabel) as error:
        return {"problems": [str(error)]}
