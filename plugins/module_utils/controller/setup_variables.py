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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import node_setup
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import BadEnvironment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel


def setup(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the filter ``host_setup`` documents, from these variables by their names; what is wrong with them is in ``problems``."""
    values, problems = validated(("install", "node"), variables)
    values["search_list"] = search_list()
    problems = problems or node_setup.problems(values)
    if problems:
        return {"problems": problems}
    try:
        found: dict[str, Any] = {
            "problems": [],
            "release": node_setup.release(values, known_sha512(values["banyandb_artifact_checksum"])),
            "node": node_setup.node(values),
            "topology": node_setup.topology_to_read(values),
        }
        if values["banyandb_kind"]:
            found.update(
                environment=node_setup.environment(values),
                unit=node_setup.unit(values),
                ports=node_setup.ports(values),
                flush_seconds=node_setup.flush_seconds(values),
                paths=node_setup.paths(values),
            )
        return found
    except (BadEnvironment, BadLabel) as error:
        return {"problems": [str(error)]}
