# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on the controller's disk."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.rollout.ledger import Ledger, LedgerError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.ledger_lines import Member, Step
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_states import State

AT = "2026-11-30T01:22:54Z"
UPGRADE, RESTART = Operation("u2", 2, "upgrade"), Operation("r1", 1, "restart")
ANN, BOB = Run("a", "ann@laptop"), Run("b", "bob@desk")
NODE1 = Member("default", "node1")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(str(tmp_path / "ledger"))


def step(state):
    return Step(NODE1, state, AT, "a")


def test_an_operation_is_kept_and_resumed_by_another_run(ledger):
    assert ledger.operations() == [] and ledger.read("u2").steps == {}
    ledger.begin(UPGRADE, ANN, AT)
    ledger.note("u2", [step(State.PENDING), step(State.APPLYING)])
    ledger.begin(UPGRADE, BOB, AT)
    ledger.note("u2", [])
    found = Ledger(ledger.directory).read("u2")
    assert (found.operation, found.runs) == (UPGRADE, {"a": "ann@laptop", "b": "bob@desk"})
    assert found.steps == {NODE1: step(State.APPLYING)}
    ledger.begin(RESTART, ANN, AT)
    assert ledger.operations() == ["r1", "u2"]


def test_only_its_owner_reads_the_ledger(ledger):
    ledger.begin(UPGRADE, ANN, AT)
    path = os.path.join(ledger.directory, "u2.jsonl")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(ledger.directory).st_mode) == 0o700


def test_a_torn_last_line_is_left_out_and_the_next_line_is_whole(ledger):
    ledger.begin(UPGRADE, ANN, AT)
    ledger.note("u2", [step(State.PENDING)])
    path = os.path.join(ledger.directory, "u2.jsonl")
    os.truncate(path, os.path.getsize(path) - 5)
    assert (ledger.read("u2").steps, ledger.read("u2").unreadable) == ({}, 1)
    ledger.note("u2", [step(State.STAGED)])
    found = ledger.read("u2")
    assert (found.steps, found.unreadable) == ({NODE1: step(State.STAGED)}, 1)


def test_lost_ledgers_are_written_again_and_others_stay(ledger):
    ledger.begin(UPGRADE, ANN, AT)
    ledger.note("u2", [step(State.DONE)])
    assert ledger.restore({"u2": ["x\n"], "r1": ["{}\n"]}) == ["r1"]
    assert ledger.read("u2").steps == {NODE1: step(State.DONE)}
    assert ledger.operations() == ["r1", "u2"]
    assert ledger.restore({}) == []


def test_ledgers_that_cannot_be_kept(ledger, tmp_path):
    with pytest.raises(LedgerError, match="is not the id of an operation"):
        ledger.note("../x", [step(State.DONE)])
    (tmp_path / "file").write_text("")
    for directory in ("file", "file/ledger"):
        with pytest.raises(LedgerError, match=r"Set banyandb_ledger_dir to a writable directory with free space\.$"):
            Ledger(str(tmp_path / directory)).begin(UPGRADE, ANN, AT)
    with pytest.raises(LedgerError, match="Not a directory. Set banyandb_ledger_dir"):
        Ledger(str(tmp_path / "file")).operations()
    outside = tmp_path / "outside"
    outside.write_text("")
    ledger.begin(RESTART, ANN, AT)
    os.symlink(outside, os.path.join(ledger.directory, "u2.jsonl"))
    with pytest.raises(LedgerError):
        ledger.begin(UPGRADE, ANN, AT)
    assert outside.read_text() == ""


def test_a_directory_in_the_place_of_a_ledger_is_an_error(ledger):
    ledger.begin(UPGRADE, ANN, AT)
    path = os.path.join(ledger.directory, "u2.jsonl")
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(LedgerError, match="Is a directory"):
        ledger.note("u2", [step(State.DONE)])
    with pytest.raises(LedgerError, match="Is a directory. Make it readable"):
        ledger.read("u2")


def test_a_ledger_of_a_newer_collection_is_refused(ledger):
    ledger.begin(UPGRADE, ANN, AT)
    path = os.path.join(ledger.directory, "u2.jsonl")
    with open(path, "r+", encoding="utf-8") as stream:
        text = stream.read().replace('"format":1', '"format":2')
        stream.seek(0)
        stream.write(text)
    with pytest.raises(LedgerError, match=r"u2\.jsonl: format 2 of a newer collection"):
        ledger.read("u2")
