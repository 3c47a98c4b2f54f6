# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source file has the license header."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEADER = """\
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
SUFFIXES = (".py", ".sh", ".toml", ".yaml", ".yml")
# antsibull-changelog writes this file.
GENERATED = ("changelogs/changelog.yaml",)
# Environments, caches and git data are in folders whose names start with a dot.
FOLDERS = [path for path in ROOT.iterdir() if path.is_dir() and (path.name == ".github" or not path.name.startswith("."))]
SOURCES = sorted(
    str(path.relative_to(ROOT))
    for paths in (ROOT.iterdir(), *(folder.rglob("*") for folder in FOLDERS))
    for path in paths
    if path.suffix in SUFFIXES and path.is_file() and path.stat().st_size
)


def test_the_search_finds_source_files_of_every_kind() -> None:
    assert {Path(name).suffix for name in SOURCES} == set(SUFFIXES)
    assert {"galaxy.yml", "plugins/modules/topology.py", "tests/demo/six.yml", ".github/workflows/tests.yml"} <= set(SOURCES)


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in GENERATED])
def test_a_source_file_has_the_license_header(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True)
    # A script may start with its interpreter, and with a comment that says what it does.
    assert HEADER in "".join(lines[:12])
