# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the firewall: systemd accepts them, and reads the commands that the model gives. tests/unit/host runs the commands."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import (
    SERVICE,
    WATCH_SERVICE,
    WATCH_TIMER,
    compare_command,
    load_commands,
    units,
)

NFT = "/usr/sbin/nft"


def values(name: str, option: str) -> list[str]:
    return [line.partition("=")[2] for line in units(NFT)[name].splitlines() if line.startswith(f"{option}=")]


def commands(name: str, option: str) -> list[list[str]]:
    """Return the commands of an option. systemd reads ``$$`` as one dollar sign."""
    return [[word.replace("$$", "$") for word in shlex.split(value)] for value in values(name, option)]


def test_systemd_reads_the_commands_of_the_model():
    assert commands(SERVICE, "ExecStart") == commands(SERVICE, "ExecReload") == load_commands(NFT)
    assert commands(WATCH_SERVICE, "ExecStart") == [compare_command(NFT)]


def test_the_table_is_loaded_before_the_network_and_after_programs_that_flush():
    assert values(SERVICE, "Before") == ["network-pre.target shutdown.target"] and values(SERVICE, "Wants") == ["network-pre.target"]
    assert "nftables.service" in values(SERVICE, "After")[0].split()
    # No dependency: the unit also works where nftables.service is absent or disabled.
    assert all("nftables.service" not in value for option in ("Wants", "Requires", "BindsTo", "PartOf") for value in values(SERVICE, option))
    assert values(SERVICE, "DefaultDependencies") == ["no"] and values(SERVICE, "RemainAfterExit") == ["yes"]


def test_the_units_belong_together():
    assert values(WATCH_TIMER, "PartOf") == [SERVICE]
    assert WATCH_TIMER.rpartition(".")[0] == WATCH_SERVICE.rpartition(".")[0]
    assert all(text.startswith(MARK) for text in units(NFT).values())


def test_systemd_accepts_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze")
    assert analyze, "install systemd"
    nft = tmp_path / "nft"
    nft.touch(0o755)
    paths = []
    for name, text in units(str(nft)).items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    done = subprocess.run([analyze, "verify", *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
