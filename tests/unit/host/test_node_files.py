# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a server become as wanted, each of them atomically."""

from __future__ import annotations

import json
import os
import stat

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import InvalidArgument
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.modules import node_files
from ansible_collections.skywalking.banyandb.tests.unit.documented import documented_options


@pytest.fixture
def systemd(monkeypatch):
    """Count how often systemd reads its units again. ``outdated``: the unit's NeedDaemonReload."""

    class Systemd:
        reads = 0
        outdated = False

    found = Systemd()

    def read_again():
        found.reads += 1
        found.outdated = False

    monkeypatch.setattr(systemd_services, "read_units_again", read_again)
    monkeypatch.setattr(node_files, "_is_outdated", lambda name: found.outdated)
    return found


@pytest.fixture
def asked(tmp_path):
    return {
        "directories": [
            {"path": str(tmp_path / "etc" / "banyandb"), "owner": "root", "group": "root", "mode": "0755"},
            {"path": str(tmp_path / "var"), "owner": "daemon", "group": "daemon", "mode": "0700"},
        ],
        "storage": None,
        "environment_file": {
            "path": str(tmp_path / "etc" / "banyandb" / "data.env"),
            "owner": "root",
            "group": "daemon",
            "mode": "0640",
        },
        "environment": 'PASSWORD="hunter2"\n',
        "unit_file": {"path": str(tmp_path / "etc" / "data.service"), "owner": "root", "group": "root", "mode": "0644"},
        "unit": "[Service]\n",
        "drop_in_file": {"path": str(tmp_path / "etc" / "data.service.conf"), "owner": "root", "group": "root", "mode": "0644"},
        "drop_in": "# ours\n",
        "links": [{"path": str(tmp_path / "etc" / "wants" / "data.service"), "target": str(tmp_path / "etc" / "data.service")}],
    }


def paths(asked):
    items = [*asked["directories"], asked["environment_file"], asked["unit_file"], asked["drop_in_file"], *asked["links"]]
    return [item["path"] for item in items]


def attributes(path):
    about = os.lstat(path)
    return about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)


def everything(directory):
    return {
        str(path): (os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else None, attributes(path))
        for path in directory.rglob("*")
    }


def test_a_new_host_gets_all_of_it_and_the_next_run_changes_nothing(asked, systemd, tmp_path):
    daemon = (1, 1)
    result = node_files.act(asked, False)
    assert result["changed"] and result["paths"] == paths(asked)
    assert attributes(asked["directories"][0]["path"]) == (0, 0, 0o755)
    assert attributes(asked["directories"][1]["path"]) == (*daemon, 0o700)
    assert attributes(asked["environment_file"]["path"]) == (0, daemon[1], 0o640)
    assert (tmp_path / "etc" / "banyandb" / "data.env").read_text() == 'PASSWORD="hunter2"\n'
    assert (tmp_path / "etc" / "wants" / "data.service").read_text() == "[Service]\n"
    assert systemd.reads == 1
    made = everything(tmp_path)
    assert node_files.act(asked, False) == {"changed": False, "paths": [], "diff": []}
    assert (everything(tmp_path), systemd.reads) == (made, 1)


def test_check_mode_tells_the_same_and_makes_nothing(asked, systemd, tmp_path):
    asked["environment_file"]["group"] = "no-such-group-yet"
    foreseen = node_files.act(asked, True)
    assert everything(tmp_path) == {} and systemd.reads == 0
    asked["environment_file"]["group"] = "daemon"
    assert node_files.act(asked, False)["paths"] == foreseen["paths"]


def test_only_changed_files_are_written(asked, systemd, tmp_path):
    node_files.act(asked, False)
    environment = tmp_path / "etc" / "banyandb" / "data.env"
    before = {path: os.lstat(path).st_ino for path in paths(asked)}
    environment.write_text("")
    (tmp_path / "var").chmod(0o755)
    result = node_files.act(asked, False)
    assert result["paths"] == [str(tmp_path / "var"), str(environment)]
    assert {path for path, inode in before.items() if os.lstat(path).st_ino != inode} == {str(environment)}
    assert systemd.reads == 1  # neither file is a systemd unit


