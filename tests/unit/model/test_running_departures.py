# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that may not be dropped because their servers run, or will run again."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.running_departures import problem

STOPPED = {"exists": True, "main_pid": 0, "active_state": "inactive", "enabled": "disabled"}
ABSENT = {"exists": False, "main_pid": 0, "active_state": "inactive", "enabled": ""}


def looked(item, **state):
    return {"item": item, "services": {"banyandb-data.service": {**STOPPED, **state}, "banyandb-liaison.service": ABSENT}}


@pytest.mark.parametrize(
    "state",
    [
        {"main_pid": 7, "active_state": "active"},
        {"enabled": "enabled"},
        {"enabled": "enabled-runtime", "active_state": "failed"},
        {"active_state": "activating"},
    ],
    ids=["runs", "starts at boot", "failed, starts at boot", "between two starts"],
)
def test_a_server_that_runs_or_comes_back_is_refused_with_the_command_that_stops_it(state):
    assert problem([looked("b", **state), looked("a", **state), looked("c")]) == (
        "a, b: listed in banyandb_remove, and the server runs or starts at boot. Run: ansible-playbook -i INVENTORY skywalking.banyandb.remove "
        """-e '{"banyandb_remove": ["a", "b"]}'"""
    )


@pytest.mark.parametrize("results", [[], [looked("a")], [looked("a", active_state="failed", enabled="masked")], [{"item": "a", "unreachable": True}]])
def test_a_server_that_stays_stopped_and_an_unreachable_host_may_be_dropped(results):
    assert problem(results) == ""


def test_many_long_names_fit_into_one_line():
    text = problem([looked(f"data{number}.banyandb.example.org", main_pid=7) for number in range(20)])
    assert len(text) <= 200 and text.endswith("Run: ansible-playbook -i INVENTORY skywalking.banyandb.remove")
