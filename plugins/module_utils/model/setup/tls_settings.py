# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the settings of a server with TLS on every port: its files, its environment, and its entry in topology.yml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CA_FILE, CERTIFICATE_FILE, KEY_FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import (
    CA,
    CERTIFICATE,
    DISCOVERY_TLS,
    GOSSIP_TLS,
    KEY,
    READ,
    USERS,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CONFIG_DIR
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA

SWITCH_ON = "true"


class TlsFiles(NamedTuple):
    """Absolute paths on a host. ``ca``: the CAs that the host trusts. ``certificate`` and ``key``: those of the node."""

    ca: str
    certificate: str
    key: str


def tls_files(config_dir: str) -> TlsFiles:
    """Return the files of a node. ``config_dir``: value of ``banyandb_config_dir``."""
    return TlsFiles(*(f"{tls_directory(config_dir)}/{name}" for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE)))


def tls_directory(config_dir: str) -> str:
    """Return the directory of the files."""
    return f"{config_dir}/tls"


def tls_environment(role: str, files: TlsFiles) -> dict[str, str]:
    """Return the variables that turn TLS on for every port and every client of a server (section 7 of the contract).

    The variables of DNS discovery are not among them, because they depend on the SRV names. Only a data node has a port for the property gossip.
    """
    paths = {CA: files.ca, CERTIFICATE: files.certificate, KEY: files.key}
    found = {}
    for each in READ:
        if role in each.roles and each.switch != DISCOVERY_TLS and (each.switch != GOSSIP_TLS or role == DATA):
            found.update({each.switch: SWITCH_ON} if each.switch else {})
            found.update({variable: paths[what] for variable, what in each.variables.items() if what != USERS})
    return found


def security_environment(role: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables for TLS of a server.

    ``variables``: public variables; a missing variable means its default.
    """
    config_dir = variables.get("banyandb_config_dir") or DEFAULT_CONFIG_DIR
    return tls_environment(role, tls_files(config_dir)) if is_true(variables.get("banyandb_tls", False)) else {}


def tls_entry(files: TlsFiles) -> Mapping[str, Any]:
    """Return the part of a topology entry that makes the other nodes use TLS. Every host has its CAs at the same path."""
    return {"tls_enabled": True, "ca_cert_path": files.ca}