@pytest.mark.parametrize("part", ["unit", "drop_in", "link", "outdated"])
def test_systemd_reads_its_units_again_when_it_has_to(asked, systemd, tmp_path, part):
    node_files.act(asked, False)
    if part in ("unit", "drop_in"):
        asked[part] = "[Service]\nUser=banyandb\n"
    elif part == "link":
        (tmp_path / "etc" / "wants" / "data.service").unlink()
    else:
        systemd.outdated = True
    result = node_files.act(asked, False)
    assert (result["changed"], systemd.reads) == (part != "outdated", 2)


def test_the_difference_shows_the_unit_and_no_secret(asked, systemd, tmp_path):
    node_files.act(asked, False)
    (tmp_path / "etc" / "banyandb" / "data.env").write_text('PASSWORD="hunter1"\n')
    (tmp_path / "etc" / "data.service").write_text("[Unit]\n")
    (tmp_path / "etc" / "data.service").chmod(0o600)
    for check in (True, False):
        result = node_files.act(asked, check)
        assert "hunter" not in json.dumps(result)
        of_environment, of_unit = result["diff"]
        assert (of_environment["before"], of_environment["after"]) == ("", "")
        assert (of_unit["before"], of_unit["after"]) == ("mode: 0600\n[Unit]\n", "mode: 0644\n[Service]\n")


def test_a_link_to_a_directory_is_one(asked, systemd, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "var").symlink_to("disk")
    node_files.act(asked, False)
    assert (tmp_path / "var").is_symlink() and attributes(tmp_path / "disk") == (1, 1, 0o700)
    assert node_files.act(asked, False)["paths"] == []


def test_what_stands_in_the_way_is_named_and_stays(asked, systemd, tmp_path):
    (tmp_path / "var").write_text("somebody's")
    with pytest.raises(HostStateError, match=r"var: expected a directory, found file. Move the file away") as raised:
        node_files.act(asked, False)
    assert raised.value.kind == "not_made"
    assert (tmp_path / "var").read_text() == "somebody's" and systemd.reads == 0
    (tmp_path / "var").unlink()
    (tmp_path / "etc" / "data.service").mkdir()
    with pytest.raises(HostStateError, match=r"data\.service: expected a file, found directory"):
        node_files.act(asked, False)


def test_a_link_that_cannot_be_put_leaves_nothing_behind(asked, systemd, tmp_path):
    (tmp_path / "etc" / "wants" / "data.service").mkdir(parents=True)
    with pytest.raises(HostStateError, match="expected a link, found directory"):
        node_files.act(asked, False)
    assert [path.name for path in (tmp_path / "etc" / "wants").iterdir()] == ["data.service"]


def test_a_user_that_is_missing_is_named(asked, systemd):
    asked["directories"][1]["owner"] = "nobody-knows"
    with pytest.raises(HostStateError, match="this host has no owner nobody-knows") as raised:
        node_files.act(asked, False)
    assert raised.value.kind == "no_user"


def test_a_path_must_be_absolute_and_a_mode_octal(asked, systemd):
    for change in ({"path": "data.env"}, {"mode": "rw"}):
        with pytest.raises(InvalidArgument, match="files: "):
            node_files.act({**asked, "environment_file": {**asked["environment_file"], **change}}, False)


def test_the_documentation_names_every_option():
    documented = documented_options(node_files)
    assert documented.keys() == node_files.ARGUMENTS.keys()
    for name, option in node_files.ARGUMENTS.items():
        assert documented[name]["type"] == option.get("type", "str")
        assert documented[name].get("suboptions", {}).keys() == option.get("options", {}).keys()
