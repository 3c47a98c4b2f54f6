# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure and every warning of a plugin ends in message(), so none is long and each keeps what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("action", "filter", "inventory", "lookup", "modules", "plugin_utils")
FILES = sorted(path for kind in KINDS for path in (ROOT / "plugins" / kind).glob("*.py"))
ERRORS = ("AnsibleActionFail", "AnsibleError", "AnsibleFilterError", "AnsibleLookupError", "AnsibleParserError")
# message() limits a text. The others make their own: of a missing library, and of a constant.
LIMITED = ("message", "missing_required_lib")


TASK_FILES = [path for pattern in ("roles/*/tasks/*.yml", "playbooks/*.yml", "playbooks/*/*.yml") for path in ROOT.glob(pattern)]


def failures(part: Any) -> Iterator[str]:
    """Yield the messages of all tasks ``fail`` in a playbook or a file of tasks."""
    if isinstance(part, dict) and "ansible.builtin.fail" in part:
        yield part["ansible.builtin.fail"]["msg"]
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from failures(each)


TASK_FAILURES = [msg for path in TASK_FILES for msg in failures(yaml.safe_load(path.read_text(encoding="utf-8")))]


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def said(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """Return (line, expression) of each text with which a plugin fails or warns. A method ``warn`` or ``warning`` is Ansible's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            found = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)}
            if is_true(found.get("failed")) and "msg" in found:
                yield node.lineno, found["msg"]
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if (method == "fail_json" or is_true(keywords.get("failed"))) and "msg" in keywords:
            yield node.lineno, keywords["msg"]
        if name in ERRORS or method in ("warn", "warning"):
            yield node.lineno, node.args[0]


def is_limited(text: ast.expr) -> bool:
    if isinstance(text, ast.Constant):
        return len(text.value) <= 200
    return isinstance(text, ast.Call) and isinstance(text.func, ast.Name) and text.func.id in LIMITED


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_failure_or_a_warning_ends_in_message(path: Path) -> None:
    assert [f"{path.name}:{line}: {ast.unparse(text)}" for line, text in said(path) if not is_limited(text)] == []


def test_failures_and_warnings_are_found() -> None:
    assert len([text for path in FILES for text in said(path)]) > 50


def longest(msg: str) -> int:
    """Return the length of a task's message with ordinary values: names fill the room of the filter listed, another value has 36 characters."""
    return len(re.sub(r"\{\{.*?\}\}", lambda value: "x" * int((re.findall(r"listed\(\d+, (\d+)\)", value.group()) or [36])[0]), msg))


@pytest.mark.parametrize("msg", TASK_FAILURES)
def test_a_failure_of_a_task_is_short_and_ends_with_what_to_do(msg: str) -> None:
    assert longest(msg) <= 200 and "join(" not in msg
    assert re.fullmatch(r"\{\{ [^}]+(\}[^}]+)?\}\}|.*\. [A-Z][^.]+(\.\w[^.]*)*\.", msg, re.DOTALL)


def test_failures_of_tasks_are_found() -> None:
    assert len(TASK_FAILURES) >= 12
