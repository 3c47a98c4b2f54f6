# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the environment of a server, its ports and the time of its flush. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_names import srv_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import NONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import labels_flag
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import LOOPBACK, local_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import DISCOVERY_TLS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import users_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import digest
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import storage_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import security_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, STANDALONE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT

# Seconds to add to a flush timeout: 7 s covered timeouts of 5 s (section 8).
BEYOND_FLUSH = 2.0


def environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the environment of the server: the variable ``BYDB_<FLAG>`` sets the flag ``--<flag>``.

    GRPC_ENABLE_TXT_SERVICE_CONFIG is false, because the server never listens when a nameserver does not respond to TXT questions.
    BANYANDB_UNIT_SHA256 lets a probe see whether the running process was started with the current unit.
    Raises BadLabel.
    """
    grpc_address = local_server(variables["banyandb_kind"], variables).grpc_address
    # A certificate of the server has the name localhost. A server that listens on one address alone is asked at this address.
    gateway = {"BYDB_HTTP_GRPC_ADDR": grpc_address.replace(f"{LOOPBACK}:", "localhost:")}
    of_kind: dict[str, dict[str, Any]] = {
        # A new node then reads the schema of the other nodes in 6 s instead of 150 s (measured). Before that, every query through a liaison that
        # uses the node fails, and points of groups without replicas are lost.
        DATA: {"BYDB_HAS_META_ROLE": is_true(variables["banyandb_has_meta_role"]), "BYDB_SCHEMA_PROPERTY_CLIENT_SYNC_INTERVAL": "1s"},
        # With this health check a liaison stops using a stopped node within 1 s instead of 10 s.
        LIAISON: {
            **gateway,
            "BYDB_DATA_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
            "BYDB_LIAISON_CLIENT_HEALTH_CHECK_INTERVAL": "1s",
        },
        STANDALONE: gateway,
    }
    of_mode: dict[str, dict[str, Any]] = {
        NONE: {},
        # With this poll a server with a lost inotify watch loads the file within 30 s instead of 5 min.
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
        # Profiles show the memory of the server, so only the host itself may read them.
        "BYDB_PPROF_LISTENER_ADDR": f"{LOOPBACK}:{variables['banyandb_pprof_port']}",
        "BYDB_GRPC_PORT": variables["banyandb_grpc_port"],
        "BYDB_HTTP_PORT": variables["banyandb_http_port"],
        **storage_environment(variables),
        "BANYANDB_UNIT_SHA256": digest(variables),
        **of_kind[variables["banyandb_kind"]],
        **of_mode[variables["banyandb_discovery_mode"]],
        **security_environment(variables["banyandb_kind"], variables),
        **users_environment(variables["banyandb_kind"], variables["banyandb_config_dir"], variables["banyandb_users"]),
        **variables["banyandb_env"],
    }


def _dns_environment(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables for the discovery mode ``dns``: the absolute names, the intervals, and the CA of each name."""
    names = srv_names(variables["banyandb_srv_names"])
    found: dict[str, Any] = {
        "BYDB_NODE_DISCOVERY_DNS_SRV_ADDRESSES": ",".join(each.absolute for each in names),
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INIT_INTERVAL": f"{variables['banyandb_srv_init_interval']}s",
        "BYDB_NODE_DISCOVERY_DNS_FETCH_INTERVAL": f"{variables['banyandb_srv_interval']}s",
    }
    if any(each.ca_cert_path for each in names):
        found[DISCOVERY_TLS] = True
        found["BYDB_NODE_DISCOVERY_DNS_CA_CERTS"] = ",".join(each.ca_cert_path for each in names)
    return found


def ports(variables: Mapping[str, Any]) -> list[int]:
    """Return the ports on which the server's process must listen before the server counts as started."""
    wanted = list(local_server(variables["banyandb_kind"], variables).client_ports)
    if variables["banyandb_kind"] == LIAISON:
        wanted.append(int(variables["banyandb_env"].get("BYDB_LIAISON_SERVER_GRPC_PORT") or LIAISON_PORT))
    return wanted


def flush_seconds(variables: Mapping[str, Any]) -> float:
    """Return the seconds that a liaison runs without clients before its stop, so that it sends all acknowledged points to data nodes.

    The default is 7 s, because the flush timeouts of the server are 5 s (section 8 of the contract). A longer flush timeout in ``banyandb_env``
    makes the time longer.
    """
    given = [_seconds(str(value)) for name, value in variables["banyandb_env"].items() if name.endswith("_FLUSH_TIMEOUT")]
    return max([float(variables["banyandb_liaison_flush"]), *(seconds + BEYOND_FLUSH for seconds in given)])


def _seconds(duration: str) -> float:
    """Return the seconds of a Go duration (``1m30s``). An invalid duration counts as 0, because the server refuses it."""
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", duration)
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit] for number, unit in parts if number.count(".") < 2 and number != ".")
