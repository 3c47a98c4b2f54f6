# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.action.preflight_report import probed

FOUND = {"machine": {"boot_id": "b"}, "unresolved": {}, "firewall": None}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, {}),
        ({**FOUND, "invocation": {"module_args": {}}}, {**FOUND, "invocation": {"module_args": {}}}),
        ({"failed": True, "msg": "no", "invocation": FOUND}, FOUND),
        ({"failed": True, "msg": "no"}, {"failed": True, "msg": "no"}),
    ],
)
def test_a_refused_host_is_judged_by_what_its_result_does_not_print(result: Any, expected: Any) -> None:
    assert probed(result) == expected
