# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host should be, from the public variables of the roles ``install`` and ``node``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.artifact import known_sha512
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import validated
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.search_list import search_list
from ansible_collections.skywalking.banyandb.plugins.module_utils.model import host_setup
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.node_labels import BadLabel
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.systemd_env import BadEnvironment


def setup(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the filter ``host_setup`` documents, from these variables by their names; what is wrong with them is in ``problems``."""
    values, problems = validated(("install", "node"), variables)
    values["search_list"] = search_list()
    problems = problems or host_setup.problems(values)
    if problems:
        return {"problems": problems}
    try:
        found: dict[str, Any] = {
            "problems": [],
            "release": host_setup.release(values, known_sha512(values["banyandb_artifact_checksum"])),
            "node": host_setup.node(values),
            "topology": host_setup.topology_to_read(values),
        }
        if values["banyandb_kind"]:
            found.update(
                environment=host_setup.environment(values),
                unit=host_setup.unit(values),
                ports=host_setup.ports(values),
                flush_seconds=host_setup.flush_seconds(values),
                paths=host_setup.paths(values),
            )
        return found
    except (BadEnvironment, BadLabel) as error:
        return {"problems": [str(error)]}
