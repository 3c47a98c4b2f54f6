# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight_report reads from the results of the probe."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.action.preflight_report import starting


@pytest.mark.parametrize(
    ("pid", "firewall", "is_new"),
    [(0, {"first": True}, True), (7, {"first": True}, False), (0, {"first": False}, False), (0, None, False)],
)
def test_a_new_node_has_no_firewall_and_no_running_server(pid: int, firewall: Any, is_new: bool) -> None:
    service = {"main_pid": pid, "ready": pid > 0, "needs_restart": []}
    assert starting({"d1": {"services": {"banyandb-data.service": service}, "firewall": firewall}}) == (["d1"] if is_new else [])


def test_a_host_that_the_probe_refused_is_no_new_node() -> None:
    assert starting({"d1": {"machine": {}, "unresolved": {}, "firewall": {"first": True}}}) == []
