# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run all tests of ``ansible-test sanity`` on the files of a release: ``python -m tests.sanity``.

Arguments go to ansible-test: ``python -m tests.sanity --test pep8`` runs one test. ``compile`` and ``import`` run on
every Python that this machine has and the installed ansible-core knows. A missing Python is no error, even the oldest of
managed hosts or controllers. The last line has the Python versions of the run.
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
# ansible-test recognises a collection by this path.
COLLECTION = WORK / "ansible_collections" / "skywalking" / "banyandb"
PYTHONS = WORK / "pythons"
# A release does not contain the tests, the lab and the simulator. Only ruff checks them.
TESTED = ["galaxy.yml", "meta", "plugins", "roles", "playbooks", "docs", "README.md", "LICENSE", "changelogs", "tests/config.yml"]
CONTROLLER = f"{sys.version_info.major}.{sys.version_info.minor}"


def copy_collection() -> None:
    """Make a fresh copy of the present files, committed or not."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", *TESTED]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).exists():  # git also lists files that were deleted since the last commit
            (COLLECTION / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COLLECTION / name, follow_symlinks=False)
    # Without its own repository, ansible-test asks the git of this checkout, which ignores .cache.
    subprocess.run(["git", "init", "--quiet", COLLECTION], check=True)


def place_get_pip() -> None:
    """Put our get_pip.py where the installed ansible-test caches its download, unless it has a download.

    The file name has the version of pip that this ansible-test pins, for each Python.
    """
    folder = Path("~/.ansible/test/cache").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    for version in SUPPORTED_PYTHON_VERSIONS:
        pip = get_venv_packages(SimpleNamespace(version=version))["pip"]
        place = folder / f"get_pip_{pip.replace('.', '_')}.py"
        if not place.exists():
            shutil.copy(Path(__file__).with_name("get_pip.py"), place)


def find_pythons() -> list[str]:
    """Link to the interpreters of all versions that ansible-test uses, and return the versions."""
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
    """Return a PATH with the linked interpreters first, and without folders whose pyenv shim does not run."""
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
    print(f"sanity: compile and import with Python {', '.join(pythons)}" + (f"; missing: {', '.join(missing)}" if missing else ""))
    return status


if __name__ == "__main__":
    sys.exit(main())
