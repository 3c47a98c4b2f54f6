# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every result of a run, complete, to the file in RESULTS_FILE, as a callback for a log server gets it."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: results
type: aggregate
short_description: Writes down every result of every task
description: Appends a line of JSON for each result to the file named by the environment variable C(RESULTS_FILE).
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def _note(self, result, *_more, **_named):
        with open(os.environ["RESULTS_FILE"], "a", encoding="utf-8") as stream:
            line = {"host": result.host.get_name(), "task": result.task.get_name(), "arguments": result.task.args, "result": result.result}
            stream.write(json.dumps(line, default=str) + "\n")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _note
    v2_runner_item_on_ok = v2_runner_item_on_failed = v2_runner_item_on_skipped = _note
