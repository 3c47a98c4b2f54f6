# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the certificates, keys and other files that a server reads at its start. Pure.

The variables are those of the contract (section 7) and of the server's flags. A server with TLS and without one of these files does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import USERS_VARIABLE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES, STANDALONE

CERTIFICATE, KEY, CA, USERS = "certificate", "key", "CA", "users"
# Variable that makes a server use TLS for the nodes that it finds through DNS.
DISCOVERY_TLS = "BYDB_NODE_DISCOVERY_DNS_TLS"
# Variable that turns on TLS for the property gossip between data nodes.
GOSSIP_TLS = "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS"
# Variable with the certificate of the gossip port. The server loads the file only at its start (contract suite, test_tls_files.py).
GOSSIP_CERTIFICATE = "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_SERVER_CERT_FILE"


class _Files(NamedTuple):
    """Variables with files. ``switch``: variable that makes the server read the files; empty if the server always reads a file with a name."""

    roles: tuple[str, ...]
    switch: str
    variables: Mapping[str, str]


class NamedFile(NamedTuple):
    """A file that the server reads. ``what``: CERTIFICATE, KEY, CA or USERS."""

    variable: str
    path: str
    what: str


def _pair(prefix: str) -> dict[str, str]:
    return {f"{prefix}CERT_FILE": CERTIFICATE, f"{prefix}KEY_FILE": KEY}


_STORES = (DATA, STANDALONE)
_GATEWAYS = (LIAISON, STANDALONE)
READ = (
    _Files(ROLES, "BYDB_TLS", _pair("BYDB_")),
    _Files(_GATEWAYS, "BYDB_HTTP_TLS", _pair("BYDB_HTTP_")),
    _Files(_GATEWAYS, "", {"BYDB_HTTP_GRPC_CERT_FILE": CA, USERS_VARIABLE: USERS}),
    _Files((LIAISON,), "BYDB_LIAISON_SERVER_TLS", _pair("BYDB_LIAISON_SERVER_")),
    _Files((LIAISON,), "BYDB_LIAISON_CLIENT_TLS", {"BYDB_LIAISON_CLIENT_CA_CERT": CA}),
    _Files((LIAISON,), "BYDB_DATA_CLIENT_TLS", {"BYDB_DATA_CLIENT_CA_CERT": CA}),
    _Files(_STORES, "BYDB_SCHEMA_SERVER_TLS", _pair("BYDB_SCHEMA_SERVER_")),
    _Files(ROLES, "BYDB_SCHEMA_PROPERTY_CLIENT_TLS", {"BYDB_SCHEMA_PROPERTY_CLIENT_CA_CERT": CA}),
    _Files(
        _STORES,
        GOSSIP_TLS,
        {**_pair("BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_SERVER_"), "BYDB_PROPERTY_REPAIR_GOSSIP_CLIENT_CA_CERT": CA},
    ),
    _Files(ROLES, DISCOVERY_TLS, {"BYDB_NODE_DISCOVERY_DNS_CA_CERTS": CA}),
)
# What Go's strconv.ParseBool takes for true.
_TRUE = ("1", "t", "T", "TRUE", "true", "True")


def is_on(environment: Mapping[str, Any], switch: str) -> bool:
    """Return whether a variable turns a flag on. ``environment``: the environment of a server."""
    return str(environment.get(switch, "")) in _TRUE


def named_files(role: str, environment: Mapping[str, str]) -> list[NamedFile]:
    """Return the files that a server of this kind reads at its start. An empty ``path`` means that the server needs the variable.

    ``environment``: the environment of the server.
    """
    return [
        NamedFile(variable, path.strip(), what)
        for roles, switch, variables in READ
        if role in roles and (not switch or is_on(environment, switch))
        for variable, what in variables.items()
        for path in environment.get(variable, "").split(",")
        if switch or path.strip()
    ]


def pairs(files: list[NamedFile]) -> list[tuple[NamedFile, NamedFile]]:
    """Return the certificates with their keys. Pairs with an empty path are left out."""
    keys = {file.variable: file for file in files if file.what == KEY and file.path}
    found = []
    for file in files:
        key = keys.get(file.variable.replace("CERT_FILE", "KEY_FILE"))
        if file.what == CERTIFICATE and file.path and key:
            found.append((file, key))
    return found
