# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of other programs on a host: what nft lists, and what each variant of iptables prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import foreign_filter, nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import Wanted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.foreign_chains import Blocked, Firewall
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

SCENE = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import foreign_filter, nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import Wanted, render
seen = {}
serve(17912); serve(17913)
TRY = "import socket, sys; s = socket.create_connection(('192.0.2.1', int(sys.argv[1])), 0.5); s.sendall(b'x'); s.recv(1)"
def reaches(port): return subprocess.run([*there, sys.executable, "-c", TRY, str(port)], capture_output=True).returncode == 0
needed = Wanted.of({17912: ["192.0.2.0/24"], 17913: ["192.0.2.0/24"]})
def found(): return [[each.firewall.value, each.table, list(each.ports)] for each in foreign_filter.found(needed)[0]]
nftables.apply(render(needed))
seen["only our table"] = [found(), reaches(17912)]
nftables.apply('table inet filter { chain input { type filter hook input priority 0; policy drop; ct state established accept; iif lo accept; '
    'tcp dport { 22, 17913 } accept\\n}\\n}\\n')
seen["another table"] = [found(), reaches(17912), reaches(17913)]
command = foreign_filter.found(needed)[0][0].commands()[0]
subprocess.run(command, shell=True, check=True)
seen["after the command"] = [found(), reaches(17912)]
print(json.dumps(seen))
"""


def test_a_chain_that_drops_is_found_and_the_command_opens_the_port():
    assert played(SCENE) == {
        "only our table": [[], True],
        "another table": [[["nftables", "filter", [17912]]], False, True],
        "after the command": [[], True],
    }


NEEDED = Wanted.of({17912: ["10.0.0.1"]})
INPUT = json.dumps({"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}}]})
CLOSED, OPEN = "-P INPUT DROP\n", "-P INPUT ACCEPT\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a function that makes programs: name -> (what ``--version`` prints, what ``-S`` prints)."""
    tables = {}
    for family in ("ip", "ip6"):
        tables[family] = tmp_path / f"{family}_tables_names"
    names = {family: (name, str(tables[family])) for family, (name, _path) in foreign_filter._IPTABLES.items()}
    monkeypatch.setattr(foreign_filter, "_IPTABLES", names)
    monkeypatch.setattr(foreign_filter.shutil, "which", lambda name, path="": str(tmp_path / name) if (tmp_path / name).exists() else None)

    def make(listing: str = '{"nftables": []}', legacy: str = "", **found: tuple[str, str]) -> None:
        found["nft"] = ("", listing)
        monkeypatch.setattr(nftables, "program", lambda: str(tmp_path / "nft"))
        for name, (version, text) in found.items():
            path = tmp_path / name.replace("_", "-")
            Path(f"{path}.version").write_text(version)
            Path(f"{path}.text").write_text(text)
            path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec cat {path}.version\n[ -s {path}.text ] || exit 3\nexec cat {path}.text\n')
            path.chmod(0o755)
        tables["ip"].write_text(legacy)

    return make


def test_iptables_nft_explains_its_table(programs):
    programs(INPUT, iptables=("iptables v1.8.9 (nf_tables)\n", OPEN))
    assert foreign_filter.found(NEEDED) == ([], [])
    programs(INPUT, iptables=("iptables v1.8.9 (nf_tables)\n", CLOSED))
    assert foreign_filter.found(NEEDED)[0] == [Blocked(Firewall.IPTABLES, "ip", "filter", "INPUT", (17912,))]


def test_iptables_nft_has_a_name_of_its_own_where_legacy_iptables_is_the_default(programs):
    programs(INPUT, iptables=("iptables v1.8.9 (legacy)\n", CLOSED), iptables_nft=("iptables v1.8.9 (nf_tables)\n", OPEN))
    assert foreign_filter.found(NEEDED) == ([], [])


def test_a_table_that_iptables_cannot_read_is_read_by_nft_alone(programs):
    for found in ({}, {"iptables": ("iptables v1.8.9 (nf_tables)\n", "")}):
        programs(INPUT, **found)
        assert foreign_filter.found(NEEDED)[0] == [Blocked(Firewall.IPTABLES, "ip", "filter", "INPUT", (17912,))]


def test_iptables_is_not_run_without_its_table(programs):
    programs(iptables=("iptables v1.8.9 (nf_tables)\n", CLOSED), iptables_legacy=("iptables v1.8.9 (legacy)\n", CLOSED))
    assert foreign_filter.found(NEEDED) == ([], [])


def test_legacy_iptables_is_read_when_the_kernel_has_its_table(programs):
    expected = [Blocked(Firewall.LEGACY, "ip", "legacy filter", "INPUT", (17912,))]
    programs(legacy="nat\nfilter\n", iptables=("iptables v1.8.9 (nf_tables)\n", OPEN), iptables_legacy=("", CLOSED))
    assert foreign_filter.found(NEEDED) == (expected, [])


def test_legacy_iptables_may_be_the_default(programs):
    programs(legacy="filter\n", iptables=("iptables v1.8.9 (legacy)\n", CLOSED))
    assert foreign_filter.found(NEEDED)[0] == [Blocked(Firewall.LEGACY, "ip", "legacy filter", "INPUT", (17912,))]


def test_legacy_rules_that_no_program_reads_are_a_note(programs):
    programs(legacy="filter\n", iptables=("iptables v1.8.9 (nf_tables)\n", CLOSED))
    found, notes = foreign_filter.found(NEEDED)
    assert found == [] and len(notes) == 1 and notes[0].endswith("iptables-legacy -S INPUT") and len(notes[0]) <= 200
    programs(legacy="nat\n")
    assert foreign_filter.found(NEEDED) == ([], [])


def test_output_of_nft_that_is_no_json_is_an_error_of_nft(programs):
    programs("table inet filter {")
    with pytest.raises(HostStateError, match="Check nftables on this host") as refused:
        foreign_filter.found(NEEDED)
    assert refused.value.kind == "nft_failed" and len(str(refused.value)) <= 200


def test_a_host_without_nft_has_only_legacy_rules(programs, monkeypatch, tmp_path):
    programs(legacy="filter\n", iptables_legacy=("", CLOSED))
    (tmp_path / "nft").unlink()
    assert foreign_filter.found(NEEDED)[0] == [Blocked(Firewall.LEGACY, "ip", "legacy filter", "INPUT", (17912,))]
