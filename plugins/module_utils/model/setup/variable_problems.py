# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of a host beyond their types. Pure."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import SrvNamesError, server_problems, srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import CLUSTER_MODES, MODES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import users_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import storage_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.time_limits import seconds_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.written_paths import written_path_problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import VALUE, cut, without_credentials
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES

HOOK = "hook"
LEAST_FILES = 1024
LEAST_VERSIONS = 2
# In MiB. A number without a unit is bytes (systemd.resource-control(5)), and the kernel kills a server with so little memory at its start.
LEAST_MEMORY = 64


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the variables, as messages. The types of the variables were checked before.

    ``variables``: the variables of the roles, and ``search_list``, the search list of the controller.
    """
    kind, mode = variables["banyandb_kind"], variables["banyandb_discovery_mode"]
    modes = CLUSTER_MODES if kind in (DATA, LIAISON) else MODES
    artifact, version = variables["banyandb_artifact"], variables["banyandb_version"]
    grpc_port, http_port = int(variables["banyandb_grpc_port"]), int(variables["banyandb_http_port"])
    checks = (
        (
            kind not in ("", *ROLES),
            f'banyandb_kind is "{kind}": expected data, liaison or standalone. Put the host into one of the groups '
            "banyandb_data, banyandb_liaison and banyandb_standalone.",
        ),
        (
            mode not in modes,
            f'banyandb_discovery_mode is "{mode}": expected {", ".join(modes[:-1])} or {modes[-1]} on a host of kind "{kind}".',
        ),
        (
            not re.match(r"(https?://|/|~|$)", artifact),
            f'banyandb_artifact is "{cut(without_credentials(artifact), VALUE)}": expected a URL or an absolute path on the controller. '
            "Set one such as /srv/skywalking-banyandb-0.11.0-banyand.tgz.",
        ),
        (
            bool(artifact) and not version,
            f'banyandb_version cannot be read from the name of the artifact, "{cut(os.path.basename(artifact), VALUE)}": expected '
            "skywalking-banyandb-<version>-banyand.tgz. Set banyandb_version.",
        ),
        (
            not re.match(r"([A-Za-z0-9][A-Za-z0-9._+~-]*)?$", version),
            f'banyandb_version is "{cut(version, VALUE)}": expected the name of a directory, such as 0.11.0.',
        ),
        (
            not re.match(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?$", variables["banyandb_user"]) or variables["banyandb_user"] == "root",
            f'banyandb_user is "{cut(variables["banyandb_user"], VALUE)}": expected the name of an account other than root, such as banyandb.',
        ),
        (
            variables["banyandb_liaison_drain"] == HOOK and not variables["banyandb_liaison_drain_tasks"],
            "banyandb_liaison_drain is hook and banyandb_liaison_drain_tasks is empty. Set it to the path of a file of tasks that block clients "
            "and the other liaisons.",
        ),
        (
            not (0 < grpc_port < 65536 and 0 < http_port < 65536) or grpc_port == http_port,
            f"banyandb_grpc_port and banyandb_http_port are {grpc_port} and {http_port}: expected two different ports from 1 to 65535.",
        ),
    )
    found = [sentence for wrong, sentence in (*checks, *_host_checks(variables)) if wrong] + (_dns_problems(variables) if mode == DNS else [])
    # The other directories of the server depend on valid data directories.
    found += users_problems(variables["banyandb_users"], variables["banyandb_operator"])
    return found + seconds_problems(variables) + (storage_problems(variables) or written_path_problems(variables))


def _host_checks(variables: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
    """Return the checks of the server's limits and of its ports for operators, each with its message."""
    memory, quota = str(variables["banyandb_memory_max"]), str(variables["banyandb_cpu_quota"])
    files, kept = int(variables["banyandb_limit_nofile"]), int(variables["banyandb_keep_versions"])
    ports = [int(variables[f"banyandb_{name}_port"]) for name in ("grpc", "http", "metrics", "pprof")]
    return (
        (
            not re.match(r"([1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%|infinity)?$", memory),
            f'banyandb_memory_max is "{cut(memory, VALUE)}": expected a size such as 8G, or a percentage of the memory such as 70%.',
        ),
        (
            _mebibytes(memory) < LEAST_MEMORY,
            f'banyandb_memory_max is "{memory}": expected {LEAST_MEMORY}M or more, with the unit K, M, G or T. A number without a unit is bytes.',
        ),
        (
            not re.match(r"([1-9][0-9]*%)?$", quota),
            f'banyandb_cpu_quota is "{cut(quota, VALUE)}": expected a percentage of one processor such as 150%.',
        ),
        (files < LEAST_FILES, f"banyandb_limit_nofile is {files}: expected {LEAST_FILES} or more; the server keeps many files open."),
        (kept < LEAST_VERSIONS, f"banyandb_keep_versions is {kept}: expected {LEAST_VERSIONS} or more, to be able to roll back."),
        (
            not all(0 < port < 65536 for port in ports[2:]) or len({*ports[2:]} | {*ports[:2]}) < len({*ports[:2]}) + 2,
            f"banyandb_metrics_port and banyandb_pprof_port are {ports[2]} and {ports[3]}: expected ports from 1 to 65535, each different from the "
            "server's other ports.",
        ),
    )


def _mebibytes(size: str) -> float:
    """Return the size in MiB. Infinite for a percentage, for no size, and for a text that is no size."""
    found = re.fullmatch(r"([0-9]+)([KMGT]?)", size)
    return int(found[1]) * 1024.0 ** (" KMGT".index(found[2] or " ") - 2) if found else float("inf")


def _dns_problems(variables: Mapping[str, Any]) -> list[str]:
    intervals = [int(variables[name]) for name in ("banyandb_srv_init_interval", "banyandb_srv_interval")]
    problems = []
    if min(intervals) < 1:
        problems.append(f"banyandb_srv_init_interval and banyandb_srv_interval are {intervals[0]} and {intervals[1]}: expected seconds, 1 or more.")
    try:
        return problems + server_problems(srv_names(variables["banyandb_srv_names"]), variables["search_list"])
    except SrvNamesError as error:
        return [*problems, str(error)]
