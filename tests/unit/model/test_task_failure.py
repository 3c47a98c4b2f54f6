# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""task_failure: the line with the reason of a task's failure on a host."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.task_failure import failure_reason

NO_JSON = "MODULE FAILURE: No start of json char found\nSee stdout/stderr for the exact error"
TO_DO = "Install Python 3.9 or later there, or set ansible_python_interpreter."
TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\", line 7, in <module>\n    import json\nModuleNotFoundError: No module named 'json'\n"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"msg": "no\n  Python"}, "no Python"),
        ({}, "the task gave no reason"),
        (
            {"msg": "Task failed: Failed to connect to the host via ssh: ssh: connect to host 10.2.3.4 port 22: No route to host"},
            "ssh: connect to host 10.2.3.4 port 22: No route to host",
        ),
        ({"msg": NO_JSON, "module_stderr": "", "module_stdout": ""}, " ".join(NO_JSON.split())),
        (
            {"msg": NO_JSON, "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\n", "module_stdout": "", "rc": 127},
            f'this host runs no module of Ansible: "/bin/sh: 1: /usr/bin/python3: not found". {TO_DO}',
        ),
        (
            {"msg": NO_JSON, "module_stderr": "Shared connection to node1 closed.\r\n", "module_stdout": "sh: python3: not found\r\n"},
            f'this host runs no module of Ansible: "sh: python3: not found". {TO_DO}',
        ),
        (
            {"msg": NO_JSON, "module_stderr": TRACEBACK},
            f"this host runs no module of Ansible: \"ModuleNotFoundError: No module named 'json'\". {TO_DO}",
        ),
    ],
)
def test_the_reason_is_the_modules_message_or_the_last_line_of_a_host_that_runs_no_module(result, expected):
    assert failure_reason(result) == expected


def test_a_reason_of_any_length_leaves_room_for_what_to_do():
    reason = failure_reason({"msg": NO_JSON, "module_stderr": "x" * 9000})
    assert len(reason) == 200 and reason.endswith(TO_DO)
