# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module node_firewall: its options and its refusals. tests/unit/host/test_firewall_options.py has its changes, with a real nft."""

from __future__ import annotations

import asyncio

import pytest

from ansible_collections.skywalking.banyandb.plugins.modules import node_firewall
from ansible_collections.skywalking.banyandb.tests.unit.documented import documented_options
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module


def test_the_documentation_names_every_option():
    documented = documented_options(node_firewall)
    assert {name: set(option.get("suboptions", {})) for name, option in documented.items()} == {
        name: set(argument.get("options", {})) for name, argument in node_firewall.ARGUMENTS.items()
    }


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("firewall", "kind", "says"),
    [
        ({"members": ["no.such.name.invalid"]}, "not_resolved", "cannot resolve no.such.name.invalid, so the firewall stays unchanged."),
        ({"networks": {"members": ["10.0.0.1/8"]}}, None, "10.0.0.1/8"),
    ],
)
def test_a_refusal_is_one_message(check, firewall, kind, says):
    given = {"ports": [["grpc", 17912, "", ["members"]]], **firewall}
    result, _err = asyncio.run(run_module("node_firewall", check=check, firewall=given, complete=True))
    assert result["failed"] and result.get("error_type") == kind and says in result["msg"]
