# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""compile_once: Python compiles each file of a zip archive once, as Ansible sends them to a host."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = "ansible_collections/skywalking/banyandb/plugins/module_utils"
PROGRAM = """
import collections, json, sys
sys.path.insert(0, sys.argv[1])
compiled = collections.Counter()
sys.addaudithook(lambda event, found: compiled.update([str(found[1])]) if event == "compile" else None)
if sys.argv[2] == "once":
    import ansible_collections.skywalking.banyandb.plugins.module_utils.compile_once
import ansible_collections.skywalking.banyandb.plugins.module_utils.room.first as first
from ansible_collections.skywalking.banyandb.plugins.module_utils.room import second
try:
    import ansible_collections.skywalking.banyandb.plugins.module_utils.room.absent
except ModuleNotFoundError as error:
    missing = error.name
import other
counts = {path.rpartition("/")[2]: count for path, count in compiled.items() if ".zip/" in path}
print(json.dumps([counts, first.VALUE + second.VALUE, other.VALUE, missing]))
"""


def run(tmp_path: Path, how: str) -> tuple[dict[str, int], int, int, str]:
    """Import from an archive, in a process of its own. Return how often each file was compiled, and what the imports gave."""
    archive = tmp_path / "payload.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for package in (*Path(OURS).parents, Path(OURS), Path(OURS, "room")):
            if package != Path("."):
                zipped.writestr(f"{package}/__init__.py", "")
        zipped.write(ROOT / "plugins" / "module_utils" / "compile_once.py", f"{OURS}/compile_once.py")
        zipped.writestr(f"{OURS}/room/first.py", "from .second import VALUE as other\nVALUE = other + 1\n")
        zipped.writestr(f"{OURS}/room/second.py", "VALUE = 20\n")
        zipped.writestr("other.py", "VALUE = 7\n")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(archive), how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiled, ours, foreign, missing = json.loads(done.stdout)
    return compiled, ours, foreign, missing


@pytest.mark.parametrize("how", ["once", "plain"])
def test_the_imports_give_the_same(tmp_path: Path, how: str) -> None:
    _compiled, ours, foreign, missing = run(tmp_path, how)
    assert (ours, foreign, missing.rpartition(".")[2]) == (41, 7, "absent")


def test_each_file_of_this_collection_is_compiled_once(tmp_path: Path) -> None:
    once, plain = run(tmp_path, "once")[0], run(tmp_path, "plain")[0]
    assert {name: once[name] for name in ("first.py", "second.py", "other.py")} == {"first.py": 1, "second.py": 1, "other.py": plain["other.py"]}
    assert plain["first.py"] >= 1, "the count sees the compilation of a file in an archive"


def test_every_module_that_runs_on_a_host_imports_compile_once_before_the_rest_of_this_collection() -> None:
    modules = [path for path in (ROOT / "plugins" / "modules").glob("*.py") if ".module_utils.host." in path.read_text()]
    assert len(modules) > 10
    for path in modules:
        names = [
            f"{node.module}.{alias.name}"
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ansible_collections.skywalking")
            for alias in node.names
        ]
        assert names[0].endswith("plugins.module_utils.compile_once"), path.name
