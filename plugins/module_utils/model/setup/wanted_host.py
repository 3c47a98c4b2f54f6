# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the wanted state of a host: users, directories, files, links and service, as arguments of the module ``host_info``. Pure.

This is Python and not a template because every run compares every host with its wanted state, and Ansible compiles templates for each host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK, digests, marked_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_environment import environment, ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.service_unit import paths, unit
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import roots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unit_options import drop_in
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CLUSTER
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import LIAISON_PORT


def release(variables: Mapping[str, Any], artifact_sha512: str) -> dict[str, Any]:
    """Return the wanted state of the role ``install``, as arguments of the module ``host_info``; empty lists without a version.

    ``artifact_sha512``: hex; an empty text accepts any artifact of this version.
    """
    version = variables["banyandb_version"]
    if not version:
        return {"users": [], "files": [], "links": []}
    marker = f"sha512:{artifact_sha512.lower()} {variables['banyandb_flavor']}\n"
    return {
        "users": [{"name": variables["banyandb_user"], "named": variables["__banyandb_user_is_named"]}],
        "files": [
            {"path": _program_path(variables), "owner": "root", "mode": "0755"},
            {
                "path": f"{variables['banyandb_root']}/versions/{version}/ARTIFACT",
                "owner": "root",
                "sha256": _sha256(marker) if artifact_sha512 else None,
            },
        ],
        "links": [{"path": paths(variables)["current_link"], "target": f"versions/{version}"}],
    }


def node(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted state of the role ``node``, as arguments of the module ``host_info``; empty lists for a host that is no node.

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
            {"path": at["drop_in_dir"], "owner": "root", "group": "root", "mode": "0755"},
        ],
        "files": [
            {
                "path": at["environment_file"],
                "owner": "root",
                "group": "root",
                "mode": "0600",
                "sha256": _sha256(marked_file(wanted)),
                "mark": MARK,
            },
            *(
                {"path": at[path], "owner": "root", "group": "root", "mode": "0644", "sha256": _sha256(text), "mark": MARK}
                for path, text in (("unit_file", unit(variables)), ("drop_in_file", drop_in(variables["banyandb_unit_options"])))
            ),
        ],
        # `systemctl enable` makes only this link. As a link, check mode can predict it on a fresh host too.
        "links": [{"path": at["enabled_link"], "target": at["unit_file"]}],
        "services": [
            {
                "name": at["service"],
                "ports": ports(variables),
                "environment": digests(wanted),
                "program": at["program"],
                "program_target": _program_path(variables) if version else None,
            }
        ],
    }


def files_to_write(setup: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the module ``node_files``. ``setup``: result of setup_variables.setup() for a host with a node."""
    files = {item["path"]: {name: item[name] for name in ("path", "owner", "group", "mode")} for item in setup["node"]["files"]}
    return {
        "directories": setup["node"]["directories"],
        "links": setup["node"]["links"],
        "storage": setup["storage"],
        "environment": setup["environment_text"],
        **{text: setup[text] for text in ("unit", "drop_in")},
        **{name: files[setup["paths"][name]] for name in ("environment_file", "unit_file", "drop_in_file")},
    }


def storage(variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the option ``storage`` of the modules ``host_info`` and ``node_files``; None for a host that is no node."""
    kind = variables["banyandb_kind"]
    if not kind:
        return None
    at = paths(variables)
    address = variables["banyandb_node_host"]
    host = variables["inventory_hostname"]
    return {
        "user": variables["banyandb_user"],
        "cluster": variables["banyandb_cluster"] or DEFAULT_CLUSTER,
        "host": host,
        "node": f"{f'[{address}]' if ':' in address else address}:{LIAISON_PORT if kind == LIAISON else variables['banyandb_grpc_port']}",
        "role": kind,
        "roots": roots(variables),
        "reached": [variables["banyandb_config_dir"], _program_path(variables) if variables["banyandb_version"] else at["program"]],
        "record": at["storage_record"],
        "unit_file": at["unit_file"],
        "accept_empty": host in variables["banyandb_accept_empty_data"],
        "adopt": host in variables["banyandb_adopt_data"],
    }


def other_nodes(host: str, clusters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the option ``others`` of ``storage``: inventory name -> node name, of the other nodes in the cluster of ``host``.

    ``clusters``: result of the filter ``clusters``.
    """
    for cluster in clusters.values():
        nodes = {node["name"]: node["node_name"] for node in cluster.get("hosts", cluster["nodes"])}
        if nodes.pop(host, None):
            return nodes
    return {}


def topology_file(variables: Mapping[str, Any]) -> str | None:
    """Return the path of the topology file that the server of a host reads; None for a server that reads none."""
    reads_it = variables["banyandb_discovery_mode"] == FILE and variables["banyandb_kind"] in (DATA, LIAISON)
    return f"{variables['banyandb_config_dir']}/topology.yml" if reads_it else None


def topology_to_read(variables: Mapping[str, Any]) -> str | None:
    """Return the path of the topology file when its entries must be known before the nodes are; else None.

    The entries must be known first when the nodes come from DNS.
    """
    return topology_file(variables) if variables["banyandb_topology_source"] == DNS else None


def needed(wanted: Mapping[str, Any], differing: Collection[str]) -> bool:
    """Return whether a wanted state has anything in ``differing``.

    ``wanted``: result of release() or node(). ``differing``: paths and users.
    """
    return any(
        item.get("path", item.get("name")) in differing for option in ("users", "directories", "files", "links") for item in wanted.get(option, ())
    )


def _program_path(variables: Mapping[str, Any]) -> str:
    return f"{variables['banyandb_root']}/versions/{variables['banyandb_version']}/bin/banyand-server"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
