# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tls_files: a running server must notice other CAs; a server with files elsewhere is left alone. status without root says so."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import server_of_process
from ansible_collections.skywalking.banyandb.plugins.modules.cluster_state_info import running_servers
from ansible_collections.skywalking.banyandb.plugins.modules.tls_files import act, await_watches, watches_of_authorities
from ansible_collections.skywalking.banyandb.tests.unit.certificates import Made
from ansible_collections.skywalking.banyandb.tests.unit.inotify import watched
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.server_processes import server_process
from ansible_collections.skywalking.banyandb.tests.unit.tls_peers import context_of, serving, tls

ME = pwd.getpwuid(os.geteuid()).pw_name
UNIT = "banyandb-data.service"
OLD, NEW = Made("old CA"), Made("new CA")


def options(directory: Path, **more: Any) -> dict[str, Any]:
    return {"directory": str(directory), "user": ME, "ca": "", "certificate": "", "key": "", "service": UNIT, "timeout": 0.3, **more}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    node = Made("node", OLD, ["localhost"])
    act(options(tmp_path / "tls", ca=OLD.pem, certificate=node.pem, key=node.key_pem, service=None), False)
    return tmp_path / "tls"


def environment(directory: Path) -> dict[str, str]:
    return {"BYDB_CERT_FILE": str(directory / "node.crt")}


def test_a_server_that_no_longer_watches_its_cas_is_refused_before_a_change(systemd: Any, directory: Path) -> None:
    with server_process("data", **environment(directory)) as pid:
        systemd.unit(UNIT, MainPID=pid)
        with pytest.raises(HostStateError, match="ca.crt: the running server no longer watches it") as refused:
            act(options(directory, ca=NEW.pem), False)
        assert refused.value.kind == "not_watched" and (directory / "ca.crt").read_text() == OLD.pem
        assert act(options(directory, ca=OLD.pem), False)["files"] == []
        assert act(options(directory, ca=NEW.pem), True)["files"] == ["ca.crt"], "check mode predicts, and asks no server"


def test_a_server_with_files_elsewhere_has_nothing_to_prove(systemd: Any, directory: Path, tmp_path: Path) -> None:
    with server_process("data", **environment(tmp_path / "elsewhere")) as pid:
        systemd.unit(UNIT, MainPID=pid)
        assert act(options(directory, ca=NEW.pem), False) == {"changed": True, "files": ["ca.crt"], "served": {}}


@pytest.mark.parametrize(("serves", "loads", "reasons"), [("first", True, []), ("other", True, ["certificate_not_loaded"]), ("other", False, [])])
def test_a_gossip_port_with_another_certificate_than_the_file_needs_a_restart(
    systemd: Any, directory: Path, tmp_path: Path, serves: str, loads: bool, reasons: list[str]
) -> None:
    made = {name: Made(name, OLD, ["localhost"]) for name in ("first", "other")}
    act(options(directory, certificate=made["first"].pem, key=made["first"].key_pem, service=None), False)
    with serving(tls(context_of(tmp_path, made[serves]))) as address:
        gossip = {"TLS": "true", "PORT": address.rpartition(":")[2], "SERVER_CERT_FILE": str((directory if loads else tmp_path) / "node.crt")}
        with server_process("data", **{f"BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_{name}": value for name, value in gossip.items()}) as pid:
            systemd.unit(UNIT, MainPID=pid)
            found, _err = asyncio.run(run_module("host_info", tls=str(directory), services=[{"name": UNIT}]))
    assert [reason["reason"] for reason in found["services"][UNIT]["needs_restart"]] == reasons
    assert (found["tls"]["served"], found["tls"]["kept"]) == ([], [made[serves].pem] if loads else [])


def test_the_watches_of_the_process_are_counted_and_a_replaced_file_has_none(directory: Path) -> None:
    path = directory / "ca.crt"
    with server_process("data", **environment(directory)) as pid:
        running = server_of_process(pid)
        assert running is not None and running.tls_directory == str(directory)
        assert watches_of_authorities(running, str(directory), changes=False) == 0
    with watched(path), watched(path):
        assert running_process.watch_count(os.getpid(), str(path)) == 2
        await_watches(os.getpid(), str(path), 2, 0.0)
        (directory / "next").write_text(NEW.pem)
        (directory / "next").replace(path)
        assert running_process.watch_count(os.getpid(), str(path)) == 0
        with pytest.raises(HostStateError, match="has not loaded it") as late:
            await_watches(os.getpid(), str(path), 2, 0.2)
    assert late.value.kind == "not_loaded"


@pytest.mark.parametrize(("tls", "closed"), [(True, ["data1"]), (False, [])])
def test_an_account_that_may_not_see_how_a_server_with_tls_listens_sends_no_plain_query(
    systemd: Any, monkeypatch: pytest.MonkeyPatch, tls: bool, closed: list[str]
) -> None:
    def refuse(_pid: int) -> None:
        raise cannot_read("/proc/1", PermissionError(13, ""))

    systemd.unit(UNIT, MainPID=1)
    monkeypatch.setattr(running_process, "environment_of", refuse)
    servers, failures = running_servers([{"name": "data1", "service": UNIT, "tls": tls}])
    assert servers == {} and list(failures) == closed
    assert all("Run this with become: true." in failure.message and failure.kind == "auth" for failure in failures.values())
