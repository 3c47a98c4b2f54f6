# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse a host that ran another kind of server, and show how to move the host."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.changed_kind import others, problems


def beside(**facts):
    return {f"banyandb-{kind}.service": {"main_pid": pid, "enabled": enabled} for kind, (pid, enabled) in facts.items()}


def test_all_kinds_but_its_own_are_looked_at():
    assert others("liaison") == ["banyandb-data.service", "banyandb-standalone.service"]


@pytest.mark.parametrize(("facts", "state"), [((7, "enabled"), "runs"), ((7, "disabled"), "runs"), ((0, "enabled"), "is enabled")])
def test_a_server_of_another_kind_that_runs_or_will_run_is_named_with_the_way(facts, state):
    (problem,) = problems("liaison", beside(data=facts, standalone=(0, "")))
    assert problem.startswith(f"banyandb-data.service {state}, and the host is in banyandb_liaison now. Return it to banyandb_data, ")
    assert "skywalking.banyandb.remove" in problem and len(problem) <= 200


def test_a_server_that_was_removed_is_no_problem():
    assert problems("liaison", beside(data=(0, "disabled"), standalone=(0, ""))) == []


def test_the_server_that_the_host_is_to_run_is_no_problem():
    assert problems("data", beside(data=(7, "enabled"))) == []
