# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop a server at its next start, on real files, real ports and the real systemd-analyze."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import start_obstacles
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.trial_run import Unit
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import marked_file
from ansible_collections.skywalking.banyandb.plugins.modules import start_trial
from ansible_collections.skywalking.banyandb.tests.unit.peers import Certificate

NAME = "banyandb-data.service"
USER = "daemon"
UID = pwd.getpwnam(USER).pw_uid
UNIT = Unit("banyandb-data", (), ("/bin/true", "data"), USER)
# The command of the transient unit runs as the account, with the environment of the test, and without a sandbox.
SYSTEMD_RUN = """#!/bin/sh
while [ "$1" != -- ]; do shift; done; shift
[ "$1" = /usr/bin/env ] && exec env -i $SERVER_ENVIRONMENT /usr/bin/env -0
exec setpriv --reuid={uid} --clear-groups "$@"
"""


@pytest.fixture(autouse=True)
def systemd_run(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemd-run").write_text(SYSTEMD_RUN.replace("{uid}", str(UID)))
    (folder / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    # All parents of the files of a test may be entered by the account.
    for directory in (tmp_path, *tmp_path.parents):
        if str(directory).startswith("/tmp/"):
            directory.chmod(directory.stat().st_mode | 0o011)


def written(tmp_path, text, name=NAME):
    path = tmp_path / "units" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def unit_with(tmp_path, drop_in):
    """Return the files of a unit with this drop-in."""
    unit = written(tmp_path, "[Unit]\nDescription=x\n[Service]\nType=exec\nExecStart=/bin/true data\n")
    return [unit, written(tmp_path, drop_in, f"{NAME}.d/banyandb.conf")]


def short(reason):
    assert len(f"banyandb-data: {reason}") <= 300 and not reason.endswith(".")
    return reason


# ---- the unit


def test_a_good_unit_has_no_obstacle(tmp_path):
    files = unit_with(tmp_path, "[Service]\nNice=-5\nExecStartPre=/bin/true x\n[Unit]\nAssertPathExists=/\n")
    assert start_obstacles.of_unit(NAME, files) == ("", [])
    assert start_obstacles.of_commands(files) == start_obstacles.of_conditions(files) == ""


def test_a_unit_that_systemd_does_not_start_is_an_obstacle(tmp_path):
    reason, ignored = start_obstacles.of_unit(NAME, unit_with(tmp_path, "[Unit]\nRequires=no-such-unit.service\n"))
    assert "Unit no-such-unit.service not found. Correct banyandb_unit_options" in short(reason) and ignored == []


def test_a_setting_that_systemd_ignores_is_a_warning(tmp_path):
    files = unit_with(tmp_path, "[Service]\nMemoryHigh=lots\n")
    reason, (warning,) = start_obstacles.of_unit(NAME, files)
    assert reason == "" and warning.startswith(f"{files[1]}:2: ") and "lots" in warning
    assert warning.endswith(". systemd ignores this setting. Correct banyandb_unit_options.")


def test_a_host_without_systemd_analyze_has_no_obstacle_of_the_unit(tmp_path, monkeypatch):
    files = unit_with(tmp_path, "[Unit]\nRequires=no-such-unit.service\nAssertPathExists=/no/such\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start_obstacles.of_unit(NAME, files) == ("", []) and start_obstacles.of_conditions(files) == ""


@pytest.mark.parametrize(
    ("drop_in", "says"),
    [
        ("ExecStartPre=/bin/true\nExecStartPre=/no/such/program x\n", "ExecStartPre: /no/such/program is no program"),
        ("ExecStartPost=!/no/such\n", "ExecStartPost: /no/such is no program"),
        ("ExecCondition=/etc/passwd\n", "ExecCondition: /etc/passwd is no program"),
        ("ExecStartPre=-/no/such\n", ""),
        ("ExecStartPre=/bin/%i\n", ""),
        ("ExecStartPre='/no such/program' x\n", "ExecStartPre: /no such/program is no program"),
        ("ExecStartPre=/no/such\nExecStartPre=\n", ""),
        ("ExecStop=/no/such\n", ""),
    ],
)
def test_a_command_that_does_not_exist_is_an_obstacle(tmp_path, drop_in, says):
    reason = short(start_obstacles.of_commands(unit_with(tmp_path, f"[Service]\n{drop_in}")))
    assert reason == (f"{says}. Correct banyandb_unit_options" if says else "")


@pytest.mark.parametrize(
    ("drop_in", "says"),
    [
        ("AssertPathExists=/no/such\n", "AssertPathExists=/no/such failed. Correct"),
        ("ConditionPathExists=/no/such\n", "ConditionPathExists=/no/such failed. Correct"),
        ("AssertPathExists=/no/such\nAssertPathExists=\nAssertPathExists=/\n", ""),
        ("ConditionPathExists=|/no/such\nConditionPathExists=|/\n", ""),
    ],
)
def test_a_condition_that_fails_now_is_an_obstacle(tmp_path, drop_in, says):
    reason = short(start_obstacles.of_conditions(unit_with(tmp_path, f"[Unit]\n{drop_in}")))
    assert reason.startswith(says) if says else reason == ""


# ---- files


@pytest.fixture
def tls(tmp_path):
    """Return the environment of a data node with TLS, whose files its account can read."""
    certificate = Certificate(tmp_path)
    key = tmp_path / "key.pem"
    key.write_bytes(certificate.key_pem)
    key.chmod(0o644)
    certificate.path.chmod(0o644)
    return {"BYDB_TLS": "true", "BYDB_CERT_FILE": str(certificate.path), "BYDB_KEY_FILE": str(key)}


def of_files(environment, unit=UNIT, kind="data"):
    return short(start_obstacles.of_files(kind, environment, unit))


def test_good_files_are_no_obstacle(tls):
    assert of_files(tls) == "" and of_files(tls, None) == "" and of_files({}) == ""


@pytest.mark.parametrize("unit", [UNIT, None])
def test_a_missing_file_is_an_obstacle_in_check_mode_too(tls, unit):
    os.unlink(tls["BYDB_KEY_FILE"])
    assert of_files(tls, unit) == f"{tls['BYDB_KEY_FILE']} (BYDB_KEY_FILE) does not exist. Copy the file there, or correct banyandb_env"
    assert of_files({"BYDB_TLS": "true"}, unit) == "TLS is on, and BYDB_CERT_FILE is not set. Set it in banyandb_env"


def test_a_file_that_the_account_cannot_read_is_an_obstacle(tls, monkeypatch):
    Path(tls["BYDB_KEY_FILE"]).chmod(0o600)
    monkeypatch.setattr(start_obstacles, "HIDDEN", ())
    assert of_files(tls) == f"user {USER} cannot read {tls['BYDB_KEY_FILE']} (BYDB_KEY_FILE). See: namei -l {tls['BYDB_KEY_FILE']}"


def test_a_file_that_the_sandbox_hides_is_an_obstacle_with_this_reason(tls):
    Path(tls["BYDB_KEY_FILE"]).chmod(0o600)
    assert of_files(tls) == f"the unit hides /tmp, and BYDB_KEY_FILE is {tls['BYDB_KEY_FILE']}. Copy the file to /etc/banyandb"


def test_a_certificate_with_another_key_is_an_obstacle(tls, tmp_path):
    (tmp_path / "other").mkdir()
    Path(tls["BYDB_KEY_FILE"]).write_bytes(Certificate(tmp_path / "other").key_pem)
    assert "are no pair (BYDB_KEY_FILE)" in of_files(tls)
    Path(tls["BYDB_KEY_FILE"]).write_text("no key")
    assert "are no certificate and key in PEM form (BYDB_KEY_FILE)" in of_files(tls)


def test_a_ca_without_a_certificate_and_users_with_another_mode_are_obstacles(tmp_path):
    path = tmp_path / "file"
    path.write_text("users: []\n")
    path.chmod(0o644)
    assert "has no certificate in PEM form" in of_files({"BYDB_DATA_CLIENT_TLS": "true", "BYDB_DATA_CLIENT_CA_CERT": str(path)}, kind="liaison")
    users = {"BYDB_AUTH_CONFIG_FILE": str(path)}
    assert "has mode 0644, expected 0600" in of_files(users, kind="liaison")
    assert start_obstacles.of_files("liaison", users, None) == ""
    missing = {"BYDB_AUTH_CONFIG_FILE": str(path) + ".none"}
    assert "does not exist" in start_obstacles.of_files("liaison", missing, None)
    assert start_obstacles.of_files("liaison", missing, None, [str(path) + ".none"]) == ""
    path.chmod(0o600)
    os.chown(path, UID, -1)
    assert of_files(users, kind="liaison") == ""


# ---- ports


@pytest.fixture
def held():
    """Yield a port of another program on every address."""
    with socket.socket() as server:
        server.bind(("", 0))
        server.listen()
        yield server.getsockname()[1]


def of_ports(environment, own=()):
    # The default ports may be held on this machine.
    free = {"BYDB_GRPC_PORT": "0", "BYDB_HTTP_PORT": "0"}
    return short(start_obstacles.of_ports("standalone", {**free, **environment}, own))


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::"])
def test_a_port_of_another_program_is_an_obstacle(held, host):
    reason = of_ports({"BYDB_HTTP_HOST": host, "BYDB_HTTP_PORT": str(held)})
    assert reason.startswith(f"port {held} is held by ") and f"(pid {os.getpid()})" in reason
    assert reason.endswith("Stop that program, or change banyandb_http_port")


def test_a_port_that_the_running_server_holds_is_none(held):
    assert of_ports({"BYDB_HTTP_PORT": str(held)}, [held]) == ""


def test_a_port_of_another_program_on_another_address_is_none():
    with socket.socket() as server:
        server.bind(("127.0.0.5", 0))
        server.listen()
        port = str(server.getsockname()[1])
        assert of_ports({"BYDB_HTTP_HOST": "127.0.0.6", "BYDB_HTTP_PORT": port}) == ""
        assert "is held by" in of_ports({"BYDB_HTTP_PORT": port})


@pytest.mark.parametrize("port", ["171790", "\u00b2", "x"])
def test_a_value_that_is_no_port_is_left_to_the_program(port):
    assert of_ports({"BYDB_SCHEMA_SERVER_GRPC_PORT": port}) == ""


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_text_that_is_no_host_name_is_an_obstacle(host):
    assert "which this host cannot resolve" in of_ports({"BYDB_GRPC_HOST": host})


def test_an_address_that_the_host_does_not_have_is_an_obstacle():
    assert of_ports({"BYDB_GRPC_HOST": "192.0.2.1"}) == "BYDB_GRPC_HOST is 192.0.2.1, which is no address of this host. Correct banyandb_env"
    assert "BYDB_GRPC_HOST is no-such.invalid, which this host cannot resolve" in of_ports({"BYDB_GRPC_HOST": "no-such.invalid"})


def test_the_credentials_of_a_unit_are_not_looked_at():
    path = "/run/credentials/banyandb-data.service/key"
    environment = {"BYDB_TLS": "true", "BYDB_CERT_FILE": path, "BYDB_KEY_FILE": path}
    assert start_obstacles.of_files("data", environment, None) == ""
    assert "does not exist" in start_obstacles.of_files("data", {**environment, "BYDB_KEY_FILE": "/run/key"}, None)


# ---- the module


@pytest.fixture
def deployed(systemd, tmp_path, monkeypatch):
    """Give the unit its files, and an environment whose ports are free."""
    files = unit_with(tmp_path, "[Service]\nUser=daemon\n")
    systemd.unit(NAME, FragmentPath=files[0], DropInPaths=files[1])
    monkeypatch.setenv("SERVER_ENVIRONMENT", "BYDB_GRPC_PORT=0 BYDB_HTTP_PORT=0 BYDB_SCHEMA_SERVER_GRPC_PORT=0")
    return files


def test_a_server_without_an_obstacle_passes_with_its_warnings(deployed):
    assert start_trial.act(NAME, "data") == []
    Path(deployed[1]).write_text("[Service]\nMemoryHigh=lots\n")
    assert len(start_trial.act(NAME, "data")) == 1


@pytest.mark.parametrize(
    ("drop_in", "environment", "says"),
    [
        ("[Unit]\nRequires=no-such-unit.service\n", "", "Unit no-such-unit.service not found"),
        ("[Service]\nExecStartPre=/no/such\n", "", "ExecStartPre: /no/such is no program"),
        ("[Unit]\nAssertPathExists=/no/such\n", "", "AssertPathExists=/no/such failed"),
        ("", "BYDB_SCHEMA_SERVER_TLS=true", "TLS is on, and BYDB_SCHEMA_SERVER_CERT_FILE is not set"),
        ("", "BYDB_GRPC_HOST=192.0.2.1", "BYDB_GRPC_HOST is 192.0.2.1, which is no address of this host"),
    ],
)
def test_every_kind_of_obstacle_fails_the_trial(deployed, monkeypatch, drop_in, environment, says):
    Path(deployed[1]).write_text(drop_in)
    monkeypatch.setenv("SERVER_ENVIRONMENT", f"{os.environ['SERVER_ENVIRONMENT']} {environment}")
    with pytest.raises(HostStateError, match=f"^banyandb-data: .*{says}.*\\.$") as raised:
        start_trial.act(NAME, "data")
    assert raised.value.kind == "does_not_start"


def test_check_mode_warns_from_the_text_of_the_environment_file(systemd, held):
    free = {"BYDB_GRPC_PORT": 0, "BYDB_HTTP_PORT": 0, "BYDB_SCHEMA_SERVER_GRPC_PORT": 0}
    assert start_trial.foresee(NAME, "data", marked_file(free)) == []
    (warning,) = start_trial.foresee(NAME, "data", marked_file({**free, "BYDB_HTTP_PORT": held}))
    assert warning.startswith(f"{NAME}: the server would not start: port {held} is held by ")
    systemd.unit(NAME, MainPID=os.getpid())
    assert start_trial.foresee(NAME, "data", marked_file({**free, "BYDB_HTTP_PORT": held})) == []
