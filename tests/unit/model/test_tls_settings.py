# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tls_settings: the environment of a server with TLS and users."""

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import named_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import (
    security_environment,
    tls_entry,
    tls_environment,
    tls_files,
)

FILES = tls_files("/etc/banyandb")
# Section 7 of the contract.
CONTRACT = {
    "data": {
        "BYDB_TLS": "true",
        "BYDB_CERT_FILE": FILES.certificate,
        "BYDB_KEY_FILE": FILES.key,
        "BYDB_SCHEMA_SERVER_TLS": "true",
        "BYDB_SCHEMA_SERVER_CERT_FILE": FILES.certificate,
        "BYDB_SCHEMA_SERVER_KEY_FILE": FILES.key,
        "BYDB_SCHEMA_PROPERTY_CLIENT_TLS": "true",
        "BYDB_SCHEMA_PROPERTY_CLIENT_CA_CERT": FILES.ca,
        "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_TLS": "true",
        "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_SERVER_CERT_FILE": FILES.certificate,
        "BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_SERVER_KEY_FILE": FILES.key,
        "BYDB_PROPERTY_REPAIR_GOSSIP_CLIENT_CA_CERT": FILES.ca,
    },
    "liaison": {
        "BYDB_TLS": "true",
        "BYDB_CERT_FILE": FILES.certificate,
        "BYDB_KEY_FILE": FILES.key,
        "BYDB_HTTP_TLS": "true",
        "BYDB_HTTP_CERT_FILE": FILES.certificate,
        "BYDB_HTTP_KEY_FILE": FILES.key,
        "BYDB_HTTP_GRPC_CERT_FILE": FILES.ca,
        "BYDB_LIAISON_SERVER_TLS": "true",
        "BYDB_LIAISON_SERVER_CERT_FILE": FILES.certificate,
        "BYDB_LIAISON_SERVER_KEY_FILE": FILES.key,
        "BYDB_LIAISON_CLIENT_TLS": "true",
        "BYDB_LIAISON_CLIENT_CA_CERT": FILES.ca,
        "BYDB_DATA_CLIENT_TLS": "true",
        "BYDB_DATA_CLIENT_CA_CERT": FILES.ca,
        "BYDB_SCHEMA_PROPERTY_CLIENT_TLS": "true",
        "BYDB_SCHEMA_PROPERTY_CLIENT_CA_CERT": FILES.ca,
    },
}


@pytest.mark.parametrize("role", CONTRACT)
def test_every_port_and_every_client_of_a_server_has_its_variables(role):
    assert tls_environment(role, FILES) == CONTRACT[role]


@pytest.mark.parametrize("role", ["data", "liaison", "standalone"])
def test_every_file_that_the_server_then_reads_is_one_of_ours(role):
    assert {file.path for file in named_files(role, tls_environment(role, FILES))} == {*FILES}


def test_only_a_data_node_has_a_port_for_the_gossip():
    assert not any("GOSSIP" in name for role in ("liaison", "standalone") for name in tls_environment(role, FILES))


@pytest.mark.parametrize("off", [{}, {"banyandb_tls": False}, {"banyandb_tls": "no"}])
def test_without_the_variables_nothing_is_set(off):
    assert security_environment("liaison", off) == {}


def test_an_entry_of_the_topology_names_the_ca_of_the_host():
    assert tls_entry(FILES) == {"tls_enabled": True, "ca_cert_path": "/etc/banyandb/tls/ca.crt"}
