# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down which tasks changed which hosts, what they warned of, and how the run ended, as JSON to the file in CHANGES_FILE."""

from __future__ import annotations

import json
import os
from collections import defaultdict

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: changes
type: aggregate
short_description: Writes down which tasks changed which hosts
description: Writes JSON to the file named by the environment variable C(CHANGES_FILE).
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "changes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.changed = defaultdict(set)
        self.warned = defaultdict(list)
        self.failed = {}

    def v2_runner_on_ok(self, result):
        self._note_warnings(result)
        if result.result.get("changed"):
            self.changed[result.host.get_name()].add(result.task.get_name())

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note_warnings(result)
        self.failed[result.host.get_name()] = str(result.result.get("msg"))

    def v2_runner_on_unreachable(self, result):
        self.failed[result.host.get_name()] = "unreachable"

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["CHANGES_FILE"], "w", encoding="utf-8") as stream:
            changed = {host: sorted(names) for host, names in self.changed.items()}
            json.dump({"changed": changed, "warned": self.warned, "failed": self.failed}, stream)

    def _note_warnings(self, result):
        warnings = result.result.get("warnings")
        if warnings:
            self.warned[result.host.get_name()] += [str(warning) for warning in warnings]
