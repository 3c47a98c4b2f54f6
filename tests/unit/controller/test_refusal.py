# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""refusal: all problems at once, each once."""

from __future__ import annotations

from ansible.utils.display import Display

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused


def test_the_first_problem_ends_the_task_and_the_others_are_printed_one_a_line(monkeypatch):
    printed = []
    monkeypatch.setattr(Display, "display", lambda self, text: printed.append(text))
    assert refused(["port is 0.\n Correct the port."]) == {"failed": True, "msg": "port is 0. Correct the port."}
    assert printed == []
    assert refused(["a.", "b\n c.", "d."], "node3")["msg"] == "a. (2 more problems above)"
    assert printed == ["refused: node3: b c.", "refused: node3: d."]


def test_a_refusal_has_at_most_200_characters(monkeypatch):
    monkeypatch.setattr(Display, "display", lambda self, text: None)
    message = refused(["x" * 900, "y"])["msg"]
    assert len(message) == 200 and message.endswith("... (1 more problem above)")
