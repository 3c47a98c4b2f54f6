# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the last operation on this host."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import record_lock
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.operation_record import change, moment, recorded
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import (
    Operation,
    OperationRefused,
    Refusal,
    Run,
    begin,
    release,
)

RESTART, UPGRADE = Operation("r1", 1, "restart"), Operation("u2", 2, "upgrade")
ANN, BOB = Run("a", "ann@laptop"), Run("b", "bob@desk")


def begins(operation, run):
    return lambda record, now, at: begin(record, operation, run, now, at).record


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "etc" / "operation.json")


def test_the_first_change_makes_a_private_record(path):
    assert recorded(path) is None
    assert change(path, begins(RESTART, ANN), check=True) is True
    assert not os.path.exists(os.path.dirname(path))
    assert change(path, begins(RESTART, ANN)) is True
    assert recorded(path).operation == RESTART
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_check_mode_predicts_a_refusal_and_writes_nothing(path):
    change(path, begins(RESTART, ANN))
    before = recorded(path)
    with pytest.raises(OperationRefused) as error:
        change(path, begins(UPGRADE, BOB), check=True)
    assert error.value.refusal is Refusal.BUSY
    assert change(path, lambda record, now, at: release(record, ANN), check=True) is True
    assert recorded(path) == before
    assert change(path, lambda record, now, at: release(record, ANN)) is True
    assert change(path, lambda record, now, at: release(record, ANN)) is False


def test_a_broken_record_is_refused_and_kept(path):
    change(path, begins(RESTART, ANN))
    Path(path).write_text("{", encoding="utf-8")
    with pytest.raises(HostStateError, match=r"operation.json: no JSON\. Run skywalking.banyandb.status, then delete the file\.") as error:
        change(path, begins(UPGRADE, BOB))
    assert error.value.kind == "broken"
    assert Path(path).read_text(encoding="utf-8") == "{"


def test_a_record_that_another_process_holds(path, monkeypatch):
    change(path, begins(RESTART, ANN))
    monkeypatch.setattr(record_lock, "LOCK_SECONDS", 0.01)
    with locked(os.path.dirname(path)), pytest.raises(HostStateError, match=f"process {os.getpid()} has held its directory") as error:
        change(path, begins(RESTART, ANN))
    assert error.value.kind == "busy"


def test_the_clock_is_that_of_this_boot():
    first, second = moment(), moment()
    assert first.boot == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert 0 <= second.since(first) < 60
    assert abs(first.seconds - float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])) < 60
