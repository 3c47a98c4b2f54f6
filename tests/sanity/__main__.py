# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs all tests of ``ansible-test sanity`` on what a release is made of: ``python -m tests.sanity``.

Its arguments are handed on, so that ``python -m tests.sanity --test pep8`` runs one test. ``compile`` and ``import`` run on
every Python that this machine has and the installed ansible-core knows. An error where no managed host's or no
controller's oldest Python is among them is not given: which Pythons there were is said at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.constants import SUPPORTED_PYTHON_VERSIONS
from ansible_test._internal.python_requirements import get_venv_packages

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".cache" / "sanity"
# ansible-test takes a collection for one by this path.
COLLECTION = WORK / "ansible_collections" / "skywalking" / "banyandb"
PYTHONS = WORK / "pythons"
# The tests, the lab and the simulator are ruff's alone: they are no part of a release.
TESTED = ["galaxy.yml", "meta", "plugins", "roles", "playbooks", "docs", "README.md", "LICENSE", "changelogs", "tests/config.yml"]
CONTROLLER = f"{sys.version_info.major}.{sys.version_info.minor}"


def copy_collection() -> None:
    """A fresh copy of the files as they are here, committed or not."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", *TESTED]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():  # git lists what was deleted since the last commit, too
            (COLLECTION / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COLLECTION / name, follow_symlinks=False)
    # Else ansible-test asks the git of this checkout, for which .cache is nothing.
    subprocess.run(["git", "init", "--quiet", COLLECTION], check=True)


def place_get_pip() -> None:
    """Our get_pip.py where the installed ansible-test looks for the one that it downloaded before, if it has none yet.

    Its name has the version of pip that this ansible-test pins, for each Python.
    """
    folder = Path("~/.ansible/test/cache").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    for version in SUPPORTED_PYTHON_VERSIONS:
        pip = get_venv_packages(SimpleNamespace(version=version))["pip"]
        place = folder / f"get_pip_{pip.replace('.', '_')}.py"
        if not place.exists():
            shutil.copy(Path(__file__).with_name("get_pip.py"), place)


def find_pythons() -> list[str]:
    """Link to the interpreters of all versions that ansible-test tests with, and return the versions."""
    shutil.rmtree(PYTHONS, ignore_errors=True)
    PYTHONS.mkdir(parents=True)
    (PYTHONS / f"python{CONTROLLER}").symlink_to(sys.executable)
    found = [CONTROLLER]
    for version in SUPPORTED_PYTHON_VERSIONS:
        name = f"python{version}"
        search = subprocess.run([ROOT / "tests" / "interpreter.sh", name], check=False, capture_output=True, text=True)
        if search.returncode == 0 and version != CONTROLLER:
            (PYTHONS / name).symlink_to(search.stdout.strip())
            found.append(version)
    return [version for version in SUPPORTED_PYTHON_VERSIONS if version in found]


def search_path() -> str:
    """Where ansible-test finds programs: the linked interpreters first, and no folder with a pyenv shim that does not run."""
    names = [f"python{version}" for version in SUPPORTED_PYTHON_VERSIONS]
    folders = [
        folder for folder in os.environ["PATH"].split(os.pathsep) if all(runs(Path(folder, name)) for name in names if Path(folder, name).exists())
    ]
    return os.pathsep.join([str(PYTHONS), str(Path(sys.executable).parent), *folders])


def runs(python: Path) -> bool:
    return subprocess.run([python, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode == 0


def main() -> int:
    copy_collection()
    place_get_pip()
    pythons = find_pythons()
    command = [Path(sys.executable).with_name("ansible-test"), "sanity", *sys.argv[1:]]
    status = subprocess.run(command, cwd=COLLECTION, env={**os.environ, "PATH": search_path()}, check=False).returncode
    missing = [version for version in SUPPORTED_PYTHON_VERSIONS if version not in pythons]
    print(f"sanity: compile and import with Python {', '.join(pythons)}" + (f"; not here: {', '.join(missing)}" if missing else ""))
    return status


if __name__ == "__main__":
    sys.exit(main())
