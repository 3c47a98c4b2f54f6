# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module service_ready with the fake systemctl of these tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service_start
from ansible_collections.skywalking.banyandb.plugins.modules import service_ready
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

UNIT = "banyandb-data.service"
FAILED = "ActiveState=failed\\nSubState=failed\\nMainPID=0\\nResult=exit-code\\nExecMainCode=1\\nExecMainStatus=1\\nLoadState=loaded\\n"


def ready(check=False, **arguments):
    # with -c, because running.run_module also has a parameter `name`
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
    """Yield a port on which this process listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def becomes(systemd, pid):
    """Make a start turn the unit active with this process."""
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


def ends(systemd, journal='{"level":"debug"}\nError: no topology file\nUsage:\n   data [flags]\n', **moment):
    """Make a start end at once with this journal."""
    systemd.unit(UNIT, ActiveState="inactive", InvocationID="before")
    systemd.on_start(UNIT, f"printf '{FAILED}' >{UNIT}.unit\n")
    systemd.journal(journal, **moment)


def test_a_process_that_ends_is_an_error_at_once_with_its_decisive_message_and_the_command_for_the_rest(systemd):
    ends(systemd)
    result = ready(ports=[1], timeout=3600)
    assert (result["failed"], result["changed"], result["error_type"]) == (True, True, "not_ready")
    assert result["msg"] == 'banyandb-data did not start: "no topology file". Log: journalctl -u banyandb-data.'
    assert "journal" not in result


def test_the_journal_is_in_the_result_of_a_failed_task_with_v_only(systemd):
    ends(systemd)
    assert ready(ports=[1], _ansible_verbosity=1)["journal"] == ["Error: no topology file"]
    assert ready(ports=[1], journal_lines=0, _ansible_verbosity=1).get("journal") is None


def test_a_failure_may_be_reported_instead_of_raised(systemd):
    ends(systemd)
    result = ready(ports=[1], report_failure=True)
    assert not result.get("failed") and result["changed"] is True
    assert result["failure"] == {"reason": 'banyandb-data did not start: "no topology file"', "log": "journalctl -u banyandb-data"}
    assert result["journal"] == ["Error: no topology file"]


def test_without_a_decisive_message_the_exit_status_is_the_reason(systemd):
    ends(systemd, '{"level":"info","message":"starting"}\n')
    assert ready(ports=[1])["msg"] == "banyandb-data did not start: it exited with status 1. Log: journalctl -u banyandb-data."


def test_a_message_of_any_length_leaves_room_for_the_rest(systemd):
    ends(systemd, "Error: " + "x" * 9000)
    message = ready(ports=[1])["msg"]
    assert len(message) <= 200 and message.endswith('...". Log: journalctl -u banyandb-data.')


@pytest.mark.parametrize("moment", [{"at": 17.2}, {"invocation": "before"}])
def test_what_the_process_before_said_is_no_evidence(systemd, monkeypatch, moment):
    monkeypatch.setattr(service_start.time, "time", lambda: 17.7)
    ends(systemd, "Error: of the process before", **moment)
    systemd.journal("Error: of this start", at=17.8)
    with pytest.raises(service_start.NotReady) as failure:
        service_start.come_up(UNIT, False, [1], 3600)
    assert failure.value.journal == ["Error: of this start"]
    assert "--since=@17 " in (systemd.directory / "journal-calls").read_text()


def test_a_message_that_is_no_text_is_read_from_its_bytes(systemd):
    ends(systemd, "")
    with open(systemd.directory / "journal", "a", encoding="utf-8") as stream:
        stream.write(json.dumps({"__REALTIME_TIMESTAMP": "2000000000000000", "MESSAGE": list(b"Error: b\xffd\x1b[0m")}) + "\nno JSON\n[]\n{}\n")
    assert 'did not start: "b\ufffdd [0m"' in ready(ports=[1])["msg"]


def test_a_process_that_never_listens_is_reported_with_the_process_that_holds_the_port(systemd, port):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            systemd.unit(UNIT, MainPID=stranger.pid)
            result = ready(ports=[port], timeout=0.2)
        finally:
            stranger.kill()
    assert f"banyandb-data runs, and does not listen on {port} after 0.2 s; {port} is held by " in result["msg"]
    assert f"(pid {os.getpid()})" in result["msg"]


def test_a_refusal_of_systemctl_is_reported(systemd):
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, "echo 'Unit is masked.' >&2; exit 1\n")
    result = ready()
    assert result["error_type"] == "not_ready"
    assert result["msg"] == "banyandb-data did not start: Unit is masked. Log: journalctl -u banyandb-data."


def test_a_unit_that_is_not_there_is_reported(systemd):
    assert "banyandb-data.service: systemd does not know this unit." in ready()["msg"]


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
