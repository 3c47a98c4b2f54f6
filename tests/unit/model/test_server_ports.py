# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a running server comes from the settings of its process."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import ServerPorts, with_port


def test_a_server_without_settings_has_the_default_ports():
    assert ServerPorts.of({}) == ServerPorts((17912, 17913), 17913, "127.0.0.1:2121")


@pytest.mark.parametrize(
    ("listener", "metrics"),
    [(":3131", "127.0.0.1:3131"), ("0.0.0.0:3131", "127.0.0.1:3131"), ("[::]:3131", "127.0.0.1:3131"), ("10.0.0.1:3131", "10.0.0.1:3131")],
)
def test_a_server_has_the_ports_of_its_settings(listener, metrics):
    environment = {"BYDB_GRPC_PORT": "27912", "BYDB_HTTP_PORT": "27913", "BYDB_OBSERVABILITY_LISTENER_ADDR": listener}
    assert ServerPorts.of(environment) == ServerPorts((27912, 27913), 27913, metrics)


def test_what_is_no_port_is_refused():
    with pytest.raises(ValueError, match="many"):
        ServerPorts.of({"BYDB_GRPC_PORT": "many"})


def test_a_url_gets_another_port():
    assert with_port("https://[::1]:17913/", 27913) == "https://[::1]:27913"
