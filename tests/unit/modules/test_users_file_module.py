# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module users_file, and the restart that host_info asks for, with servers that ask for a password."""

from __future__ import annotations

import asyncio
import base64
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import users_proof
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import User, users_in, users_text
from ansible_collections.skywalking.banyandb.plugins.modules import users_file
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import RECORDED, STATE, byte_server, grpc_server, http_answer, recorded
from ansible_collections.skywalking.banyandb.tests.unit.server_processes import server_process

ME = pwd.getpwuid(os.geteuid()).pw_name
UNIT = "banyandb-liaison.service"
OLD, NEW = User("ops", "canary-old"), User("ops", "canary-new")
VIEW = (RECORDED / "cluster-state-liaison-17913.json").read_bytes()
Users = Callable[[], list[User]]


def text(*users: User) -> str:
    return users_text([user._asdict() for user in users], "")


def with_servers(work: Callable[[str, str], Any], over_http: Users, over_grpc: Users | None = None) -> Any:
    """Return the result of ``work(HTTP port, gRPC port)``, which asks servers that admit these users."""

    def answer(asked: bytes) -> bytes:
        sent = [line[21:] for line in asked.decode().split("\r\n") if line.startswith("Authorization: Basic ")]
        known = [base64.b64encode(f"{user.username}:{user.password}".encode()).decode() for user in over_http()]
        return http_answer("200 OK", VIEW) if sent and sent[0] in known else http_answer("401 Unauthorized")

    def call(context: Any) -> Any:
        sent = dict(context.invocation_metadata())
        known = [(user.username, user.password) for user in (over_grpc or over_http)()]
        if (sent.get("username"), sent.get("password")) in known:
            return recorded("liaison-public")[STATE]
        return grpc.StatusCode.UNAUTHENTICATED, "Invalid credentials"

    async def serve() -> Any:
        async with byte_server(answer) as http, grpc_server({STATE: call}) as grpc_address:
            return await asyncio.to_thread(work, http.rpartition(":")[2], grpc_address.rpartition(":")[2])

    return asyncio.run(serve())


