# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/reachable.md say what the code says about each port of each kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import listening_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.reachable_ports import reachable
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Purpose

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reachable.md").read_text(encoding="utf-8")
HEADINGS = {"data": "Data nodes", "liaison": "Liaisons", "standalone": "Standalone servers"}
WORDS = {Purpose.GRPC: "gRPC", Purpose.HTTP: "HTTP", Purpose.INTERNAL: "gRPC of nodes", Purpose.INTERNAL_HTTP: "HTTP of nodes"}
USERS = {"banyandb_env": {"BYDB_AUTH_CONFIG_FILE": "/etc/banyandb/users.yml"}}


def ports(kind, firewall=False, **variables):
    return reachable(kind, listening_environment(kind, variables), firewall)


@pytest.mark.parametrize("kind", HEADINGS)
def test_the_table_of_a_kind_is_what_the_code_says(kind):
    section = PAGE.partition(f"## {HEADINGS[kind]}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if re.match(r"\| \d", line)]
    expected = [
        [
            str(plain.port),
            WORDS.get(plain.purpose, plain.purpose.value),
            ", ".join(reach.value for reach in plain.reach),
            ", ".join(reach.value for reach in walled.reach),
            "password" if users.password else "no password",
            "encrypted" if tls.encrypted else "plain",
        ]
        for plain, walled, users, tls in zip(
            ports(kind), ports(kind, firewall=True), ports(kind, **USERS), ports(kind, banyandb_tls=True), strict=True
        )
    ]
    assert rows == expected


def test_the_page_explains_each_word():
    words = {reach.value for kind in HEADINGS for firewall in (False, True) for port in ports(kind, firewall) for reach in port.reach}
    assert words == set(re.findall(r"^\| (\w+) \| (?:every|the|only)", PAGE, re.MULTILINE))
