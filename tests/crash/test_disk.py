# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Push to disks that are full, become read-only, or lose the directory: real file systems that the test mounts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology
from ansible_collections.skywalking.banyandb.tests.unit.following import Network

from .pusher import Pusher
from .tracer import AFTER, Moment

LONG = 40_000
"""Bytes that the new file is longer than the old file: more than a page and more than a stream's buffer."""


def run(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def tmpfs(directory: Path, image: Path) -> None:
    run("mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=64", "tmpfs", str(directory))


def ext4(directory: Path, image: Path) -> None:
    """Like a host's disk, without reserved space for root."""
    with image.open("wb") as file:
        file.truncate(2 * 1024 * 1024)
    run("mkfs.ext4", "-q", "-m", "0", "-N", "64", str(image))
    run("mount", "-o", "loop", str(image), str(directory))


class Disk:
    """A separate file system at the pusher's directory, with a topology of a and, under a long name, b."""

    def __init__(self, pusher: Pusher, network: Network) -> None:
        self.pusher, self.directory, self.path = pusher, pusher.directory, pusher.path
        self.a, self.b = network.node("a"), network.node("b" * LONG)
        self.old, self.new = Topology((self.a,)).render(), Topology((self.a, self.b)).render()
        self.fillers = self.directory / "fillers"
        self.path.write_text(self.old)
        self.fillers.mkdir()

    def push(self, **options: Any) -> dict[str, Any]:
        return self.pusher.push(nodes=[self.a.to_mapping(), self.b.to_mapping()], **options)

    def fill(self, leave: int) -> None:
        """Fill all space except ``leave`` bytes and the file system's own space."""
        with (self.fillers / "large").open("wb", buffering=0) as file:
            with suppress(OSError):
                while True:
                    file.write(bytes(1024))
            os.fsync(file.fileno())
            file.truncate(max(0, file.tell() - leave))

    def empty(self) -> None:
        for path in self.fillers.iterdir():
            path.unlink()

    def names(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()} - {"fillers", "lost+found"}

    def refused(self, result: dict[str, Any], says: str) -> None:
        """Check that the push failed with this message, the old file is unchanged, and there is no other file."""
        assert (result.get("failed"), result["changed"]) == (True, False), result
        assert says in result["msg"], result
        assert result["msg"].startswith(f"{self.path}: not written: "), result
        assert result["msg"].endswith("The file is unchanged. Repair the disk, then push again."), result
        assert (self.path.read_text(), self.names()) == (self.old, {"topology.yml"})

    def completes(self) -> None:
        """Check that the next push succeeds."""
        result = self.push()
        assert result.get("changed") is True and "failed" not in result, result
        assert (self.path.read_text(), self.names()) == (self.new, {"topology.yml"})
        assert self.push()["changed"] is False


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as nodes:
        yield nodes


@pytest.fixture(params=[tmpfs, ext4], ids=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, pusher: Pusher, network: Network, tmp_path: Path) -> Iterator[Disk]:
    request.param(pusher.directory, tmp_path / "image")
    try:
        yield Disk(pusher, network)
    finally:
        run("umount", str(pusher.directory))


def test_a_disk_of_any_fullness_has_the_old_file_or_the_new_one(disk: Disk) -> None:
    """From no space to enough space in steps of a page, so that writes end early at every page."""
    written, refused = [], []
    for leave in range(0, 2 * LONG, 4096):
        disk.path.write_text(disk.old)
        disk.fill(leave)
        result = disk.push()
        if "failed" in result:
            disk.refused(result, "No space left on device")
            refused.append(leave)
        else:
            assert (disk.path.read_text(), disk.names()) == (disk.new, {"topology.yml"})
            written.append(leave)
        disk.empty()
    assert len(refused) >= 5 and len(written) >= 5
    assert max(refused) >= LONG / 2, "no write was cut off in its midst"
    disk.path.write_text(disk.old)
    disk.completes()


def test_a_disk_without_a_free_inode_keeps_the_old_file(disk: Disk) -> None:
    with suppress(OSError):
        for number in range(1000):
            (disk.fillers / str(number)).touch()
    disk.refused(disk.push(), "No space left on device")
    disk.empty()
    disk.completes()


def test_a_backup_that_finds_no_space_stops_the_push(disk: Disk) -> None:
    disk.fill(0)
    result = disk.push(backup=True)
    assert result["msg"].startswith(f"{disk.path}.") and ".bak: not written: No space left on device" in result["msg"], result
    assert (disk.path.read_text(), disk.names()) == (disk.old, {"topology.yml"})
    disk.empty()
    disk.completes()


def test_a_disk_that_becomes_read_only_keeps_the_old_file(disk: Disk) -> None:
    run("mount", "-o", "remount,ro", str(disk.directory))
    disk.refused(disk.push(), "Read-only file system")
    run("mount", "-o", "remount,rw", str(disk.directory))
    disk.completes()


def test_a_disk_that_becomes_read_only_during_the_push_keeps_the_old_file(disk: Disk) -> None:
    """Between the read of the file and the write."""
    arguments: dict[str, Any] = {"nodes": [disk.a.to_mapping(), disk.b.to_mapping()]}
    calls = disk.pusher.traced(**arguments).calls
    disk.path.write_text(disk.old)
    # The temporary file is complete and no process has it open for writing, so the test can make the disk read-only.
    moment = Moment(calls.index("close .topology.yml.*.tmp"), AFTER)
    with disk.pusher.held(moment, **arguments) as held:
        assert len(disk.names()) == 2
        run("mount", "-o", "remount,ro", str(disk.directory))
        result = held.go()
    assert "Read-only file system" in result["msg"] and result["changed"] is False, result
    assert disk.path.read_text() == disk.old
    run("mount", "-o", "remount,rw", str(disk.directory))
    disk.completes()


# A tmpfs has attributes only since Linux 6.6.
@pytest.mark.parametrize("disk", [ext4], indirect=True, ids=["ext4"])
def test_a_file_that_must_not_change_stays(disk: Disk) -> None:
    run("chattr", "+i", str(disk.path))
    disk.refused(disk.push(), "Operation not permitted")
    run("chattr", "-i", str(disk.path))
    disk.completes()


@pytest.mark.parametrize("disk", [ext4], indirect=True, ids=["ext4"])
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_directory_that_must_not_change_keeps_the_old_file(disk: Disk, flag: str) -> None:
    run("chattr", f"+{flag}", str(disk.directory))
    result = disk.push()
    run("chattr", f"-{flag}", str(disk.directory))
    assert "not written: Operation not permitted" in result["msg"] and result["changed"] is False, result
    assert disk.path.read_text() == disk.old
    # The push cannot remove the temporary file in an append-only directory. The next push removes it.
    disk.completes()


@pytest.mark.parametrize("where", ["openat .topology.yml.*.tmp", "write .topology.yml.*.tmp", "rename .topology.yml.*.tmp topology.yml"])
def test_a_directory_that_vanishes_is_named(pusher: Pusher, network: Network, where: str) -> None:
    a, b = network.node("a"), network.node("b")
    arguments: dict[str, Any] = {"nodes": [a.to_mapping(), b.to_mapping()]}
    old = Topology((a,)).render()
    pusher.path.write_text(old)
    calls = pusher.traced(**arguments).calls
    pusher.path.write_text(old)
    gone = pusher.directory.with_name("gone")
    with pusher.held(Moment(calls.index(where), "before"), **arguments) as held:
        pusher.directory.rename(gone)
        result = held.go()
    assert result["changed"] is False and f"{pusher.path}: not written: No such file or directory" in result["msg"], result
    assert (gone / "topology.yml").read_text() == old
    says = f"{pusher.directory}: No such file or directory, and the topology file needs an existing directory"
    assert says in pusher.push(**arguments)["msg"]
    gone.rename(pusher.directory)
    assert pusher.push(**arguments)["changed"] is True
    assert [path.name for path in pusher.directory.iterdir()] == ["topology.yml"]
