# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a unit and its drop-ins that the collection reads, and the trial run of the unit's program."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import trial_run
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.unit_overrides import drop_ins, settings

NAME = "banyandb-data.service"
UNIT = """\
[Unit]
Description=x
[Service]
# User=root
User=banyandb
UMask=0077
Restart=on-failure
SystemCallFilter=@system-service \\
  @clock
ExecStart=/opt/banyandb/current/bin/banyand-server data
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def unit(tmp_path: Path) -> str:
    path = tmp_path / NAME
    path.write_text(UNIT)
    return str(path)


def test_settings_are_read_with_their_sections_without_comments_and_over_continued_lines(unit: str) -> None:
    assert list(settings(unit)) == [
        ("Unit", "Description", "x"),
        ("Service", "User", "banyandb"),
        ("Service", "UMask", "0077"),
        ("Service", "Restart", "on-failure"),
        ("Service", "SystemCallFilter", "@system-service    @clock"),
        ("Service", "ExecStart", "/opt/banyandb/current/bin/banyand-server data"),
        ("Install", "WantedBy", "multi-user.target"),
    ]
    assert list(settings("/nowhere/at.all")) == []


def test_a_drop_in_is_described_without_its_values(tmp_path: Path) -> None:
    folder = tmp_path / f"{NAME}.d"
    folder.mkdir()
    (tmp_path / "more.env").write_text("# c\nSECRET_A=hunter2\nBYDB_TLS=true\n")
    path = folder / "local.conf"
    path.write_text(f'[Service]\nEnvironment="TOKEN=hunter2" GOGC=50\nEnvironmentFile=-{tmp_path}/more.env\nExecStart=\n')
    found = drop_ins([str(path)])
    assert "hunter2" not in str(found)
    assert [(each["option"], each["reset"], each["variables"]) for each in found[0]["settings"]] == [
        ("Environment", False, ["GOGC", "TOKEN"]),
        ("EnvironmentFile", False, ["BYDB_TLS", "SECRET_A"]),
        ("ExecStart", True, []),
    ]


@pytest.mark.parametrize("folder", [f"{NAME}.d", "banyandb-.service.d", "service.d"])
def test_a_drop_in_for_several_units_counts_too(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "x.conf"
    path.parent.mkdir()
    path.write_text("[Service]\nUser=x\n")
    (found,) = drop_ins([str(path)])
    assert found == {"path": str(path), "settings": [{"section": "Service", "option": "User", "reset": False, "variables": []}]}


def test_the_program_is_tried_with_what_decides_its_start_and_with_nothing_else(unit: str, tmp_path: Path) -> None:
    later = tmp_path / "later.conf"
    later.write_text("[Service]\nUser=other\nExecStart=\nExecStart=-/opt/new liaison\n")
    found = trial_run.read_unit(NAME, [unit, str(later)])
    properties = ("User=banyandb", "UMask=0077", "SystemCallFilter=@system-service    @clock", "User=other")
    assert found == trial_run.Unit("banyandb-data", tuple(f"--property={each}" for each in properties), ("/opt/new", "liaison"), "other")


def test_a_trial_runs_once_in_a_transient_unit(tmp_path, monkeypatch, unit):
    assert tried(tmp_path, monkeypatch, unit, f'echo "$*" > {tmp_path}/words') == ""
    words = (tmp_path / "words").read_text()
    assert words.startswith("--quiet --wait --pipe --collect --property=User=banyandb ")
    assert words.endswith(" -- /opt/banyandb/current/bin/banyand-server data --show-rungroup-units\n")


def test_a_host_without_a_unit_is_reported() -> None:
    with pytest.raises(HostStateError, match="no ExecStart. Deploy the host first"):
        trial_run.read_unit(NAME, ["/nowhere"])


def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str, script: str) -> str:
    """Return the error of a trial run with this script as systemd-run; empty without an error."""
    fake = tmp_path / "systemd-run"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    try:
        trial_run.try_program(trial_run.read_unit(NAME, [unit]))
    except HostStateError as error:
        assert error.kind == "does_not_start" and len(str(error)) <= 300
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", ""),
        ("exit 217", "banyandb-data: User is unknown."),
        ("echo usage; echo 'Error: invalid argument \"soon\".' >&2; exit 1", 'refuses its settings: invalid argument "soon". Correct'),
        ('echo \'{"level":"fatal","error":"no"}\'; echo later; exit 1', 'refuses its settings: {"level":"fatal","error":"no"}. Corr'),
        ("exit 2", "refuses its settings: no message. Correct banyandb_env."),
        ("exit 203", "/opt/banyandb/current/bin/banyand-server: No such file or directory."),
        ("exit 243", "banyandb-data: LoadCredential cannot be read."),
        ("echo 'Failed to parse TasksMax=x.' >&2; exit 1", "banyandb-data: systemd: Failed to parse TasksMax=x. Correct banyandb_unit_options."),
    ],
)
def test_a_trial_says_what_the_program_or_systemd_said(tmp_path, monkeypatch, unit, script, says):
    said = tried(tmp_path, monkeypatch, unit, script)
    assert said == "" if not says else says in said


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"\x7fELF of another machine", 0o755, "is not built for this machine"),
        (b"#!/no/such/loader\n", 0o755, "needs a loader that this host does not have"),
        (b"#!/bin/sh\n", 0o644, "Permission denied"),
        (b"#!/bin/sh\nexit 0\n", 0o755, "may not be executed by the server's account"),
    ],
)
def test_a_program_that_is_not_executed_is_reported_with_the_reason(tmp_path, monkeypatch, content, mode, says):
    program = tmp_path / "banyand-server"
    program.write_bytes(content)
    program.chmod(stat.S_IMODE(mode))
    unit = tmp_path / NAME
    unit.write_text(f"[Service]\nExecStart={program} data\n")
    said = tried(tmp_path, monkeypatch, str(unit), "exit 203")
    assert str(program) in said and says in said