def act(path: Path, *users: User, check: bool = False, **more: Any) -> dict[str, Any]:
    options = {"path": str(path), "state": "present", "text": text(*users), "owner": ME, "service": UNIT, "timeout": 1.0, **more}
    return users_file.act(options, check)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def running(systemd: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs a module while the unit's process reads the file. ``watched``: whether the process sees writes."""

    def run(work: Callable[[], Any], over_http: Users, over_grpc: Users | None = None, watched: bool = True) -> Any:
        def beside(http_port: str, grpc_port: str) -> Any:
            with server_process("liaison", BYDB_AUTH_CONFIG_FILE=str(path), BYDB_HTTP_PORT=http_port, BYDB_GRPC_PORT=grpc_port) as pid:
                systemd.unit(UNIT, MainPID=pid)
                return work()

        monkeypatch.setattr(users_proof, "sees_writes", lambda pid, watched_path: watched)
        monkeypatch.setattr(users_proof, "serves", lambda pid, server: True)  # this process listens, and not the one of the unit
        return with_servers(beside, over_http, over_grpc)

    return run


def in_file(path: Path) -> Users:
    return lambda: users_in(path.read_text())


def test_a_server_that_loads_the_file_is_proved(running: Any, path: Path, systemd: Any) -> None:
    systemd.unit(UNIT)
    assert act(path, OLD) == {"changed": True, "proved": False}
    assert running(lambda: act(path, NEW), in_file(path)) == {"changed": True, "proved": True}
    assert running(lambda: act(path, NEW), in_file(path)) == {"changed": False, "proved": True}


@pytest.mark.parametrize(
    ("over_http", "over_grpc", "wrong"),
    [
        ([OLD], [OLD], "refuses a new user"),
        ([NEW], [OLD], "refuses a new user"),
        ([NEW], [NEW, OLD], "still accepts an old user"),
        ([NEW, OLD], [NEW], "still accepts an old user"),
    ],
)
def test_a_server_that_does_not_load_the_file_gets_the_old_users_back(
    running: Any, path: Path, systemd: Any, over_http: list[User], over_grpc: list[User], wrong: str
) -> None:
    systemd.unit(UNIT)
    act(path, OLD)
    with pytest.raises(HostStateError, match=f"{wrong}. Run skywalking.banyandb.restart for this host, then deploy.") as refused:
        running(lambda: act(path, NEW), lambda: over_http, lambda: over_grpc)
    assert refused.value.kind == "not_loaded" and "canary" not in str(refused.value)
    assert users_in(path.read_text()) == [OLD]


def test_a_server_without_a_watch_is_not_asked(running: Any, path: Path) -> None:
    assert running(lambda: act(path, NEW), lambda: pytest.fail("asked"), watched=False) == {"changed": True, "proved": False}


def test_a_server_that_hangs_and_does_not_listen_gets_its_users_before_its_restart(path: Path, systemd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    systemd.unit(UNIT)
    act(path, OLD)
    monkeypatch.setattr(users_proof, "sees_writes", lambda pid, watched_path: True)
    with server_process("liaison", BYDB_AUTH_CONFIG_FILE=str(path)) as pid:
        systemd.unit(UNIT, MainPID=pid)
        assert act(path, NEW) == {"changed": True, "proved": False}
    assert users_in(path.read_text()) == [NEW]


def test_check_mode_writes_nothing(path: Path, systemd: Any) -> None:
    systemd.unit(UNIT)
    assert act(path, NEW, check=True) == {"changed": True, "proved": False}
    assert not path.exists()
    act(path, NEW)
    assert act(path, NEW, check=True) == {"changed": False, "proved": False}


def test_the_file_is_removed_unless_the_server_reads_it(running: Any, path: Path, systemd: Any) -> None:
    systemd.unit(UNIT)
    act(path, OLD)
    with pytest.raises(HostStateError, match="the running server reads it"):
        running(lambda: act(path, OLD, state="absent"), in_file(path))
    systemd.unit(UNIT, MainPID=0)
    assert act(path, OLD, state="absent", check=True)["changed"] and path.exists()
    assert act(path, OLD, state="absent")["changed"] and not path.exists()
    assert not act(path, OLD, state="absent")["changed"]


@pytest.mark.parametrize("whole", [True, False])
def test_the_rests_of_killed_writes_are_removed_with_the_file_and_without_it(path: Path, systemd: Any, whole: bool) -> None:
    systemd.unit(UNIT, MainPID=0)
    rests = [path.with_name(f".users.json{copy}.{'0' * 16}.tmp") for copy in ("", ".new")]
    for rest in [*rests, *([path] if whole else [])]:
        rest.write_text(text(OLD))
    assert act(path, OLD, state="absent", check=True)["changed"] and all(rest.exists() for rest in rests)
    assert act(path, OLD, state="absent")["changed"] and not list(path.parent.glob("*users*"))
    assert not act(path, OLD, state="absent")["changed"] and not act(path / "no directory", OLD, state="absent")["changed"]


@pytest.mark.parametrize(
    ("watched", "admitted", "reasons"),
    [
        (True, [], []),
        (False, [OLD], ["users_unread"]),
        (False, [NEW], ["users_unread", "login_refused"]),
    ],
)
def test_a_server_that_sees_no_writes_needs_a_restart(
    running: Any, path: Path, systemd: Any, watched: bool, admitted: list[User], reasons: list[str]
) -> None:
    systemd.unit(UNIT)
    act(path, OLD)

    def found() -> list[str]:
        pid = users_file.systemd_services.services([UNIT])[UNIT].main_pid
        return [reason.reason.value for reason in users_proof.reasons_to_restart(pid, str(path))]

    assert running(found, lambda: admitted, watched=watched) == reasons


def test_the_module_shows_no_password(path: Path, systemd: Any) -> None:
    systemd.unit(UNIT)
    arguments = {"path": str(path), "text": text(NEW), "owner": ME, "service": UNIT}
    for options in (arguments, {**arguments, "owner": "no-such-user"}, {**arguments, "state": "other"}):
        result, err = asyncio.run(run_module("users_file", **options))
        assert "canary-new" not in str(result) + err
