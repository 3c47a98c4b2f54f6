# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host should be: its environment file, its unit, its files and links, from the public variables of a role.

Pure. In Python and not in templates, because every run compares every host with it, and templates are compiled anew
for each host.
"""

from __future__ import annotations

import hashlib
import os.path
import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import SrvNamesError, server_problems, srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import MODES, NONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digests, environment_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import labels_flag
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_view import DATA, DNS, FILE, LIAISON, ROLES, STANDALONE

USER = "banyandb"
ROOT = "/opt/banyandb"
PROGRAM = f"{ROOT}/current/bin/banyand-server"
CURRENT_LINK = f"{ROOT}/current"
LOWEST_FREE_PORT = 1024
HOOK = "hook"
# Seconds from a flush to its end: 7 s covered flushes of 5 s (section 8).
BEYOND_FLUSH = 2.0

UNIT = """\
# Written by the Ansible collection skywalking.banyandb; changes belong into a drop-in (systemctl edit).
[Unit]
Description=Apache SkyWalking BanyanDB, {kind} node
Documentation=https://skywalking.apache.org/docs/skywalking-banyandb/next/readme/
Wants=network-online.target
After=network-online.target
# A node that finds nobody yet exits and is started again, for as long as it takes.
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
Group={user}
WorkingDirectory={data_dir}
EnvironmentFile={environment_file}
ExecStart={program} {kind}
Restart=on-failure
RestartSec=2s
TimeoutStopSec={stop_timeout}s
LimitNOFILE=800000

# It needs its ports and its data, and nothing else of the host. No ExecReload: SIGHUP makes it exit.
UMask=0077
ReadWritePaths={data_dir}
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
NoNewPrivileges=true
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
LockPersonality=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the variables, beyond what their types say: sentences, each with what to do.

    ``variables`` has besides those of the roles ``search_list``, the domains of the search list of the machine that runs this.
    """
    kind, mode = variables["banyandb_kind"], variables["banyandb_discovery_mode"]
    artifact, version = variables["banyandb_artifact"], variables["banyandb_version"]
    config_dir, data_dir = variables["banyandb_config_dir"], variables["banyandb_data_dir"]
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
            not all(re.match(r"(/[A-Za-z0-9._+-]+)+$", path) for path in (config_dir, data_dir)),
            f'banyandb_config_dir and banyandb_data_dir are "{config_dir}" and "{data_dir}": expected absolute paths of letters, '
            "digits and . _ + -",
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
    return [sentence for wrong, sentence in checks if wrong] + (_dns_problems(variables) if mode == DNS else [])


def _dns_problems(variables: Mapping[str, Any]) -> list[str]:
    intervals = [int(variables[name]) for name in ("banyandb_srv_init_interval", "banyandb_srv_interval")]
    problems = []
    if min(intervals) < 1:
        problems.append(f"banyandb_srv_init_interval and banyandb_srv_interval are {intervals[0]} and {intervals[1]}: expected seconds, 1 or more.")
    try:
        return problems + server_problems(srv_names(variables["banyandb_srv_names"]), variables["search_list"])
    except SrvNamesError as error:
        return [*problems, str(error)]


def environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of the server: ``BYDB_<FLAG>`` is its flag ``--<flag>``.

    GRPC_ENABLE_TXT_SERVICE_CONFIG: otherwise a nameserver that does not answer keeps the server from ever listening.
    The digest of the unit lets a probe see in the running process whether it was started by the unit as it is now.
    Raises BadLabel.
    """
    root = variables["banyandb_data_dir"]
    kept = {"BYDB_PROPERTY_ROOT_PATH": root, "BYDB_SCHEMA_SERVER_ROOT_PATH": root}
    gateway = {"BYDB_HTTP_GRPC_ADDR": f"localhost:{variables['banyandb_grpc_port']}"}
    of_kind: dict[str, dict[str, Any]] = {
        DATA: {"BYDB_HAS_META_ROLE": _is_true(variables["banyandb_has_meta_role"]), **kept},
        # The health check: a stopped node is left alone within 1 s, not 10 s.
        LIAISON: {
            **gateway,
            "BYDB_DATA_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
            "BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
        },
        STANDALONE: {**gateway, **kept},
    }
    of_mode: dict[str, dict[str, Any]] = {
        NONE: {},
        # The poll heals a lost watch in 30 s instead of 5 min.
        FILE: {
            "BYDB_NODE_DISCOVERY_FILE_PATH": f"{variables['banyandb_config_dir']}/topology.yml",
            "BYDB_NODE_DISCOVERY_FILE_FETCH_INTERVAL": "30s",
        },
        DNS: _dns_environment(variables) if variables["banyandb_discovery_mode"] == DNS else {},
    }
    return {
        "GRPC_ENABLE_TXT_SERVICE_CONFIG": "false",
        "BYDB_NODE_HOST_PROVIDER": "flag",
        "BYDB_NODE_HOST": variables["banyandb_node_host"],
        "BYDB_NODE_LABELS": labels_flag(variables["banyandb_node_labels"]) or None,
        "BYDB_NODE_DISCOVERY_MODE": variables["banyandb_discovery_mode"],
        "BYDB_GRPC_PORT": variables["banyandb_grpc_port"],
        "BYDB_HTTP_PORT": variables["banyandb_http_port"],
        "BYDB_MEASURE_ROOT_PATH": root,
        "BYDB_STREAM_ROOT_PATH": root,
        "BYDB_TRACE_ROOT_PATH": root,
        "BANYANDB_UNIT_SHA256": _sha256(unit(variables)),
        **of_kind[variables["banyandb_kind"]],
        **of_mode[variables["banyandb_discovery_mode"]],
        **variables["banyandb_env"],
    }


