# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a server, and what follows from it: its ports, how long its flush takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import NONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import labels_flag
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import LOOPBACK, local_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import digest
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import storage_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT

# Seconds from a flush to its end: 7 s covered flushes of 5 s (section 8).
BEYOND_FLUSH = 2.0


def environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of the server: ``BYDB_<FLAG>`` is its flag ``--<flag>``.

    GRPC_ENABLE_TXT_SERVICE_CONFIG: otherwise a nameserver that does not answer keeps the server from ever listening.
    The digest of the unit lets a probe see in the running process whether it was started by the unit as it is now.
    Raises BadLabel.
    """
    grpc_address = local_server(variables["banyandb_kind"], variables).grpc_address
    # By the name that a certificate of the server has to be for, unless the server listens on one address alone.
    gateway = {"BYDB_HTTP_GRPC_ADDR": grpc_address.replace(f"{LOOPBACK}:", "localhost:")}
    of_kind: dict[str, dict[str, Any]] = {
        # A new node reads the schema of the others in 6 s, not 150 s (measured). Until then every query through a liaison that uses it fails,
        # and points of groups without replicas are lost.
        DATA: {"BYDB_HAS_META_ROLE": _is_true(variables["banyandb_has_meta_role"]), "BYDB_SCHEMA_PROPERTY_CLIENT_SYNC_INTERVAL": "1s"},
        # The health check: a stopped node is left alone within 1 s, not 10 s.
        LIAISON: {
            **gateway,
            "BYDB_DATA_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
            "BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
        },
        STANDALONE: gateway,
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
        "BYDB_LOGGING_LEVEL": variables["banyandb_log_level"],
        "BYDB_OBSERVABILITY_LISTENER_ADDR": f":{variables['banyandb_metrics_port']}",
        # Profiles show what the server holds in memory: for people on the host.
        "BYDB_PPROF_LISTENER_ADDR": f"{LOOPBACK}:{variables['banyandb_pprof_port']}",
        "BYDB_GRPC_PORT": variables["banyandb_grpc_port"],
        "BYDB_HTTP_PORT": variables["banyandb_http_port"],
        **storage_environment(variables),
        "BANYANDB_UNIT_SHA256": digest(variables),
        **of_kind[variables["banyandb_kind"]],
        **of_mode[variables["banyandb_discovery_mode"]],
        **variables["banyandb_env"],
    }


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


def ports(variables: Mapping[str, Any]) -> list[int]:
    """Where the server's own process has to listen before it counts as up."""
    wanted = list(local_server(variables["banyandb_kind"], variables).client_ports)
    if variables["banyandb_kind"] == LIAISON:
        wanted.append(int(variables["banyandb_env"].get("BYDB_LIAISON_SERVER_GRPC_PORT") or LIAISON_PORT))
    return wanted


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


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")
