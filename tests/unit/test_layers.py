# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of a file says where its code runs and what it may import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UTILS = ROOT / "plugins" / "module_utils"
OURS = "ansible_collections.skywalking.banyandb.plugins.module_utils."
# Package -> the packages of ours that it may import. Arrows go one way.
MAY_IMPORT = {"model": {"model"}, "disk": {"disk"}, "host": {"model", "disk", "host"}, "controller": {"model", "disk", "controller"}}
# Libraries that a host may lack. The importing code handles their absence.
GUARDED = {("host/files/foreign_topology.py", "yaml")}

# Package -> its folders, each for one subject.
ROOMS = {
    "model": {"topology", "view", "rollout", "dns", "setup"},
    "disk": set(),
    "host": {"server", "files", "network"},
    "controller": {"dns", "cluster", "rollout", "release"},
}

FILES = sorted(path for package in MAY_IMPORT for path in (UTILS / package).rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__init__.py"]


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


@pytest.mark.parametrize("path", [path for path in FILES if path.relative_to(UTILS).parts[0] != "controller"], ids=lambda path: path.name)
def test_what_runs_on_hosts_is_written_in_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    compile(tree, path, "exec")  # finds what the grammar allows and Python rejects
    assert "from __future__ import annotations" in path.read_text(encoding="utf-8") or not path.read_text(encoding="utf-8")


def files_of(pattern: str) -> set[Path]:
    """Return the paths that a pattern of pyproject.toml matches. A pattern may have one choice, such as ``{a,b}``."""
    before, choices, after = (re.match(r"(.*)\{(.*)\}(.*)", pattern) or re.match(r"(.*)()()", pattern)).groups()
    return {path for choice in choices.split(",") for path in ROOT.glob(f"{before}{choice}{after}".replace("/**", "/**/*"))}


def test_the_linter_takes_what_runs_on_hosts_for_python_3_9() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    targets = {pattern: files_of(pattern) for pattern in ruff["per-file-target-version"]}
    assert [pattern for pattern, files in targets.items() if not files] == []
    on_hosts = {path for place in ("modules", "module_utils") for path in (ROOT / "plugins" / place).rglob("*.py")}
    old = {path for pattern, files in targets.items() if ruff["per-file-target-version"][pattern] == "py39" for path in files}
    assert sorted(map(str, on_hosts - old)) == []


def test_each_exception_of_the_linter_is_for_files_that_exist() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert [pattern for pattern in ruff["lint"]["per-file-ignores"] if not files_of(pattern)] == []


def imports_among_ours() -> dict[str, set[str]]:
    """Return dotted name of a module -> our modules that its top level imports. An import inside a function breaks no start."""
    found = {}
    for path in MODULES:
        name = ".".join(path.relative_to(UTILS).with_suffix("").parts)
        tops = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
        names = {f"{node.module}.{alias.name}" for node in tops for alias in node.names} | {str(node.module) for node in tops}
        found[name] = {each[len(OURS) :] for each in names if each.startswith(OURS)}
    return {name: {each for each in imported if each in found} for name, imported in found.items()}


def test_no_module_imports_itself_through_others() -> None:
    left = imports_among_ours()
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {', '.join(sorted(left))}"


def test_each_room_is_one_of_the_design() -> None:
    rooms: dict[str, set[str]] = {package: set() for package in ROOMS}
    for path in FILES:
        package, *room = path.relative_to(UTILS).parts[:-1]
        assert len(room) < 2, f"{path}: a room has no rooms of its own"
        rooms[package].update(room)
    assert rooms == ROOMS


def test_every_module_has_a_file_name_of_its_own() -> None:
    names = Counter(path.name for path in MODULES)
    # Ansible requires that a plugin's file has the plugin's name.
    plugins = {path.name for path in UTILS.parent.glob("*/*.py") if path.parent.name not in ("module_utils", "doc_fragments")}
    assert [name for name, count in names.items() if count > 1 or name in plugins] == []
