# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module service_ready, run whole against a systemctl of the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service
from ansible_collections.skywalking.banyandb.plugins.modules import service_ready
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

UNIT = "banyandb-data.service"
FAILED = "ActiveState=failed\\nSubState=failed\\nMainPID=0\\nResult=exit-code\\nExecMainCode=1\\nExecMainStatus=1\\nLoadState=loaded\\n"


def ready(check=False, **arguments):
    # by -c and not by running.run_module, which has a parameter called name, too
    done = subprocess.run(
        [sys.executable, "-c", f"from {service_ready.__name__} import main; main()"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"name": UNIT, "_ansible_check_mode": check, **arguments}}),
        env={**os.environ, "PYTHONPATH": COLLECTIONS},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def port():
    """A port on which this very process listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def becomes(systemd, pid):
    """A start makes the unit active with this process."""
    systemd.on_start(UNIT, f"printf 'LoadState=loaded\\nActiveState=active\\nMainPID={pid}\\n' >{UNIT}.unit\n")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("wrong", [{"timeout": "inf"}, {"timeout": "nan"}, {"timeout": 0}, {"journal_lines": 0}, {"journal_lines": 10**9}])
def test_a_number_out_of_bounds_is_refused_by_name_and_nothing_is_started(systemd, wrong, check):
    (option,) = wrong
    result = ready(check, **wrong)
    assert result["failed"] and result["msg"].startswith(f"{option} is ") and "expected" in result["msg"]
    assert systemd.calls("start") == []


def test_a_stopped_service_is_started_and_waited_for(systemd, port):
    systemd.unit(UNIT, ActiveState="inactive")
    becomes(systemd, os.getpid())
    result = ready(ports=[port])
    assert (result["changed"], result["main_pid"]) == (True, os.getpid())
    assert result["diff"] == {"before": "inactive\n", "after": "active\n"}
    assert systemd.calls("start") == [UNIT]


def test_a_service_that_listens_is_left_alone(systemd, port):
    systemd.unit(UNIT, MainPID=os.getpid())
    assert ready(ports=[port])["changed"] is False
    assert systemd.calls("start") == systemd.calls("restart") == []


def test_a_restart_is_always_done(systemd, port):
    systemd.unit(UNIT, MainPID=os.getpid())
    becomes(systemd, os.getpid())
    assert ready(state="restarted", ports=[port])["changed"] is True
    assert systemd.calls("restart") == [UNIT]


def test_a_process_that_ends_is_an_error_at_once_with_its_last_words(systemd):
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, f"printf '{FAILED}' >{UNIT}.unit\n")
    systemd.journal('{"level":"debug"}\nError: no topology file\n')
    result = ready(ports=[1], timeout=3600)
    assert (result["failed"], result["error_type"]) == (True, "not_ready")
    assert result["msg"] == (
        f"{UNIT} ended while it started: it exited with status 1 (ActiveState=failed, SubState=failed, Result=exit-code).\n"
        "Its last lines in the journal:\nError: no topology file"
    )


def test_the_last_words_of_a_process_that_ends_within_the_second_of_its_start_are_among_them(systemd, monkeypatch):
    monkeypatch.setattr(service.time, "time", lambda: 17.7)
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, f"printf '{FAILED}' >{UNIT}.unit\n")
    with pytest.raises(service.NotReady):
        service.come_up(UNIT, False, [1], 3600)
    assert "--since=@17 " in (systemd.directory / "journal-calls").read_text()


def test_a_process_that_never_listens_is_told_with_who_holds_the_port(systemd, port):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            systemd.unit(UNIT, MainPID=stranger.pid)
            result = ready(ports=[port], timeout=0.2)
        finally:
            stranger.kill()
    assert f"does not listen on {port} after 0.2 s; {port} is held by " in result["msg"]
    assert f"(pid {os.getpid()})" in result["msg"]
    assert "Its journal says nothing" in result["msg"]


def test_what_systemctl_refuses_is_told(systemd):
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, "echo 'Unit is masked.' >&2; exit 1\n")
    result = ready()
    assert result["error_type"] == "not_ready"
    assert "failed with status 1: Unit is masked." in result["msg"]


def test_a_unit_that_is_not_there_is_told(systemd):
    assert "is not known to systemd on this host" in ready()["msg"]


def test_check_mode_predicts_and_does_nothing(systemd):
    assert ready(check=True)["changed"] is True
    systemd.unit(UNIT, ActiveState="active")
    assert ready(check=True)["changed"] is False
    assert ready(check=True, state="restarted")["changed"] is True
    assert systemd.calls("start") == systemd.calls("restart") == []


def test_the_documentation_names_every_option():
    documented = yaml.safe_load(service_ready.DOCUMENTATION)["options"]
    assert {name: option.get("default") for name, option in documented.items()} == {
        name: argument.get("default") for name, argument in service_ready.ARGUMENTS.items() if name != "ports"
    } | {"ports": []}
