# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module release on the host, without the controller's part."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.modules import release
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module


@pytest.fixture
def put(tmp_path):
    """Return a function that runs the module. ``bring`` sends the program too, as the action plugin does."""
    program = tmp_path / "program"
    program.write_bytes(b"server")
    brought = {"src": str(program), "src_sha256": hashlib.sha256(b"server").hexdigest(), "source": "sha512:ab static\n"}

    def run(version, bring=False, check=False, **arguments):
        arguments = {"root": str(tmp_path / "root"), **(brought if bring else {}), **arguments}
        result, err = asyncio.run(run_module("release", check=check, version=version, **arguments))
        assert err == ""
        return result

    run.root = tmp_path / "root"
    return run


def test_a_version_that_is_missing_is_only_reported_until_it_is_brought(put):
    result = put("1")
    assert (result["changed"], result["installed"]) == (True, True)
    assert not put.root.exists()


def test_a_version_is_installed_and_linked(put):
    result = put("1", bring=True)
    assert (result["changed"], result["installed"], result["version"], result["previous"]) == (True, True, "1", "")
    assert result["diff"] == {"before": "no version\n", "after": "1\n"}
    assert os.readlink(put.root / "current") == "versions/1"
    again = put("1", source="sha512:ab static\n")
    assert (again["changed"], again["installed"]) == (False, False)


def test_going_back_needs_nothing_but_the_name(put):
    put("1", bring=True)
    put("2", bring=True)
    result = put("1")
    assert (result["changed"], result["installed"], result["previous"]) == (True, False, "2")
    assert os.readlink(put.root / "current") == "versions/1"


def test_check_mode_predicts_and_does_nothing(put):
    assert put("1", bring=True, check=True)["changed"] is True
    assert not put.root.exists()
    put("1", bring=True)
    put("2", bring=True)
    assert put("1", check=True)["changed"] is True
    assert os.readlink(put.root / "current") == "versions/2"


@pytest.mark.parametrize("version", ["", "../1", ".hidden", "a b", "a/b"])
def test_a_version_that_is_no_name_of_a_directory_is_refused(put, version):
    result = put(version, bring=True)
    assert (result["failed"], result["error_type"]) == (True, "release")
    assert "expected the name of a directory such as 0.11.0" in result["msg"]
    assert not put.root.exists()


def test_the_documentation_names_every_option():
    documented = yaml.safe_load(release.DOCUMENTATION)["options"]
    assert {name: option.get("default") for name, option in documented.items()} == {
        name: argument.get("default") for name, argument in release.ARGUMENTS.items()
    }
