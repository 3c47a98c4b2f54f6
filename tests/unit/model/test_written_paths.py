# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that the operator's environment gives to the server, outside of its data directories."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import DECIDED_ELSEWHERE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.written_paths import WRITTEN, written_path_problems
from ansible_collections.skywalking.banyandb.tests.simulator.banyand.flag_table import TABLE

LOG, CRASH = "BYDB_ACCESS_LOG_ROOT_PATH", "BYDB_PANIC_DIAGNOSTICS_DIR"


def problems(environment, options=None):
    variables = {
        "banyandb_kind": "standalone",
        "banyandb_data_dir": "/var/lib/banyandb",
        "banyandb_storage": {"measure": "/disk1"},
        "banyandb_env": environment,
        "banyandb_unit_options": options or {},
    }
    return written_path_problems(variables)


@pytest.mark.parametrize("variable", [LOG, CRASH, "BYDB_PANIC_ARTIFACT_DIR"])
@pytest.mark.parametrize("path", ["/var/log/banyandb", "/var/lib/banyandb2", "../other", "/home/x"])
def test_a_directory_that_the_sandbox_hides_is_refused_with_the_way(variable, path):
    (problem,) = problems({variable: path})
    assert problem == (
        f"banyandb_env: {variable} is '{path}', where the server cannot write. Set banyandb_unit_options: {{Service: {{LogsDirectory: banyandb}}}}, "
        "and use /var/log/banyandb."
    )
    assert len(problem) <= 200


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({}, {}),
        ({LOG: None, CRASH: ""}, {}),
        ({LOG: "/var/lib/banyandb", CRASH: "/disk1/crash"}, {}),
        ({CRASH: "crash"}, {}),
        ({CRASH: "/tmp/crash", LOG: "/var/tmp/log"}, {}),
        ({CRASH: "/run/banyandb/crash"}, {"Service": {"RuntimeDirectory": "banyandb"}}),
        ({LOG: "/srv/log"}, {"Service": {"ReadWritePaths": "/srv/log/"}}),
        ({LOG: "/srv/log"}, {"Service": {"BindPaths": "/data/log:/srv/log"}}),
        ({LOG: "/var/log/banyandb", CRASH: "/var/log/banyandb/crash"}, {"Service": {"LogsDirectory": "banyandb"}}),
        ({LOG: "/var/log/b/access"}, {"Service": {"LogsDirectory": ["a", "b b/access"]}}),
        ({LOG: "/var/lib/logs"}, {"Service": {"StateDirectory": "logs:link"}}),
        ({LOG: "/srv/logs/today", CRASH: "/srv/logs"}, {"Service": {"ReadWritePaths": ["-/srv/logs", "/more"]}}),
    ],
)
def test_a_directory_that_the_server_can_write_is_no_problem(environment, options):
    assert problems(environment, options) == []


def test_the_server_does_not_make_the_directory_of_its_access_log():
    assert len(problems({LOG: "/var/lib/banyandb/access"})) == 1
    assert len(problems({LOG: "/var/log/banyandb/access"}, {"Service": {"LogsDirectory": "banyandb"}})) == 1


@pytest.mark.parametrize("options", [{"Service": "x"}, {"Service": {"LogsDirectory": None}}, {"Service": {"LogsDirectory": {}}}])
def test_options_of_a_wrong_type_are_for_another_check(options):
    assert len(problems({LOG: "/var/log/banyandb"}, options)) == 1


def test_every_directory_flag_of_the_server_is_either_decided_or_checked():
    flags = [line.split()[0] for line in TABLE.splitlines() if line]
    directories = {flag for flag in flags if flag.endswith(("-path", "-dir"))}
    # The server reads this directory and does not write it.
    directories.remove("trace-pipeline-trusted-plugin-dir")
    assert {f"BYDB_{flag.upper().replace('-', '_')}" for flag in directories} == {
        *WRITTEN,
        *(name for name in DECIDED_ELSEWHERE if name.endswith(("_PATH", "_DIR"))),
    }
