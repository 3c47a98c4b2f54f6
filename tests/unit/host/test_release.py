# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release: several versions on a host, each complete or absent."""

from __future__ import annotations

import errno
import hashlib
import os
import stat

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import installed_release
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.installed_release import Release, ReleaseError

SOURCE = installed_release.source("ab" * 64, "static")


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "banyandb")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF the server")
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def everything_under(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, dirs, files in os.walk(root) for name in dirs + files)


def test_a_version_is_installed_whole_and_executable(root, program):
    wanted = Release(root, "0.11.0", SOURCE)
    assert not installed_release.is_installed(wanted)
    installed_release.install(wanted, *program)
    assert installed_release.is_installed(wanted)
    assert everything_under(wanted.versions) == ["0.11.0", "0.11.0/ARTIFACT", "0.11.0/bin", "0.11.0/bin/banyand-server"]
    installed = os.path.join(wanted.directory, installed_release.PROGRAM)
    assert stat.S_IMODE(os.stat(installed).st_mode) == 0o755
    with open(installed, "rb") as stream:
        assert stream.read() == b"\x7fELF the server"


def test_a_program_of_unknown_source_is_refused(root, program):
    with pytest.raises(ReleaseError, match="Set source with src"):
        installed_release.install(Release(root, "1", None), *program)


def test_its_modes_do_not_depend_on_the_umask(root, program):
    before = os.umask(0o077)
    try:
        installed_release.install(Release(root, "1", SOURCE), *program)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(os.stat(os.path.join(root, "versions", path)).st_mode) for path in ("", "1", "1/bin", "1/ARTIFACT")}
    assert modes == {"": 0o755, "1": 0o755, "1/bin": 0o755, "1/ARTIFACT": 0o644}


def test_a_damaged_program_leaves_nothing_behind(root, program):
    wanted = Release(root, "1", SOURCE)
    with pytest.raises(ReleaseError, match="arrived damaged .* expected SHA-256 0000"):
        installed_release.install(wanted, program[0], "0" * 64)
    assert everything_under(wanted.versions) == []


def test_a_full_disk_leaves_nothing_behind(root, program, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(installed_release.os, "fsync", full)
    wanted = Release(root, "1", SOURCE)
    with pytest.raises(ReleaseError, match="No space left on device, so version 1 is not installed. Repair the disk"):
        installed_release.install(wanted, *program)
    assert everything_under(wanted.versions) == []


def test_what_a_killed_run_left_is_removed_by_the_next(root, program):
    wanted = Release(root, "1", SOURCE)
    os.makedirs(os.path.join(wanted.versions, ".incoming-0123", "bin"))
    installed_release.install(wanted, *program)
    assert os.listdir(wanted.versions) == ["1"]


def test_a_version_from_another_artifact_is_never_replaced(root, program):
    installed_release.install(Release(root, "1", SOURCE), *program)
    other = Release(root, "1", installed_release.source("cd" * 64, "static"))
    with pytest.raises(
        ReleaseError,
        match="has SHA-512 abababab... static, and banyandb_artifact_checksum has SHA-512 cdcdcdcd... static. Check both, or set",
    ):
        installed_release.is_installed(other)
    assert installed_release.is_installed(Release(root, "1", None))


@pytest.mark.parametrize("missing", [installed_release.MARKER, installed_release.PROGRAM])
def test_a_directory_that_is_not_whole_is_refused(root, program, missing):
    wanted = Release(root, "1", SOURCE)
    installed_release.install(wanted, *program)
    os.unlink(os.path.join(wanted.directory, missing))
    with pytest.raises(ReleaseError, match="is incomplete"):
        installed_release.is_installed(wanted)


def test_the_link_goes_from_one_version_to_another_and_old_ones_stay(root, program):
    for version in ("1", "2", "1"):
        wanted = Release(root, version, SOURCE)
        if not installed_release.is_installed(wanted):
            installed_release.install(wanted, *program)
        installed_release.link(wanted)
        assert installed_release.linked_version(wanted) == version
        assert installed_release.is_linked(wanted)
        assert os.path.samefile(os.path.join(wanted.link, installed_release.PROGRAM), os.path.join(wanted.directory, installed_release.PROGRAM))
    assert sorted(os.listdir(root)) == ["current", "versions"]
    assert sorted(os.listdir(os.path.join(root, "versions"))) == ["1", "2"]


def test_a_link_that_leads_outside_is_not_the_right_one(root, program):
    wanted = Release(root, "1", SOURCE)
    installed_release.install(wanted, *program)
    os.symlink("/elsewhere/1", wanted.link)
    assert not installed_release.is_linked(wanted)
    installed_release.link(wanted)
    assert installed_release.is_linked(wanted)


def test_what_is_no_link_is_never_replaced(root, program):
    wanted = Release(root, "1", SOURCE)
    installed_release.install(wanted, *program)
    os.mkdir(wanted.link)
    with pytest.raises(ReleaseError, match="is not a symbolic link"):
        installed_release.link(wanted)
    assert os.path.isdir(wanted.link)


def installed(root, program, *versions):
    """Install versions in this order and link the last."""
    path, sha256 = program
    for age, version in enumerate(versions):
        release = Release(root, version, SOURCE)
        installed_release.install(release, path, sha256)
        os.utime(os.path.join(release.directory, installed_release.MARKER), (age, age))
        installed_release.link(release)
    return release


def test_the_oldest_versions_beyond_those_kept_are_superfluous(root, program, tmp_path):
    release = installed(root, program, "1", "2", "3", "4", "5")
    proc = tmp_path / "proc"
    proc.mkdir()
    assert installed_release.superfluous(release, 3, (), str(proc)) == ["1", "2"]
    assert installed_release.superfluous(release, 5, (), str(proc)) == []
    # The previous version and running versions stay.
    assert installed_release.superfluous(release, 3, {"1"}, str(proc)) == ["2", "3"]
    (proc / "4711").mkdir()
    (proc / "4711" / "exe").symlink_to(os.path.join(root, "versions", "2", "bin", "banyand-server"))
    assert installed_release.superfluous(release, 2, {"1"}, str(proc)) == ["3", "4"]


def test_what_others_put_among_the_versions_is_never_superfluous(root, program, tmp_path):
    release = installed(root, program, "1", "2")
    os.mkdir(os.path.join(root, "versions", "by-hand"))
    os.symlink("1", os.path.join(root, "versions", "linked"))
    assert installed_release.superfluous(release, 1, (), str(tmp_path)) == ["1"]


def test_a_version_that_is_pruned_is_gone_and_the_others_stay(root, program):
    release = installed(root, program, "1", "2", "3")
    installed_release.prune(release, ["1", "2"])
    assert os.listdir(os.path.join(root, "versions")) == ["3"]


def test_a_version_that_cannot_be_pruned_is_named(root, program):
    release = installed(root, program, "1")
    with pytest.raises(ReleaseError, match="versions/none: an old version cannot be removed: No such file or directory"):
        installed_release.prune(release, ["none"])
