# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a host, beyond what their types say. Pure."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import SrvNamesError, server_problems, srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import MODES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import storage_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import DNS, ROLES

HOOK = "hook"


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the variables, beyond what their types say: sentences, each with what to do.

    ``variables`` has besides those of the roles ``search_list``, the domains of the search list of the machine that runs this.
    """
    kind, mode = variables["banyandb_kind"], variables["banyandb_discovery_mode"]
    artifact, version = variables["banyandb_artifact"], variables["banyandb_version"]
    grpc_port, http_port = int(variables["banyandb_grpc_port"]), int(variables["banyandb_http_port"])
    checks = (
        (
            kind not in ("", *ROLES),
            f'banyandb_kind is "{kind}": a host is one of data, liaison and standalone. Leave it in one of the groups '
            "banyandb_data, banyandb_liaison and banyandb_standalone, or set banyandb_kind for it.",
        ),
        (mode not in MODES, f'banyandb_discovery_mode is "{mode}": expected {", ".join(MODES[:-1])} or {MODES[-1]}.'),
        (
            not re.match(r"(https?://|/|~|$)", artifact),
            f'banyandb_artifact is "{artifact}": expected a URL or an absolute path on the controller, such as '
            "/srv/mirror/skywalking-banyandb-0.11.0-banyand.tgz.",
        ),
        (
            bool(artifact) and not version,
            f'banyandb_version cannot be read from the name of the artifact, "{os.path.basename(artifact)}": expected '
            "skywalking-banyandb-<version>-banyand.tgz. Set banyandb_version.",
        ),
        (
            not re.match(r"([A-Za-z0-9][A-Za-z0-9._+~-]*)?$", version),
            f'banyandb_version is "{version}": expected the name of a directory, such as 0.11.0.',
        ),
        (
            not re.match(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?$", variables["banyandb_user"]) or variables["banyandb_user"] == "root",
            f'banyandb_user is "{variables["banyandb_user"]}": expected the name of an account other than root, such as banyandb.',
        ),
        (
            variables["banyandb_liaison_drain"] == HOOK and not variables["banyandb_liaison_drain_tasks"],
            "banyandb_liaison_drain is hook and banyandb_liaison_drain_tasks is empty: expected the path of a file of tasks that keep clients "
            "and the other liaisons away from the host.",
        ),
        (
            not (0 < grpc_port < 65536 and 0 < http_port < 65536) or grpc_port == http_port,
            f"banyandb_grpc_port and banyandb_http_port are {grpc_port} and {http_port}: expected two different ports from 1 to 65535.",
        ),
    )
    found = [sentence for wrong, sentence in checks if wrong] + (_dns_problems(variables) if mode == DNS else [])
    return found + storage_problems(variables)


def _dns_problems(variables: Mapping[str, Any]) -> list[str]:
    intervals = [int(variables[name]) for name in ("banyandb_srv_init_interval", "banyandb_srv_interval")]
    problems = []
    if min(intervals) < 1:
        problems.append(f"banyandb_srv_init_interval and banyandb_srv_interval are {intervals[0]} and {intervals[1]}: expected seconds, 1 or more.")
    try:
        return problems + server_problems(srv_names(variables["banyandb_srv_names"]), variables["search_list"])
    except SrvNamesError as error:
        return [*problems, str(error)]
