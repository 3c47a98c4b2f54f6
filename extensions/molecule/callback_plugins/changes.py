# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the changes, warnings and failures of a run, and the messages that break the rules, to the file in CHANGES_FILE."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from typing import NamedTuple

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: changes
type: aggregate
short_description: Writes down which tasks changed which hosts
description: Writes JSON to the file named by the environment variable C(CHANGES_FILE).
"""


# The longest message, and the longest result that Ansible prints for a failed task, in characters.
MOST = 200
MOST_PRINTED = 2000
# Two tasks must not print the same sentence. Shorter sentences (`Run skywalking.banyandb.status.`) may repeat, since they only name the next step.
SHORTEST_FACT = 40
STACK = re.compile(r"goroutine \d|\.go:\d|Traceback|File \".*\", line \d")
# The rules do not count for messages of other collections.
OURS = re.compile(r"^skywalking\.banyandb\.|^ansible\.builtin\.(fail|assert)$")


class Said(NamedTuple):
    """A failure or a warning of one task on one host. ``printed``: length of the result that Ansible prints, in characters."""

    task: str
    host: str
    text: str
    ours: bool = True
    printed: int = 0
    warning: bool = False


def broken_rules(said):
    """Return the messages of a run that are too long, have line breaks or a stack, or repeat a sentence of another task."""
    broken, printed_by = [], {}
    # Ansible prints the same warning of several tasks only once.
    warnings = {one.text: one for one in reversed(said) if one.warning}
    for one in said:
        if one.warning and one is not warnings[one.text]:
            continue
        where = f"{one.task} on {one.host}"
        if STACK.search(one.text):
            broken.append(f"{where}: a stack: {one.text}")
        if one.ours and len(one.text) > MOST:
            broken.append(f"{where}: {len(one.text)} characters: {one.text}")
        if one.ours and "\n" in one.text.strip():
            broken.append(f"{where}: more than one line: {one.text}")
        if one.ours and one.printed > MOST_PRINTED:
            broken.append(f"{where}: a result of {one.printed} characters: {one.text}")
        for fact in re.split(r"(?<=[.:;]) |\n", one.text):
            first = printed_by.setdefault(fact, one.task)
            if first != one.task and len(fact) >= SHORTEST_FACT:
                broken.append(f"{where}: already printed by {first}: {fact}")
    return broken


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
        self.said = []

    def v2_runner_on_ok(self, result):
        self._note_warnings(result)
        if result.result.get("changed"):
            self.changed[result.host.get_name()].add(result.task.get_name())

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note_warnings(result)
        # For a task with a loop, Ansible prints the items and not the whole result.
        items = [item for item in result.result.get("results", ()) if item.get("failed")] or [result.result]
        texts = [str(text) for item in items for text in (item.get("msg"), *item.get("more_problems", ()))]
        host = result.host.get_name()
        self.failed[host] = " ".join([*filter(None, [self.failed.get(host)]), *texts])
        for text in texts:
            self._note(result, text, max(len(self._dump_results(item)) for item in items))

    def v2_runner_on_unreachable(self, result):
        self.failed[result.host.get_name()] = "unreachable"

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["CHANGES_FILE"], "w", encoding="utf-8") as stream:
            changed = {host: sorted(names) for host, names in self.changed.items()}
            json.dump({"changed": changed, "warned": self.warned, "failed": self.failed, "broken_rules": broken_rules(self.said)}, stream)

    def _note_warnings(self, result):
        warnings = result.result.get("warnings")
        if warnings:
            self.warned[result.host.get_name()] += [str(warning) for warning in warnings]
            for warning in warnings:
                self._note(result, str(warning), warning=True)

    def _note(self, result, text, printed=0, warning=False):
        ours = OURS.search(str(result.task.resolved_action or result.task.action)) is not None
        self.said.append(Said(f"{result.task.get_name()} ({result.task.get_path()})", result.host.get_name(), text, ours, printed, warning))
