# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible gives the arguments and loop items of a task to callbacks, so no task has a secret there. Only an action plugin reads the secrets."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for folder in ("playbooks", "roles") for path in (ROOT / folder).rglob("*.yml") if path.parent.name != "meta")
# A variable that holds a secret, or every variable of a host.
SECRETS = {
    "banyandb_users",
    "banyandb_env",
    "banyandb_tls_key",
    "banyandb_ca_passphrase",
    "banyandb_artifact",  # a URL may have a password
    "banyandb_artifact_checksum",
    "environment_text",
    "users_text",
    "__banyandb_variables",
}
# Texts in a template that name a secret and give none away.
HARMLESS = re.compile(
    r"__banyandb_setup\.(paths|ports|storage|flush_seconds)\b"
    r"|\(banyandb_artifact \| basename\s+\| regex_search"
    r"|\[banyandb_artifact, banyandb_artifact_checksum\] \| select\('match', '\[/~\]'\)"
)
TASK_KEYWORDS = {"name", "when", "vars", "register", "block", "rescue", "always", "tags", "notify", "changed_when", "failed_when", "until"}
# Actions that send a secret to the host.
SENDERS = ("node_settings", "node_trial", "node_users", "node_certificate")


def templates(value: Any) -> Iterator[str]:
    """Return the templates in a value."""
    if isinstance(value, str):
        yield from re.findall(r"\{\{.*?\}\}(?!\})|\{%.*?%\}", value, re.DOTALL)
    elif isinstance(value, (dict, list)):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from templates(item)


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Return all mappings in a value, at every depth."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(item)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def definitions() -> list[tuple[str, Any]]:
    """Return (name, value) of each variable that the playbooks and roles define."""
    found: list[tuple[str, Any]] = []
    for path in FILES:
        content = read(path)
        if path.parent.name in ("vars", "defaults"):
            found += content.items()
        else:
            found += [item for each in mappings(content) if isinstance(each.get("vars"), dict) for item in each["vars"].items()]
    return found


def names_in(value: Any) -> set[str]:
    return {name for template in templates(value) for name in re.findall(r"\w+", HARMLESS.sub("", template))}


def secret_names() -> set[str]:
    """Return the secrets and the variables whose templates use one."""
    defined = definitions()
    found = set(SECRETS)
    while more := {name for name, value in defined if names_in(value) & found} - found:
        found |= more
    return found


SECRET_NAMES = secret_names()
TASKS = [
    (path, task) for path in FILES if path.parent.name not in ("vars", "defaults") for task in mappings(read(path)) if any("." in key for key in task)
]


def module_of(task: dict[str, Any]) -> str:
    return next(key for key in task if "." in key)


def test_a_secret_is_known_through_the_variables_that_use_it() -> None:
    assert "__banyandb_setup" in SECRET_NAMES
    assert not {"__banyandb_service", "__banyandb_ports", "banyandb_version"} & SECRET_NAMES
    assert names_in({"argument": "{{ __banyandb_setup.environment_text if true else omit }}"}) & SECRET_NAMES
    assert names_in(["{{ hostvars[item].banyandb_env }}"]) & SECRET_NAMES
    assert len(TASKS) > 100


@pytest.mark.parametrize(("path", "task"), TASKS, ids=[f"{path.relative_to(ROOT)}: {task.get('name')}" for path, task in TASKS])
def test_no_argument_and_no_item_of_a_task_has_a_secret(path: Path, task: dict[str, Any]) -> None:
    shown = {key: value for key, value in task.items() if key not in TASK_KEYWORDS}
    assert not names_in(shown) & SECRET_NAMES


def test_a_task_that_sends_a_secret_uses_no_temporary_file() -> None:
    senders = [task for _path, task in TASKS if module_of(task) in [f"skywalking.banyandb.{name}" for name in SENDERS]]
    assert {module_of(task).split(".")[2] for task in senders} == {*SENDERS}
    for task in senders:
        needs = task[module_of(task)].get("state") != "absent"
        assert task.get("vars", {}).get("ansible_pipelining", False) is needs, task["name"]


@pytest.mark.parametrize(
    ("module", "option"),
    [("node_files", "environment"), ("start_trial", "environment"), ("users_file", "text"), ("tls_files", "key")],
)
def test_a_module_hides_the_secret_that_an_action_sends(module: str, option: str) -> None:
    found = importlib.import_module(f"ansible_collections.skywalking.banyandb.plugins.modules.{module}")
    assert found.ARGUMENTS[option]["no_log"] is True


CALLBACK = """
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_NAME = "arguments"
    def v2_runner_on_ok(self, result):
        self._display.display(f"arguments of {result.task.action}: {result.task.args}")
    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.v2_runner_on_ok(result)
"""


def test_no_output_of_the_tasks_with_the_environment_has_a_secret(systemd, tmp_path: Path) -> None:
    variables = {
        "banyandb_kind": "data",
        "banyandb_artifact": "https://user:canary-url@mirror.example/skywalking-banyandb-0.11.0-banyand.tgz",
        "banyandb_env": {"EDGE_SECRET": "canary-base"},
        "banyandb_env_more": {"EDGE_TOKEN": "canary-more"},
        "banyandb_config_dir": "/srv/absent/banyandb/etc",
        "banyandb_data_dir": "/srv/absent/banyandb/data",
        "__banyandb_probe": False,
        "__banyandb_host": {},
    }
    role = {"name": "skywalking.banyandb.node", "rolespec_validate": False}
    tasks = [{"ansible.builtin.import_role": {**role, "tasks_from": name}, "ignore_errors": True} for name in ("configure", "try")]
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "arguments.py").write_text(CALLBACK)
    settings = {
        "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
        "ANSIBLE_CALLBACKS_ENABLED": "arguments",
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "true",
        "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", "--check", "--diff", "-vvv", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("'variables': '__banyandb_variables'") == 2
    assert "EXEC " in done.stdout and "PUT " not in done.stdout, "without pipelining, Ansible puts a file with the arguments on the host"
    assert "canary" not in done.stdout + done.stderr + (tmp_path / "log").read_text()
