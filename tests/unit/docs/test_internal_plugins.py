# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first line of a plugin's documentation shows whether the plugin may change with the next release. README lists the plugins that stay."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("modules", "filter", "lookup", "inventory")
PLUGINS = sorted(path for kind in KINDS for path in (ROOT / "plugins" / kind).glob("*.py"))
FILTERS = [path for path in PLUGINS if path.parent.name == "filter"]
# An action plugin calls the module of its name, which runs on the host.
CALLERS = [path for place in ("playbooks", "roles", "extensions", "plugins/action") for path in (ROOT / place).rglob("*.[py]*") if path.is_file()]


def public() -> set[tuple[str, str]]:
    """Return (kind, name) of each plugin in the table of README."""
    rows = re.findall(r"^\| ([a-z, ]+) \| (`.*) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {(kind, name) for kinds, names in rows for kind in kinds.split(", ") for name in re.findall(r"`([a-z_]+)`", names)}


def documentation(path: Path) -> dict[str, Any]:
    (text,) = [
        statement.value.value
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and statement.targets[0].id == "DOCUMENTATION"
    ]
    return yaml.safe_load(text)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_plugin_that_is_not_public_says_that_it_is_internal(path: Path) -> None:
    found = documentation(path)
    description = found["description"]
    first = description if isinstance(description, str) else description[0]
    internal = (path.parent.name, path.stem) not in public()
    assert first.startswith("Internal ") is internal
    # `ansible-doc --list`, the reference and the changelog show only the short description.
    assert found["short_description"].startswith("Internal: ") is internal


def test_readme_lists_plugins_that_exist() -> None:
    found = {(kind, name) for kind, name in public() if kind in KINDS}
    assert len(found) >= 6
    assert found <= {(path.parent.name, path.stem) for path in PLUGINS}


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_plugin_is_public_or_this_collection_calls_it(path: Path) -> None:
    called = re.compile(rf"skywalking\.banyandb\.{path.stem}\b")
    assert (path.parent.name, path.stem) in public() or any(called.search(caller.read_text(encoding="utf-8")) for caller in CALLERS)


@pytest.mark.parametrize("path", FILTERS, ids=lambda path: path.stem)
def test_a_file_holds_one_filter_and_its_documentation(path: Path) -> None:
    classes = [each for each in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(each, ast.ClassDef)]
    (named,) = [node for node in ast.walk(classes[-1]) if isinstance(node, ast.Dict)]
    assert [key.value for key in named.keys if isinstance(key, ast.Constant)] == [path.stem] == [documentation(path)["name"]]


def test_every_filter_has_its_documentation_in_its_own_file() -> None:
    assert list((ROOT / "plugins" / "filter").glob("*.yml")) == []
