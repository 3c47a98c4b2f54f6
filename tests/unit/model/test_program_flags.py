# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that a program does not know."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.program_flags import BadHelp, flags_of, unknown_settings

# Lines of `banyand-server liaison --help`, with the log lines that the program prints before.
HELP = """\
{"level":"info","time":"2026-11-30T01:24:10Z","message":"maxprocs: Leaving GOMAXPROCS=2: CPU quota undefined"}
Run as the liaison server

Usage:
   liaison [flags]

Flags:
      --grpc-port uint32                                        the port of banyand listens (default 17912)
  -h, --help                                                    help for liaison
  -n, --name string                                             name of this service (default "liaison")
      --node-discovery-mode string                              Node discovery mode: 'none', 'dns' (--node-discovery-dns-tls) or 'file'
      --tls                                                     connection uses TLS if true, else plain TCP

Global Flags:
      --node-host string                            the node host of the server only used when node-host-provider is "flag"
"""


def test_flags_of_the_help():
    assert flags_of(HELP) == {"grpc-port", "help", "name", "node-discovery-mode", "tls", "node-host"}


@pytest.mark.parametrize("output", ["", "Error: unknown flag: --help\n", '{"level":"fatal"}\n', "  --x  y\n"])
def test_an_output_without_flags_of_a_server(output):
    with pytest.raises(BadHelp):
        flags_of(output)


def test_variables_that_are_no_flags():
    variables = ["BYDB_TLS", "BYDB_ETCD_ENDPOINTS", "BYDB_NODE_HOST", "BYDB_NAMESPACE", "GOGC", "BANYANDB_UNIT_SHA256", "BYDB_tls"]
    assert unknown_settings(variables, flags_of(HELP)) == ["BYDB_ETCD_ENDPOINTS", "BYDB_NAMESPACE", "BYDB_tls"]
    assert unknown_settings([], flags_of(HELP)) == []
