# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the module as Ansible packs and starts it: check the file, the message to the user, and the next run."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology
from ansible_collections.skywalking.banyandb.tests.unit.following import Network
from tests.conftest import COLLECTIONS, ROOT

from .tracer import AFTER, BEFORE, HALF

PLACES = [
    ("flock .", AFTER),
    ("openat .topology.yml.*.tmp", AFTER),
    ("write .topology.yml.*.tmp", HALF),
    ("rename .topology.yml.*.tmp topology.yml", BEFORE),
    ("rename .topology.yml.*.tmp topology.yml", AFTER),
    ("fsync .", AFTER),
]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as nodes:
        yield nodes


class Ansible:
    """Runs the module ``topology`` on this machine with an interpreter that kills it."""

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.directory, self.scratch = directory, scratch
        self.report = scratch / "report.json"
        self.interpreter = scratch / "python"
        self.killing(-1, BEFORE)

    def killing(self, number: int, when: str) -> None:
        """Kill the next run at this call; -1: only trace it."""
        words = f"{sys.executable} -m tests.crash.tracer '{self.directory}' {number} {when} '{self.report}' -- {sys.executable}"
        self.interpreter.write_text(f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {words} "$@"\n')
        self.interpreter.chmod(stat.S_IRWXU)

    def push(self, **arguments: Any) -> tuple[int, dict[str, Any]]:
        """Return Ansible's exit code and the task's result."""
        options = json.dumps({"path": str(self.directory / "topology.yml"), **arguments})
        words = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={self.interpreter}"]
        words += ["-m", "skywalking.banyandb.topology", "-a", options, "localhost"]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCAL_TEMP": str(self.scratch / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.scratch / "tmp"),
        }
        program = str(Path(sys.executable).with_name("ansible"))
        done = subprocess.run([program, *words], cwd=self.scratch, env=environment, capture_output=True, text=True, check=False)
        said = re.search(r"^localhost \| [A-Z]+!? => (\{.*^\})", done.stdout, re.DOTALL | re.MULTILINE)
        assert said, done
        return done.returncode, json.loads(said[1])

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found


def test_a_module_killed_under_ansible_fails_the_task_and_the_next_run_completes_it(directory: Path, tmp_path: Path, network: Network) -> None:
    a, b = network.node("a"), network.node("b")
    old, new = Topology((a,)).render(), Topology((a, b)).render()
    path = directory / "topology.yml"
    path.write_text(old)
    arguments = {"nodes": [a.to_mapping(), b.to_mapping()]}
    ansible = Ansible(directory, tmp_path)
    code, result = ansible.push(**arguments)
    assert (code, result["changed"], path.read_text()) == (0, True, new), result
    calls = ansible.seen["calls"]
    for place, when in PLACES:
        path.write_text(old)
        number = max(index for index, call in enumerate(calls) if call == place)
        ansible.killing(number, when)
        code, result = ansible.push(**arguments)
        assert ansible.seen == {"calls": calls[: number + 1], "killed": True}
        # Without a proof the task fails and reports that the module was killed (137: the shell that saw SIGKILL).
        assert (code, result["changed"], result["rc"]) == (2, False, 137) and "Killed" in result["module_stderr"], result
        assert path.read_text() == (new if place == "fsync ." or (when == AFTER and place.startswith("rename")) else old)
        before = path.read_text()
        ansible.killing(-1, BEFORE)
        code, result = ansible.push(**arguments)
        assert (code, result["changed"], path.read_text()) == (0, before == old, new), result
        assert list(directory.iterdir()) == [path]
