# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd_services and running_process: the state of a server from texts of systemd and /proc."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.needed_restart import restart_reasons
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digests
from ansible_collections.skywalking.banyandb.tests.unit.inotify import watched

RUNNING = """\
Type=exec
Id=banyandb-data.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=no
MainPID=4711
InvocationID=0f1e
Result=success
ExecMainCode=0
ExecMainStatus=0
ExecMainStartTimestamp=Sat 2026-11-21 10:29:02 UTC
ExecMainStartTimestampMonotonic=2754604219
NRestarts=11
EnvironmentFiles=/etc/banyandb/data.env (ignore_errors=no)
EnvironmentFiles=/etc/default/more (ignore_errors=yes)
Environment=BYDB_EXTRA=1 "GOGC=a b" LAST=
"""
ABSENT = """\
Id=none.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
NeedDaemonReload=no
MainPID=0
ExecMainStartTimestamp=
ExecMainStartTimestampMonotonic=0
"""


@pytest.fixture
def systemctl(tmp_path):
    """A fake systemctl with a fixed output. It records its calls."""

    def say(text, status=0, stderr=""):
        path = tmp_path / "systemctl"
        (tmp_path / "stdout").write_text(text)
        (tmp_path / "stderr").write_text(stderr)
        path.write_text(f'#!/bin/sh\necho "$LC_ALL $TZ $*" >>{tmp_path}/calls\ncat {tmp_path}/stdout\ncat {tmp_path}/stderr >&2\nexit {status}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return say


def test_all_services_are_asked_in_one_call(systemctl, tmp_path):
    found = systemd_services.services(["banyandb-data.service", "none.service"], systemctl(RUNNING + "\n" + ABSENT))
    data, none = found["banyandb-data.service"], found["none.service"]
    assert (data.exists, data.active_state, data.enabled, data.main_pid, data.invocation) == (True, "active", "enabled", 4711, "0f1e")
    assert (data.started_at, data.started_us, data.restarts) == ("2026-11-21T10:29:02Z", 2754604219, 11)
    assert data.environment_files == ("/etc/banyandb/data.env", "/etc/default/more")
    assert data.environment_names == {"BYDB_EXTRA", "GOGC", "LAST"}
    assert (none.exists, none.active_state, none.main_pid, none.started_at) == (False, "inactive", 0, "")
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("C UTC show ") and call.endswith("-- banyandb-data.service none.service")


def test_no_service_costs_no_call():
    assert systemd_services.services([], systemctl="/no/such/program") == {}


def test_a_host_without_systemd_is_reported(systemctl):
    with pytest.raises(HostStateError, match="This needs a host with systemd.") as error:
        systemd_services.services(["a.service"], "/no/such/program")
    assert error.value.kind == "no_systemd"
    with pytest.raises(HostStateError, match="not been booted") as error:
        systemd_services.services(["a.service"], systemctl("", 1, "System has not been booted with systemd as init system"))
    assert error.value.kind == "no_systemd"


def running(tmp_path, environ, arguments=("/opt/b/current/bin/s", "data"), exe=None, **changes):
    """Make a unit whose process 4711 has a fake /proc. The installed program is version 1."""
    process = tmp_path / "proc" / "4711"
    process.mkdir(parents=True)
    (process / "environ").write_bytes(b"".join(f"{name}={value}".encode() + b"\0" for name, value in environ.items()))
    (process / "cmdline").write_bytes(b"".join(argument.encode() + b"\0" for argument in arguments))
    (process / "exe").symlink_to(exe or "/nowhere")
    text = RUNNING
    for name, value in changes.items():
        text = "".join(f"{name}={value}\n" if line.startswith(name + "=") else line + "\n" for line in text.splitlines())
    return systemd_services._service("banyandb-data.service", systemd_services._properties(text))


def reasons(tmp_path, unit, wanted=None, program=None, target=None):
    return restart_reasons(unit, None if wanted is None else digests(wanted), program, target, str(tmp_path / "proc"))


def test_a_process_with_the_wanted_environment_needs_no_restart(tmp_path):
    unit = running(tmp_path, {"BYDB_A": "ü $x", "PATH": "/bin", "INVOCATION_ID": "1"})
    assert reasons(tmp_path, unit, {"BYDB_A": "ü $x"}) == []


def test_other_missing_and_left_over_variables_are_named_and_not_their_values(tmp_path):
    unit = running(tmp_path, {"BYDB_A": "hunter2", "BYDB_OLD": "hunter2", "PATH": "/bin"})
    assert reasons(tmp_path, unit, {"BYDB_A": "1", "BYDB_NEW": "2"}) == [
        RestartReason(Reason.ENVIRONMENT_CHANGED, ("BYDB_A", "BYDB_NEW")),
        RestartReason(Reason.ENVIRONMENT_LEFT_OVER, ("BYDB_OLD",)),
    ]


def test_what_the_operator_sets_in_a_drop_in_is_no_reason(tmp_path):
    more = tmp_path / "more"
    more.write_text("# a comment\nBYDB_A=theirs\n  BYDB_B='theirs'\n")
    unit = running(tmp_path, {"BYDB_A": "theirs", "BYDB_B": "theirs", "BYDB_EXTRA": "1"})
    unit = systemd_services.Service(**{**vars(unit), "environment_files": ("/etc/banyandb/data.env", str(more))})
    assert reasons(tmp_path, unit, {"BYDB_A": "ours"}) == []


def test_a_service_that_does_not_run_needs_no_restart(tmp_path):
    unit = running(tmp_path, {}, MainPID="0")
    assert reasons(tmp_path, unit, {"BYDB_A": "1"}) == []


def test_a_process_that_ended_meanwhile_needs_no_restart(tmp_path):
    unit = running(tmp_path, {}, MainPID="4712")
    assert reasons(tmp_path, unit, {"BYDB_A": "1"}, "/a", "/b") == []


@pytest.fixture
def versions(tmp_path):
    for version in ("1", "2"):
        (tmp_path / "versions" / version).mkdir(parents=True)
        (tmp_path / "versions" / version / "server").touch()
    (tmp_path / "current").symlink_to("versions/1")
    return tmp_path


def test_a_compiled_program_is_known_by_what_it_executes(versions):
    one, two, program = (str(versions / path) for path in ("versions/1/server", "versions/2/server", "current/server"))
    unit = running(versions, {}, (program, "data"), exe=one)
    assert reasons(versions, unit, None, program, one) == []
    assert reasons(versions, unit, None, program, two) == [RestartReason(Reason.PROGRAM_CHANGED, running=one, wanted=two)]


def test_a_program_removed_under_its_process_is_a_reason(versions):
    one, program = str(versions / "versions/1/server"), str(versions / "current/server")
    unit = running(versions, {}, (program, "data"), exe=one + " (deleted)")
    assert reasons(versions, unit, None, program, one) == [RestartReason(Reason.PROGRAM_CHANGED, running=f"{one} (deleted)", wanted=one)]


def test_a_script_is_known_by_where_its_link_leads(versions):
    one, two, program = (str(versions / path) for path in ("versions/1/server", "versions/2/server", "current/server"))
    now = int(time.monotonic() * 1e6) + 1000
    unit = running(versions, {}, ("python3", program, "data"), exe="/usr/bin/python3", ExecMainStartTimestampMonotonic=now)
    assert reasons(versions, unit, None, program, one) == []
    assert reasons(versions, unit, None, program, two) == [RestartReason(Reason.PROGRAM_CHANGED, running=one, wanted=two)]


def test_a_script_whose_link_was_changed_after_its_start_is_a_reason(versions):
    one, program = str(versions / "versions/1/server"), str(versions / "current/server")
    before = int((time.monotonic() - 60) * 1e6)
    unit = running(versions, {}, ("python3", program, "data"), exe="/usr/bin/python3", ExecMainStartTimestampMonotonic=before)
    assert reasons(versions, unit, None, program, one) == [RestartReason(Reason.PROGRAM_REPLACED)]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_counts_when_the_process_itself_listens_on_it(family):
    with socket.socket(family) as server, socket.socket(family) as bound:
        server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        bound.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        port, silent = server.getsockname()[1], bound.getsockname()[1]
        server.listen()
        assert running_process.silent_ports(os.getpid(), [port, silent]) == [silent]
        assert running_process.port_holder(port).endswith(f"(pid {os.getpid()})")


def test_a_stranger_on_the_port_does_not_count():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        child = os.fork()
        if child == 0:
            server.close()
            time.sleep(60)
            os._exit(0)
        try:
            deadline = time.monotonic() + 60
            while running_process.silent_ports(child, [port]) != [port] and time.monotonic() < deadline:
                time.sleep(0.01)
            assert running_process.silent_ports(child, [port]) == [port]
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
        assert running_process.silent_ports(child, [port]) == [port]


def test_a_process_watches_the_file_that_stands_there_now(tmp_path):
    path, other = tmp_path / "topology.yml", tmp_path / "other"
    path.write_text("nodes: []\n")
    other.write_text("nodes: []\n")
    assert not running_process.watches(os.getpid(), str(path))
    with watched(path):
        assert running_process.watches(os.getpid(), str(path))
        assert not running_process.watches(os.getpid(), str(other))
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other_process:
            assert not running_process.watches(other_process.pid, str(path))
        other.replace(path)
        assert not running_process.watches(os.getpid(), str(path))
    path.unlink()
    assert not running_process.watches(os.getpid(), str(path))
    assert not running_process.watches(2**22 + 1, str(tmp_path)), "no such process"


def test_no_port_is_silent_when_none_is_asked_for():
    assert running_process.silent_ports(os.getpid(), []) == []