def flush_seconds(variables: Mapping[str, Any]) -> float:
    """How long a liaison is left alone before it stops, so that all it has acknowledged has been passed on.

    7 s by default, since the servers' flush time-outs are 5 s (section 8 of the contract); more when one that is set asks for it.
    """
    given = [_seconds(str(value)) for name, value in variables["banyandb_env"].items() if name.endswith("_FLUSH_TIMEOUT")]
    return max([float(variables["banyandb_liaison_flush"]), *(seconds + BEYOND_FLUSH for seconds in given)])


def _seconds(duration: str) -> float:
    """A duration as Go writes it (``1m30s``); what is none counts as nothing, the server refuses it."""
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", duration)
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit] for number, unit in parts if number.count(".") < 2 and number != ".")


def _dns_environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a server needs to poll DNS: the names as they are asked for, the intervals, and a CA for each name where they have one."""
    names = srv_names(variables["banyandb_srv_names"])
    found: dict[str, Any] = {
        "BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES": ",".join(each.absolute for each in names),
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INIT_INTERVAL": f"{variables['banyandb_srv_init_interval']}s",
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INTERVAL": f"{variables['banyandb_srv_interval']}s",
    }
    if any(each.ca_cert_path for each in names):
        found["BYDB_NODE_DISCOVERY_DNS_TLS"] = True
        found["BYDB_NODE_DISCOVERY_DNS_CA_CERTS"] = ",".join(each.ca_cert_path for each in names)
    return found


def unit(variables: Mapping[str, Any]) -> str:
    """The text of the systemd unit."""
    low = min(int(variables[name]) for name in ("banyandb_grpc_port", "banyandb_http_port")) < LOWEST_FREE_PORT
    return UNIT.format(
        kind=variables["banyandb_kind"],
        user=USER,
        data_dir=variables["banyandb_data_dir"],
        environment_file=paths(variables)["environment_file"],
        program=PROGRAM,
        stop_timeout=variables["banyandb_stop_timeout"],
        capabilities="CAP_NET_BIND_SERVICE" if low else "",
    )


def ports(variables: Mapping[str, Any]) -> list[int]:
    """Where the server's own process has to listen before it counts as up."""
    given = variables["banyandb_env"]
    wanted = [
        given.get("BYDB_GRPC_PORT") or variables["banyandb_grpc_port"],
        given.get("BYDB_HTTP_PORT") or variables["banyandb_http_port"],
    ]
    if variables["banyandb_kind"] == LIAISON:
        wanted.append(given.get("BYDB_LIAISON_SERVER_GRPC_PORT") or LIAISON_PORT)
    return [int(port) for port in wanted]


