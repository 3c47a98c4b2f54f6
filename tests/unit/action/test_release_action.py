# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of module release: the controller's part and the host's part together on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def results(folder):
    """Return the result of each task by its name. All tasks run in one run of Ansible, in this order."""
    tarball = folder / "skywalking-banyandb-0.11.0-banyand.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        member = tarfile.TarInfo(f"bin/banyand-server-static-linux-{ARCHITECTURE}")
        member.size = len(b"server")
        archive.addfile(member, io.BytesIO(b"server"))
    digest = hashlib.sha512(tarball.read_bytes()).hexdigest()
    common = {"root": str(folder / "root"), "cache_dir": "~/cache", "version": "1"}
    given = {"right": f"sha512:{digest}", "wrong": "sha512:" + "0" * 128, "other": "sha512:" + "1" * 128, "missing": ""}
    right = {**common, "variables": "right"}
    tasks = {
        "nothing to install from": (common, False),
        "wrong checksum": ({**right, "variables": "wrong"}, False),
        "no checksum": ({**right, "variables": "missing"}, False),
        "not in it": ({**right, "flavor": "slim"}, False),
        "bad version": ({**right, "version": "../1"}, False),
        "wrong checksum in check mode": ({**right, "variables": "wrong"}, True),
        "check": (right, True),
        "apply": (right, False),
        "again": (right, False),
        "other artifact": ({**right, "variables": "other"}, False),
        "second": ({**right, "version": "2"}, False),
        "back, checked": (common, True),
        "back": (common, False),
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {name: {"banyandb_artifact": str(tarball), "banyandb_artifact_checksum": checksum} for name, checksum in given.items()},
        "tasks": [
            {"name": name, "skywalking.banyandb.release": arguments, "check_mode": check, "ignore_errors": True}
            for name, (arguments, check) in tasks.items()
        ],
    }
    play["tasks"] = [
        step
        for task in play["tasks"]
        for step in (
            {**task, "register": "found"},
            {"ansible.builtin.stat": {"path": str(folder / "root")}, "register": "root"},
            {"ansible.builtin.debug": {"msg": {"task": task["name"], "found": "{{ found }}", "root": "{{ root.stat.exists }}"}}},
        )
    ]
    (folder / "play.yml").write_text(json.dumps([play]))
    settings = {
        "HOME": str(folder),
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "play.yml"],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(r"^localhost \| SUCCESS => (\{.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
    messages = [json.loads(text).get("msg") for text in said]
    return {message["task"]: {**message["found"], "root": message["root"]} for message in messages if isinstance(message, dict)}


@pytest.mark.parametrize(
    ("task", "kind", "expected"),
    [
        (
            "nothing to install from",
            "artifact",
            "version 1 is not on this host, and banyandb_artifact is not set",
        ),
        ("wrong checksum", "artifact", "does not match its checksum"),
        ("wrong checksum in check mode", "artifact", "does not match its checksum"),
        ("no checksum", "artifact", "Put the .sha512 file there"),
        ("not in it", "artifact", f"has no build slim-linux-{ARCHITECTURE} for this host"),
        ("bad version", "release", "expected the name of a directory"),
    ],
)
def test_faults_are_reported_and_nothing_is_changed(results, task, kind, expected):
    found = results[task]
    assert (found["failed"], found["error_type"], found["root"]) == (True, kind, False)
    assert expected in found["msg"]
    assert "Traceback" not in str(found)


def test_check_mode_predicts_the_install_and_does_nothing(results):
    found = results["check"]
    assert (found["changed"], found["installed"], found["root"]) == (True, True, False)


def test_the_program_is_brought_and_linked(results):
    found = results["apply"]
    assert (found["changed"], found["installed"], found["version"], found["previous"]) == (True, True, "1", "")


def test_the_cache_may_be_in_the_home_directory(results, folder):
    assert [path.name for path in (folder / "cache").rglob("banyand-server-*") if path.suffix != ".json"] == [
        f"banyand-server-static-linux-{ARCHITECTURE}"
    ]


def test_a_second_run_changes_nothing(results):
    assert (results["again"]["changed"], results["again"]["installed"]) == (False, False)


def test_a_version_is_not_replaced_by_another_artifact(results):
    assert "Check both, or set another banyandb_version" in results["other artifact"]["msg"]


def test_going_back_needs_no_artifact(results, folder):
    assert results["second"]["previous"] == "1"
    for task in ("back, checked", "back"):
        found = results[task]
        assert (found["changed"], found["installed"], found["previous"], found["version"]) == (True, False, "2", "1")
    assert os.readlink(folder / "root" / "current") == "versions/1"
    assert (folder / "root" / "current" / "bin" / "banyand-server").read_bytes() == b"server"
