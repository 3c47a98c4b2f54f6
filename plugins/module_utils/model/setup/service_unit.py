# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the systemd unit of a server, and name its files. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import MARKER, protect_home, roots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unit_options import drop_in, unset_proxies

LOWEST_FREE_PORT = 1024

UNIT = """\
{mark}; change banyandb_unit_options and deploy.
[Unit]
Description=Apache SkyWalking BanyanDB, {kind} node
Documentation=https://skywalking.apache.org/docs/skywalking-banyandb/next/readme/
Wants=network-online.target
After=network-online.target
# A node that finds no other node exits, and systemd starts it again without a limit.
StartLimitIntervalSec=0
# A data directory without its marker is a disk that is not mounted. The server must not start on an empty directory.
RequiresMountsFor={data_dirs}
{asserts}

[Service]
Type=exec
User={user}
WorkingDirectory={data_dir}
EnvironmentFile={environment_file}
ExecStart={program} {kind}
Restart=on-failure
RestartSec=2s
TimeoutStopSec={stop_timeout}s
{limits}

# The server needs no proxy for its own cluster, so the unit removes the proxies of systemd's DefaultEnvironment. banyandb_env can set one.
UnsetEnvironment={proxies}

# The server needs its ports and its data, and nothing else of the host. No ExecReload: the server exits on SIGHUP.
# Not ProcSubset=pid: the server reads /proc/meminfo, /proc/stat and /proc/net/dev for its metrics. Not PrivateUsers: some hosts have no user
# namespaces, and a server in a user namespace cannot listen on a port below 1024. AF_NETLINK finds addresses of the host, AF_UNIX name services.
UMask=0077
ReadWritePaths={data_dirs}
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=true
PrivateDevices=true
NoNewPrivileges=true
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
LockPersonality=true
MemoryDenyWriteExecute=true
PrivateMounts=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(variables: Mapping[str, Any]) -> str:
    """Return the text of the systemd unit."""
    low = min(int(variables[name]) for name in ("banyandb_grpc_port", "banyandb_http_port")) < LOWEST_FREE_PORT
    return UNIT.format(
        kind=variables["banyandb_kind"],
        mark=MARK,
        limits="\n".join(_limits(variables)),
        proxies=unset_proxies(variables["banyandb_env"]),
        user=variables["banyandb_user"],
        data_dir=variables["banyandb_data_dir"],
        data_dirs=" ".join(roots(variables)),
        asserts="\n".join(f"AssertPathExists={path}/{MARKER}" for path in roots(variables)),
        protect_home=protect_home(variables),
        environment_file=paths(variables)["environment_file"],
        program=paths(variables)["program"],
        stop_timeout=variables["banyandb_stop_timeout"],
        capabilities="CAP_NET_BIND_SERVICE" if low else "",
    )


def _limits(variables: Mapping[str, Any]) -> list[str]:
    """Return the lines with the limits of the server. An empty variable means no limit."""
    options = {
        "LimitNOFILE": variables["banyandb_limit_nofile"],
        "MemoryMax": variables["banyandb_memory_max"],
        "CPUQuota": variables["banyandb_cpu_quota"],
    }
    return [f"{option}={value}" for option, value in options.items() if value]


def digest(variables: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the unit and its drop-in. Raises BadUnitOptions."""
    return hashlib.sha256((unit(variables) + drop_in(variables["banyandb_unit_options"])).encode()).hexdigest()


def service_of(kind: str) -> str:
    """Return the name of the systemd unit for a kind of server."""
    return f"banyandb-{kind}.service"


def paths(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the service and the paths of its files."""
    kind = variables["banyandb_kind"]
    name = service_of(kind)
    return {
        "service": name,
        "environment_file": f"{variables['banyandb_config_dir']}/{kind}.env",
        "unit_file": f"/etc/systemd/system/{name}",
        "drop_in_dir": f"/etc/systemd/system/{name}.d",
        "drop_in_file": f"/etc/systemd/system/{name}.d/banyandb.conf",
        "enabled_link": f"/etc/systemd/system/multi-user.target.wants/{name}",
        "storage_record": f"{variables['banyandb_config_dir']}/{kind}.storage.json",
        "current_link": f"{variables['banyandb_root']}/current",
        "program": f"{variables['banyandb_root']}/current/bin/banyand-server",
    }
