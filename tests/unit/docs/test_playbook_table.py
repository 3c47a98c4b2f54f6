# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in docs/playbooks.md names the variables of a run that each playbook reads, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")
# Variables that belong to one run, and not to a host or a cluster.
OF_A_RUN = {
    "banyandb_accept_data_loss",
    "banyandb_accept_empty_data",
    "banyandb_adopt_data",
    "banyandb_allow_downtime",
    "banyandb_confirm",
    "banyandb_override",
    "banyandb_remove",
    "banyandb_remove_data",
    "banyandb_renew",
    "banyandb_renew_key",
    "banyandb_restart",
    "banyandb_rotate_ca",
    "banyandb_status_file",
    "banyandb_status_wait",
}
# The roles give all variables of a host to a filter or to a module. So no task names these variables.
READ_WITHOUT_NAME = {"banyandb_accept_empty_data", "banyandb_adopt_data", "banyandb_allow_downtime", "banyandb_remove"}
PLAYBOOKS = sorted(path.stem for path in ROOT.glob("playbooks/*.yml"))
MESSAGES = ("fail_msg", "msg", "name", "success_msg")


@cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def of_role(role: str, tasks: str, seen: set[Path]) -> Iterator[str]:
    yield from texts(ROOT / "roles" / role / "tasks" / f"{tasks}.yml", seen)
    for other in load(ROOT / "roles" / role / "meta" / "main.yml").get("dependencies", []):
        yield from of_role((other if isinstance(other, str) else other["role"]).rpartition(".")[2], "main", seen)


def texts(path: Path, seen: set[Path]) -> Iterator[str]:
    """Yield all values in a playbook or a task file, and in all files that the file uses. Leave out messages, names and comments."""
    if path not in seen:
        seen.add(path)
        yield from values(load(path), path, seen)


def values(part: Any, path: Path, seen: set[Path]) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from values(each, path, seen)
    elif isinstance(part, dict):
        for key, value in part.items():
            action = key.rpartition(".")[2]
            if action in ("import_playbook", "import_tasks", "include_tasks") and "{{" not in value:
                yield from texts((path.parent / value).resolve(), seen)
            elif action in ("import_role", "include_role"):
                yield from of_role(value["name"].rpartition(".")[2], value.get("tasks_from", "main"), seen)
            elif action not in MESSAGES:
                plugin = ROOT / "plugins" / "action" / f"{action}.py"
                if key.startswith("skywalking.") and plugin.exists():
                    yield plugin.read_text(encoding="utf-8")
                yield from values(value, path, seen)


def read_by(playbook: str) -> set[str]:
    """Return the variables of a run that the playbook, its roles and its action plugins read."""
    found = " ".join(texts(ROOT / "playbooks" / f"{playbook}.yml", set()))
    return OF_A_RUN & set(re.findall(r"\bbanyandb_[a-z_]+", found))


def row_of(playbook: str) -> set[str]:
    """Return the variables of a run in the row of the playbook."""
    (cell,) = re.findall(rf"^\| `{playbook}` \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
    others = set().union(*(row_of(name) for name in re.findall(r"`([a-z]+)`", cell) if name in PLAYBOOKS))
    return others | OF_A_RUN & set(re.findall(r"`(banyandb_\w+)`", cell))


def test_the_table_has_a_row_for_each_playbook() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| (?:predicts|the same) \|", PAGE, re.MULTILINE)) == PLAYBOOKS


def test_the_variables_of_a_run_are_read_somewhere() -> None:
    assert set().union(*(read_by(playbook) for playbook in PLAYBOOKS)) | READ_WITHOUT_NAME == OF_A_RUN


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_row_of_a_playbook_has_the_variables_of_a_run_that_the_playbook_reads(playbook: str) -> None:
    expected = read_by(playbook) - {"banyandb_override"}
    assert row_of(playbook) - READ_WITHOUT_NAME == expected - READ_WITHOUT_NAME


def test_the_page_names_the_playbooks_that_take_the_override() -> None:
    (without,) = re.findall(r"every playbook except (.+) also takes `banyandb_override`", PAGE)
    assert set(re.findall(r"`(\w+)`", without)) == {playbook for playbook in PLAYBOOKS if "banyandb_override" not in read_by(playbook)}
