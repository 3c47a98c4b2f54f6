# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user installs the tarball and runs the playbooks with the inventory of the README."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import ROOT, Run

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
# Kind -> the names of its plugins. An action plugin belongs to the module of the same name, which documents the action.
PLUGINS = {
    kind: sorted({path.stem for path in (ROOT / "plugins" / folder).iterdir() if path.suffix in (".py", ".yml")})
    for kind, folder in {"module": "modules", "filter": "filter", "inventory": "inventory", "lookup": "lookup"}.items()
}
ROLES = sorted(path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
BLOCK = re.compile(r"^```yaml\n(# inventory\.yml\n.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def inventory(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (block,) = BLOCK.findall((installed / "README.md").read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("user") / "inventory.yml"
    path.write_text(block, encoding="utf-8")
    return path


def test_the_installed_collection_has_the_version_of_galaxy_yml(installed: Path, run: Run) -> None:
    listed = json.loads(run("ansible-galaxy", "collection", "list", "--format", "json").stdout)
    version = json.loads((installed / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"]
    assert listed[str(installed.parents[1])] == {"skywalking.banyandb": {"version": version}}


def test_every_playbook_passes_the_syntax_check_with_the_inventory_of_the_readme(inventory: Path, run: Run) -> None:
    assert "deploy" in PLAYBOOKS
    names = [f"skywalking.banyandb.{name}" for name in PLAYBOOKS]
    done = run("ansible-playbook", "-i", inventory.name, *names, "--syntax-check", cwd=inventory.parent)
    assert done.stderr == ""


@pytest.mark.parametrize("kind", PLUGINS)
def test_ansible_doc_shows_every_plugin(kind: str, installed: Path, run: Run) -> None:
    names = [f"skywalking.banyandb.{name}" for name in PLUGINS[kind]]
    done = run("ansible-doc", "--type", kind, "--json", *names)
    found = json.loads(done.stdout)
    assert (sorted(found), done.stderr) == (names, "")
    assert all(Path(each["doc"]["filename"]).is_relative_to(installed) and each["doc"]["short_description"] for each in found.values())


def test_ansible_doc_shows_every_role(installed: Path, run: Run) -> None:
    names = [f"skywalking.banyandb.{name}" for name in ROLES]
    found = json.loads(run("ansible-doc", "--type", "role", "--json", *names).stdout)
    assert sorted(found) == names
    assert all(Path(each["path"]).is_relative_to(installed) and each["entry_points"] for each in found.values())
