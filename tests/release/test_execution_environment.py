# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-builder makes an execution environment with every Python package that the plugins import."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml

from .conftest import Run

GUIDE = Path("docs/execution-environment.md")
BLOCK = re.compile(r"^```yaml\n(# execution-environment\.yml\n.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"[\w.-]+")


def required(lines: list[str]) -> set[str]:
    """Return the names of the distributions in lines of requirements, in lower case."""
    return {NAME.match(line).group().lower() for line in lines if not line.startswith("#")}


def imported(plugins: Path) -> set[str]:
    """Return the modules outside of the standard library, Ansible and this collection that the plugins import, without submodules."""
    found: set[str] = set()
    for path in plugins.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - {*sys.stdlib_module_names, "ansible", "ansible_collections"}


def test_ansible_builder_finds_the_requirements_in_the_installed_collection(installed: Path, run: Run) -> None:
    found = yaml.safe_load(run("ansible-builder", "introspect", installed.parents[2]).stdout)
    written = (installed / "meta" / "ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    assert found == {"python": [f"{line}  # from collection skywalking.banyandb" for line in written if not line.startswith("#")], "system": []}
    assert required(found["python"]) == {"dnspython", "grpcio", "protobuf"}


def test_the_requirements_name_every_package_that_the_plugins_import(installed: Path) -> None:
    lines = (installed / "meta" / "ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    there = required(lines) | required(requires("ansible-core"))
    distributions = packages_distributions()
    modules = imported(installed / "plugins")
    assert {"dns", "grpc", "google"} <= modules
    assert {module for module in modules if not there & {name.lower() for name in distributions[module]}} == set()


@pytest.fixture
def folder(installed: Path, tarball: Path, tmp_path: Path) -> Path:
    """Return a folder with the tarball and the definition of the guide."""
    (definition,) = BLOCK.findall((installed / GUIDE).read_text(encoding="utf-8"))
    (tmp_path / "execution-environment.yml").write_text(definition, encoding="utf-8")
    shutil.copy(tarball, tmp_path)
    return tmp_path


def test_the_definition_of_the_guide_makes_a_build_context_that_installs_the_tarball(folder: Path, run: Run, tmp_path: Path) -> None:
    run("ansible-builder", "create", cwd=folder)
    # The first stage of the image installs in this folder. --force: the tests have installed the collection in another place too.
    options = ("--force", "--collections-path", tmp_path / "image")
    run("ansible-galaxy", "collection", "install", "-r", "requirements.yml", *options, cwd=folder / "context" / "_build")
    found = yaml.safe_load(run("ansible-builder", "introspect", tmp_path / "image").stdout)
    assert required(found["python"]) == {"dnspython", "grpcio", "protobuf"}
