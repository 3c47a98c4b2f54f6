# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules by which the scenarios check every failure and every warning of a run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[3] / "extensions" / "molecule" / "callback_plugins" / "changes.py"
specification = importlib.util.spec_from_file_location("changes", PATH)
changes = importlib.util.module_from_spec(specification)
specification.loader.exec_module(changes)
Said = changes.Said

REFUSAL = "node3: banyandb_grpc_port is 70000, expected a port from 1 to 65535."


def test_a_short_message_is_right_and_several_hosts_may_say_the_same_in_one_task():
    assert changes.broken_rules([Said("Look", "node3", REFUSAL), Said("Look", "node4", REFUSAL)]) == []


def test_the_same_warning_of_two_tasks_is_printed_once():
    assert changes.broken_rules([Said(task, "node3", REFUSAL, warning=True) for task in ("Look", "Push")]) == []
    assert len(changes.broken_rules([Said("Look", "node3", REFUSAL, warning=True), Said("Push", "node3", REFUSAL)])) == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([Said("Look", "node3", "x" * 201)], "Look on node3: 201 characters: "),
        ([Said("Look", "node3", "a\nb")], "Look on node3: more than one line: "),
        ([Said("Look", "node3", "goroutine 1 [running]")], "Look on node3: a stack: "),
        ([Said("Look", "node3", "no", printed=2001)], "Look on node3: a result of 2001 characters: "),
        ([Said("Look", "node3", REFUSAL), Said("Refuse", "node1", f"Refused. {REFUSAL}")], "Refuse on node1: already printed by Look: "),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_task(said, expected):
    (broken,) = changes.broken_rules(said)
    assert broken.startswith(expected)


def test_only_the_length_of_messages_of_other_collections_is_theirs():
    assert changes.broken_rules([Said("Stop", "node3", "x" * 900, ours=False, printed=9000)]) == []
    assert changes.broken_rules([Said("Stop", "node3", "Traceback", ours=False)]) != []
