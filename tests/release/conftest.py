# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball of this tree, built and installed on a machine without a git checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def source_files() -> list[Path]:
    """Return the files of this tree, committed or not, as paths below ROOT."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(Path(name) for name in listed if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def source(source_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree without git metadata."""
    copy = tmp_path_factory.mktemp("source")
    for path in source_files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    return copy


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder into which ``installed`` installs the tarball."""
    return tmp_path_factory.mktemp("collections")


@pytest.fixture(scope="session")
def run(collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that runs a program of this Python's environment with the settings of a new account."""
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    environment = {**kept, "HOME": str(home), "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(collections)}

    def run_program(*words: str | Path, cwd: Path = home) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{words[0]} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    return run_program


@pytest.fixture(scope="session")
def tarball(source: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("tarball")
    run("ansible-galaxy", "collection", "build", "--output-path", output, source)
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="session")
def released_files(tarball: Path) -> dict[Path, str]:
    """Return the files of the tarball with their texts. Every file of the collection is text."""
    with tarfile.open(tarball) as archive:
        return {Path(member.name): archive.extractfile(member).read().decode() for member in archive if member.isfile()}


@pytest.fixture(scope="session")
def installed(tarball: Path, collections: Path, run: Run) -> Path:
    run("ansible-galaxy", "collection", "install", "--collections-path", collections, tarball)
    return collections / "ansible_collections" / "skywalking" / "banyandb"
