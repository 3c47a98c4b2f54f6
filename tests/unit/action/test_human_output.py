# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of ``cluster_report`` with stdout callbacks for people and for programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

HEAD = "cluster default, 1 node: unknown"
INVENTORY = {"banyandb_standalone": {"hosts": {"one": {"ansible_connection": "local"}}}}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Report", "skywalking.banyandb.cluster_report": {"register": ["state"], "accept": ["converged"]}, "run_once": True}],
    }
]
# Like ansible.posix.json, which is not part of ansible-core.
JSON_CALLBACK = '''
import json
from ansible.plugins.callback import CallbackBase
DOCUMENTATION = """
name: one_document
type: stdout
short_description: One JSON document
description: One JSON document.
"""
class CallbackModule(CallbackBase):
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "one_document"
    def __init__(self):
        super().__init__()
        self.results = []
    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.results.append(result.result)
    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps(self.results))
'''
# Like community.general.yaml and ansible.posix.debug.
PEOPLES_CALLBACK = '''
from ansible.plugins.callback.default import CallbackModule as Default
DOCUMENTATION = """
name: pretty
type: stdout
short_description: As default
description: As default.
extends_documentation_fragment: [default_callback]
"""
class CallbackModule(Default):
    CALLBACK_NAME = "pretty"
'''


@pytest.fixture
def report(tmp_path):
    """Run the playbook with a stdout callback and return its output."""
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    (tmp_path / "inventory.yml").write_text(json.dumps(INVENTORY))
    (tmp_path / "one_document.py").write_text(JSON_CALLBACK)
    (tmp_path / "pretty.py").write_text(PEOPLES_CALLBACK)

    def run(callback: str) -> str:
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(Path(tmp_path, "home")),
        }
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.yml", "play.yml"],
            cwd=tmp_path,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stdout
        return done.stdout

    return run


@pytest.mark.parametrize("callback", ["default", "ansible.builtin.default", "pretty"])
def test_a_person_sees_the_table(report, callback):
    assert HEAD in report(callback).splitlines()


def test_one_json_document_stays_one_and_has_the_table(report):
    (result,) = json.loads(report("one_document"))
    assert result["clusters"]["default"]["verdict"] == "unknown"
    assert result["clusters"]["default"]["lines"][0] == HEAD
    assert result["msg"].startswith("Not converged: default is unknown.")


def test_one_line_a_result_stays_so_and_has_the_table(report):
    # ansible-core's own callback writes a line about a failed task's error before the line with the result.
    *error, line = report("oneline").splitlines()
    found = re.fullmatch(r"one \| FAILED! => (\{.*\})", line)
    assert found and json.loads(found[1])["clusters"]["default"]["lines"][0] == HEAD
    assert not [each for each in error if HEAD in each]


def test_the_table_is_in_the_result_alone_with_minimal(report):
    assert HEAD not in report("minimal").splitlines()
