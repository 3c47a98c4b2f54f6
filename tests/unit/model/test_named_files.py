# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files and the addresses that a server needs for its start."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import named_files as module
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import Listener, listeners
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import (
    CA,
    CERTIFICATE,
    KEY,
    USERS,
    NamedFile,
    named_files,
    pairs,
)
from ansible_collections.skywalking.banyandb.tests.simulator.banyand.flag_table import TABLE

PAIR = {"BYDB_CERT_FILE": "/tls/cert", "BYDB_KEY_FILE": "/tls/key"}
FLAGS = {line.split()[0]: line.split()[2] for line in TABLE.splitlines() if line}


def flag(variable):
    return variable.removeprefix("BYDB_").replace("_", "-").lower()


def test_a_server_reads_its_certificate_only_with_tls():
    assert named_files("data", {**PAIR, "BYDB_TLS": "false"}) == []
    files = named_files("data", {**PAIR, "BYDB_TLS": "true"})
    assert files == [NamedFile("BYDB_CERT_FILE", "/tls/cert", CERTIFICATE), NamedFile("BYDB_KEY_FILE", "/tls/key", KEY)]
    assert pairs(files) == [(files[0], files[1])]


def test_a_switch_without_its_files_names_the_missing_variables():
    files = named_files("data", {"BYDB_SCHEMA_SERVER_TLS": "true", "BYDB_SCHEMA_SERVER_KEY_FILE": "/k"})
    assert [(file.variable, file.path) for file in files] == [("BYDB_SCHEMA_SERVER_CERT_FILE", ""), ("BYDB_SCHEMA_SERVER_KEY_FILE", "/k")]
    assert pairs(files) == []


def test_variables_of_another_kind_of_server_do_not_count():
    environment = {"BYDB_HTTP_TLS": "true", "BYDB_AUTH_CONFIG_FILE": "/users", "BYDB_HTTP_GRPC_CERT_FILE": "/ca", "BYDB_DATA_CLIENT_TLS": "true"}
    assert named_files("data", environment) == []
    assert [file.what for file in named_files("liaison", environment)] == [CERTIFICATE, KEY, CA, USERS, CA]


def test_each_ca_of_dns_names_is_a_file():
    files = named_files("data", {"BYDB_NODE_DISCOVERY_DNS_TLS": "true", "BYDB_NODE_DISCOVERY_DNS_CA_CERTS": "/a,/b"})
    assert [file.path for file in files] == ["/a", "/b"]


def test_every_file_flag_of_the_server_is_known_with_its_kinds():
    letters = {"d": "data", "l": "liaison", "s": "standalone"}
    known = {flag(variable): set(files.roles) for files in module.READ for variable in files.variables}
    wanted = {
        name: {letters[letter] for letter in kinds}
        for name, kinds in FLAGS.items()
        if name.endswith(("-cert-file", "-key-file", "-ca-cert", "-ca-certs", "-config-file")) or name in ("cert-file", "key-file")
    }
    assert known == wanted
    assert {flag(files.switch) for files in module.READ if files.switch} <= FLAGS.keys()


@pytest.mark.parametrize(
    ("kind", "environment", "expected"),
    [
        ("standalone", {}, [("", 17912), ("", 17913)]),
        ("liaison", {"BYDB_HTTP_HOST": "10.0.0.5", "BYDB_GRPC_PORT": "1"}, [("", 1), ("10.0.0.5", 17913), ("", 18912), ("", 18913)]),
        ("data", {"BYDB_GRPC_HOST": "[::1]", "BYDB_HTTP_HOST": "x"}, [("::1", 17912), ("::1", 17913), ("", 17916)]),
        ("data", {"BYDB_HAS_META_ROLE": "false", "BYDB_HTTP_PORT": "many", "BYDB_GRPC_HOST": "0.0.0.0"}, [("", 17912)]),
    ],
)
def test_the_addresses_without_which_a_server_does_not_start(kind, environment, expected):
    assert [(each.host, each.port) for each in listeners(kind, environment)] == expected


def test_a_listener_names_the_variables_that_move_it():
    assert listeners("data", {})[1] == Listener("", 17913, "BYDB_GRPC_HOST", "banyandb_http_port")