def release(variables: Mapping[str, Any], artifact_sha512: str) -> dict[str, Any]:
    """What the role ``install`` sees to, as arguments of the module ``host_info``; nothing without a version.

    ``artifact_sha512`` (hex) may be empty: then any artifact of that version will do.
    """
    version = variables["banyandb_version"]
    if not version:
        return {"users": [], "files": [], "links": []}
    marker = f"sha512:{artifact_sha512.lower()} {variables['banyandb_flavor']}\n"
    return {
        "users": [{"name": USER, "group": USER}],
        "files": [
            {"path": _program_path(version), "owner": "root", "mode": "0755"},
            {
                "path": f"{ROOT}/versions/{version}/ARTIFACT",
                "owner": "root",
                "sha256": _sha256(marker) if artifact_sha512 else None,
            },
        ],
        "links": [{"path": CURRENT_LINK, "target": f"versions/{version}"}],
    }


def node(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the role ``node`` sees to, as arguments of the module ``host_info``; nothing for a host that is no node.

    Raises BadLabel and BadEnvironment.
    """
    version = variables["banyandb_version"]
    if not variables["banyandb_kind"]:
        return {"directories": [], "files": [], "links": [], "services": []}
    wanted = environment(variables)
    at = paths(variables)
    return {
        "directories": [
            {"path": variables["banyandb_config_dir"], "owner": "root", "group": "root", "mode": "0755"},
            {"path": variables["banyandb_data_dir"], "owner": USER, "group": USER, "mode": "0700"},
        ],
        "files": [
            {
                "path": at["environment_file"],
                "owner": "root",
                "group": USER,
                "mode": "0640",
                "sha256": _sha256(environment_file(wanted)),
            },
            {"path": at["unit_file"], "owner": "root", "group": "root", "mode": "0644", "sha256": _sha256(unit(variables))},
        ],
        # This link is all that `systemctl enable` makes; made as a link, check mode can tell it on a fresh host too.
        "links": [{"path": at["enabled_link"], "target": at["unit_file"]}],
        "services": [
            {
                "name": at["service"],
                "ports": ports(variables),
                "environment": digests(wanted),
                "program": PROGRAM,
                "program_target": _program_path(version) if version else None,
            }
        ],
    }


def topology_to_read(variables: Mapping[str, Any]) -> str | None:
    """The topology file whose entries have to be known before the nodes are: where they come from DNS."""
    reads_it = variables["banyandb_discovery_mode"] == FILE and variables["banyandb_kind"] in (DATA, LIAISON)
    return f"{variables['banyandb_config_dir']}/topology.yml" if reads_it and variables["banyandb_topology_source"] == DNS else None


def paths(variables: Mapping[str, Any]) -> dict[str, str]:
    """The name of the service, and where its files are."""
    kind = variables["banyandb_kind"]
    name = f"banyandb-{kind}.service"
    return {
        "service": name,
        "environment_file": f"{variables['banyandb_config_dir']}/{kind}.env",
        "unit_file": f"/etc/systemd/system/{name}",
        "enabled_link": f"/etc/systemd/system/multi-user.target.wants/{name}",
    }


def needed(wanted: Mapping[str, Any], differing: Collection[str]) -> bool:
    """Whether what release() or node() gave has anything among the ``differing`` paths and users."""
    return any(
        item.get("path", item.get("name")) in differing
        for option in ("users", "directories", "files", "links")
        for item in wanted.get(option, ())
    )


def _program_path(version: str) -> str:
    return f"{ROOT}/versions/{version}/bin/banyand-server"


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
