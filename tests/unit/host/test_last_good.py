# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server ran with is kept whole, judged by its process, and comes back unchanged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import environment_file
from ansible_collections.skywalking.banyandb.plugins.modules.last_good import keep, roll_back

UNIT = "[Service]\n"


class Host:
    """A host with two releases. ``start`` runs the linked release with the present environment file."""

    def __init__(self, root):
        self.root = root
        self.kept = str(root / "kept.json")
        self.paths = last_good_state.Paths(
            str(root / "data.env"), str(root / "data.service"), str(root / "data.conf"), str(root / "current"), str(root / "current/bin/server")
        )
        for version in "12":
            (root / version / "bin").mkdir(parents=True)
            shutil.copy("/bin/sleep", root / version / "bin" / "server")
        self.write("1", UNIT, BYDB_SECRET='a "ü" \\ $b')
        self.process = None

    def write(self, version, unit, **environment):
        """Write the files of a deployment."""
        drop_in = f"[Service]\nNice={version}\n"
        environment["BANYANDB_UNIT_SHA256"] = hashlib.sha256((unit + drop_in).encode()).hexdigest()
        self.environment = environment
        (self.root / "data.env").write_text(environment_file(environment))
        (self.root / "data.env").chmod(0o640)
        (self.root / "data.service").write_text(unit)
        (self.root / "data.conf").write_text(drop_in)
        (self.root / "current").unlink(missing_ok=True)
        (self.root / "current").symlink_to(version)

    def start(self):
        self.stop()
        self.process = subprocess.Popen([self.paths.program, "600"], env=self.environment)
        # The kernel shows the new program before its environment.
        while not (Path("/proc") / str(self.process.pid) / "environ").read_bytes():
            time.sleep(0.01)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def unit(self):
        pid = self.process.pid if self.process else 0
        started = int(time.monotonic() * 1e6)
        return systemd_services.Service(
            "data.service", True, "active", "running", "enabled", False, pid, "", "", started, 0, "", "", 0, (self.paths.environment,), frozenset()
        )

    def keep(self, check=False):
        return keep(self.kept, self.paths, self.unit(), check)

    def roll_back(self, check=False):
        return roll_back(self.kept, self.paths, check)

    def found(self):
        return last_good_state.found(self.paths.kept)


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    made.start()
    yield made
    made.stop()


def test_everything_is_restored_unchanged(host):
    before = host.found()
    assert host.keep() == {"changed": True, "unproved": []}
    host.write("2", UNIT + "# other\n", BYDB_SECRET="other")
    assert host.roll_back() == {"changed": True, "rolled_back": list(host.paths.kept)}
    assert host.found() == before
    assert host.roll_back() == {"changed": False, "rolled_back": []}


def test_files_of_a_run_that_was_cut_off_are_not_kept(host):
    before = host.found()
    host.keep()
    host.write("2", UNIT + "# other\n", BYDB_SECRET="never ran")
    assert host.keep() == {"changed": False, "unproved": []}
    host.write("2", UNIT + "# another one\n", BYDB_SECRET="never ran either")
    assert host.keep() == {"changed": False, "unproved": []}
    host.roll_back()
    assert host.found() == before


def test_a_later_start_is_what_is_kept_then(host):
    host.keep()
    host.write("2", UNIT, BYDB_SECRET="second")
    host.start()
    before = host.found()
    assert host.keep() == {"changed": True, "unproved": []}
    host.write("1", UNIT, BYDB_SECRET="third")
    host.roll_back()
    assert host.found() == before


def test_each_file_is_judged_for_itself(host):
    before = host.found()
    host.keep()
    (host.root / "data.env").write_text('BYDB_SECRET="never ran"\n')
    assert host.keep()["unproved"] == []
    assert json.loads((host.root / "kept.json").read_text()) == before


def test_a_file_that_was_edited_by_hand_and_never_kept_is_named(host):
    (host.root / "data.env").write_text('BYDB_SECRET="by hand"\n')
    assert host.keep() == {"changed": True, "unproved": [host.paths.environment]}


def test_without_a_process_the_files_are_kept_unchanged(host):
    host.keep()
    host.stop()
    host.write("2", UNIT, BYDB_SECRET="second")
    assert host.keep() == {"changed": True, "unproved": []}
    assert json.loads((host.root / "kept.json").read_text()) == host.found()


def test_a_topology_that_an_earlier_version_kept_does_not_come_back(host):
    host.keep()
    kept = json.loads((host.root / "kept.json").read_text())
    (host.root / "topology.yml").write_text("nodes: new\n")
    kept[str(host.root / "topology.yml")] = {"text": "nodes: old\n", "mode": 0o644, "uid": 0, "gid": 0}
    (host.root / "kept.json").write_text(json.dumps(kept))
    host.roll_back()
    assert (host.root / "topology.yml").read_text() == "nodes: new\n"


def test_check_mode_tells_and_changes_nothing(host):
    assert host.keep(check=True)["changed"] and not (host.root / "kept.json").exists()
    host.keep()
    assert not host.keep()["changed"]
    host.write("2", UNIT, BYDB_SECRET="other")
    assert len(host.roll_back(check=True)["rolled_back"]) == 3
    assert "other" in (host.root / "data.env").read_text()


def test_only_root_may_read_it(host):
    host.keep()
    assert stat.S_IMODE(os.lstat(host.kept).st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (None, "nothing_kept", "no such file, so this host cannot roll back"),
        ("{", "broken", "not written by this collection"),
        ("[]", "broken", "not written by this collection"),
        (json.dumps({"/etc/x": None}), "nothing_kept", "lacks .*data.env and 3 more"),
    ],
)
def test_what_cannot_be_rolled_back_is_named(host, content, kind, said):
    if content is not None:
        (host.root / "kept.json").write_text(content)
    with pytest.raises(HostStateError, match=said) as refused:
        host.roll_back()
    assert refused.value.kind == kind


def test_a_file_that_is_no_text_is_refused(host):
    (host.root / "data.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HostStateError, match="is not UTF-8 text"):
        host.keep()
