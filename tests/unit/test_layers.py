# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever reads a file's path knows where its code runs and what it may import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parent.parent.parent / "plugins" / "module_utils"
OURS = "ansible_collections.skywalking.banyandb.plugins.module_utils."
# Package -> the packages of ours that it may import. Arrows go one way.
MAY_IMPORT = {"model": {"model"}, "host": {"model", "host"}, "controller": {"model", "controller"}}
# Libraries that hosts need not have, imported where their absence is handled.
GUARDED = {("host/foreign_topology.py", "yaml")}

FILES = sorted(path for package in MAY_IMPORT for path in (UTILS / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            # `from package import module` imports the module.
            yield from (f"{module}.{alias.name}" for alias in node.names) if f"{module}." == OURS else (module,)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(UTILS).as_posix())
def test_imports_follow_the_arrows_of_the_design(path: Path) -> None:
    place = path.relative_to(UTILS).as_posix()
    package = place.split("/")[0]
    for name in imported(path):
        if name.startswith("ansible_collections."):
            assert name.startswith(OURS) and name[len(OURS) :].split(".")[0] in MAY_IMPORT[package], name
        elif package != "controller":
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or (place, top) in GUARDED, f"{place} imports {name}"


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "controller"], ids=lambda path: path.name)
def test_what_runs_on_hosts_is_written_in_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    compile(tree, path, "exec")  # finds what the grammar allows and no Python does
    assert "from __future__ import annotations" in path.read_text(encoding="utf-8") or not path.read_text(encoding="utf-8")


def test_there_is_something_to_look_at() -> None:
    assert {path.parent.name for path in FILES} == set(MAY_IMPORT)
    assert len(FILES) > 20
