# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real files and real file systems. Tests with a mount need root, as the lab does."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk import locks, whole_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import ownership_of as ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import foreign_topology, topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import (
    NotDurable,
    TopologyFileError,
    back_up,
    locked,
    own,
    read,
    remove_leftovers,
    write,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology

A, B = Node("a", "10.0.0.1:17912"), Node("b", "10.0.0.2:17912")
MINE = Ownership(None, None, 0o644)
OWN_FORMAT = Topology((A,), (B,)).render()
HAND_WRITTEN = "nodes:\n  - name: a\n    grpc_address: 10.0.0.1:17912\n    zone: x\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "topology.yml"


@contextmanager
def mounted(directory: Path, *options: str) -> Iterator[None]:
    """Mount a separate file system at ``directory``: ``mount <options> <directory>``. Unmount it at the end."""
    subprocess.run(["mount", *options, str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


# Reading


def test_no_file_is_no_topology(path: Path) -> None:
    assert read(str(path)) is None


def test_a_file_of_this_collection_is_read_with_what_is_held_back(path: Path) -> None:
    path.write_text(OWN_FORMAT)
    assert read(str(path)) == (Topology((A,), (B,)), OWN_FORMAT)


@pytest.mark.parametrize("text", [HAND_WRITTEN, '{"nodes": [{"name": "a", "grpc_address": "10.0.0.1:17912"}]}'])
def test_a_file_of_another_writer_is_read_with_pyyaml(path: Path, text: str) -> None:
    path.write_text(text)
    assert read(str(path)) == (Topology((A,)), text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "nodes:\n", "node:\n- name: a\n"])
def test_what_the_server_takes_for_an_empty_list_is_read_as_one(path: Path, text: str) -> None:
    path.write_text(text)
    assert read(str(path)) == (Topology(), text)


def test_without_pyyaml_a_file_of_another_writer_is_refused_with_the_next_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_topology, "yaml", None)
    path.write_text(OWN_FORMAT)
    assert read(str(path)) is not None
    path.write_text(HAND_WRITTEN)
    with pytest.raises(TopologyFileError, match="line 2: .* was not written by this collection.*Install python3-yaml on this host, or move"):
        read(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nodes: [\n", "is not a topology: .*line 2"),
        ("- a\n", "expected a mapping with the key nodes, got list"),
        ("nodes:\n  - a\n", r"nodes\[0\]: expected a mapping"),
        ("nodes:\n  - name: a\n", r"nodes\[0\]: grpc_address is missing"),
        ("nodes:\n  - {name: a, grpc_address: h}\n", "expected host:port"),
        ("nodes: [{name: a, grpc_address: 'h:1'}, {name: a, grpc_address: 'h:2'}]\n", "name 'a' is listed twice"),
        ("nodes: !!python/object/apply:os.system ['false']\n", "could not determine a constructor"),
        ("nodes: !!bool x\n", "is not a topology"),
        ("nodes: !!timestamp x\n", "is not a topology"),
        ("nodes: " + "[" * 5000, "is not a topology"),
        ("nodes: \x07\n", "is not a topology"),
        ('nodes:\n- {"name": "a", "grpc_address": "h"}\n', "node 'a': grpc_address 'h': expected host:port"),
        ('nodes:\n- {"name": "a", "grpc_address": "h:1"}\n- {"name": "a", "grpc_address": "h:2"}\n', "is listed twice"),
    ],
)
def test_what_is_no_topology_is_refused_with_its_place(path: Path, text: str, says: str) -> None:
    path.write_text(text)
    with pytest.raises(TopologyFileError, match=says) as refused:
        read(str(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith("Repair the file or move it away, then push again.")


def make_link(path: Path) -> None:
    (path.parent / "real.yml").write_text(OWN_FORMAT)
    path.symlink_to("real.yml")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_link, "is a symbolic link, .* Use the path of a regular file"),
        (lambda path: path.symlink_to("nowhere"), "is a symbolic link"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: os.mknod(path, 0o20666, os.makedev(1, 3)), "is not a regular file"),
        (lambda path: path.write_bytes(b"nodes: []\n# \xff\n"), "is not UTF-8 text .invalid start byte at byte 12."),
    ],
    ids=["link", "dangling link", "directory", "FIFO", "device", "not UTF-8"],
)
def test_what_is_no_regular_text_file_is_refused(path: Path, make: Callable[[Path], object], says: str) -> None:
    make(path)
    with pytest.raises(TopologyFileError, match=says):
        read(str(path))


def test_a_file_too_large_for_a_topology_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology_file, "MAX_BYTES", len(OWN_FORMAT))
    path.write_text(OWN_FORMAT)
    assert read(str(path)) is not None
    path.write_text(OWN_FORMAT + "#")
    with pytest.raises(TopologyFileError, match="larger than .* bytes"):
        read(str(path))


def test_a_path_below_a_file_cannot_be_read(path: Path) -> None:
    path.write_text(OWN_FORMAT)
    with pytest.raises(TopologyFileError, match="cannot be read: Not a directory"):
        read(f"{path}/topology.yml")


# Writing


def test_a_write_replaces_the_whole_file_by_a_new_one(path: Path) -> None:
    path.write_text("old")
    with path.open() as old:
        write(str(path), OWN_FORMAT, MINE)
        assert os.fstat(old.fileno()).st_ino != path.stat().st_ino
        assert os.fstat(old.fileno()).st_nlink == 0
        assert old.read() == "old"
    assert path.read_text() == OWN_FORMAT
    assert os.listdir(path.parent) == [path.name]


def test_a_write_gives_owner_group_and_mode_for_any_umask(path: Path) -> None:
    umask = os.umask(0o777)
    try:
        write(str(path), OWN_FORMAT, Ownership(4321, 4322, 0o640))
    finally:
        os.umask(umask)
    assert ownership(str(path)) == Ownership(4321, 4322, 0o640)


def test_the_file_is_on_the_disk_before_it_gets_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("fchown", "fchmod", "fsync", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(whole_files.os, name, lambda *given, name=name, real=real: (done.append(name), real(*given))[1])
    write(str(path), OWN_FORMAT, MINE)
    assert done == ["fchown", "fchmod", "fsync", "rename", "fsync"]


def test_a_write_killed_at_any_moment_leaves_the_old_or_the_new_file(path: Path) -> None:
    """Read while a process writes without a pause, and after a kill of that process."""
    big = Topology(tuple(Node(f"n{number}", f"h{number}:1") for number in range(500)))
    texts = {big.render(), OWN_FORMAT}
    path.write_text(OWN_FORMAT)
    code = (
        "from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import Ownership, write\n"
        f"path, texts = {str(path)!r}, {sorted(texts)!r}\n"
        "print(flush=True)\n"
        "while True:\n"
        "    for text in texts: write(path, text, Ownership(None, None, 0o644))\n"
    )
    for _ in range(3):
        with python(code) as writer:
            said(writer)
            seen = {path.stat().st_mtime_ns}
            deadline = time.monotonic() + 20
            while len(seen) < 5:
                assert path.read_text() in texts
                seen.add(path.stat().st_mtime_ns)
                assert time.monotonic() < deadline
            writer.kill()
        assert path.read_text() in texts
        remove_leftovers(str(path))
        assert os.listdir(path.parent) == [path.name]


def test_a_file_that_is_gone_when_it_is_to_be_copied_is_reported(path: Path) -> None:
    with pytest.raises(TopologyFileError, match="no copy made"):
        back_up(str(path))
    assert os.listdir(path.parent) == []


def refused(path: Path, says: str) -> None:
    """Expect a failed write: the old file is unchanged, and there is no other file."""
    before, status = path.read_bytes(), path.stat()
    with pytest.raises(TopologyFileError, match=says) as error:
        write(str(path), OWN_FORMAT * 2000, MINE)
    assert str(error.value).endswith("The file is unchanged. Repair the disk, then push again.")
    assert (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) == (before, status.st_ino, status.st_mtime_ns)
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    with mounted(path.parent, "-t", "tmpfs", "-o", "size=16k", "tmpfs"):
        path.write_text("old")
        refused(path, "not written: No space left on device")


def test_a_disk_without_room_for_one_more_file_leaves_the_old_one(path: Path) -> None:
    with mounted(path.parent, "-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs"):
        path.write_text("old")
        refused(path, "not written: No space left on device")


def test_a_read_only_directory_leaves_the_old_file_and_can_be_locked(path: Path) -> None:
    path.write_text(OWN_FORMAT)
    with mounted(path.parent, "--bind", str(path.parent)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path.parent)], check=True)
        with locked(str(path), 1.0):
            assert read(str(path)) == (Topology((A,), (B,)), OWN_FORMAT)
            refused(path, "not written: Read-only file system")
            with pytest.raises(TopologyFileError, match="setting owner and mode failed: Read-only file system"):
                own(str(path), Ownership(1, 1, 0o600))
            with pytest.raises(TopologyFileError, match="not written: Read-only file system"):
                back_up(str(path))
    assert os.listdir(path.parent) == [path.name]


def test_a_directory_in_the_place_of_the_file_is_not_replaced(path: Path) -> None:
    path.mkdir()
    with pytest.raises(TopologyFileError, match="not written: Is a directory"):
        write(str(path), OWN_FORMAT, MINE)
    assert os.listdir(path.parent) == [path.name]


def test_an_owner_that_cannot_be_given_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("old")

    def not_permitted(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(whole_files.os, "fchown", not_permitted)
    refused(path, "not written: Operation not permitted")


def test_a_denied_write_asks_for_root() -> None:
    with tempfile.TemporaryDirectory() as directory:  # not tmp_path, which only root may enter
        os.chmod(directory, 0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(TopologyFileError, match="not written: Permission denied. The file is unchanged. Run this with become: true."):
                write(os.path.join(directory, "topology.yml"), OWN_FORMAT, MINE)
        finally:
            os.seteuid(0)


def test_a_directory_that_cannot_be_synced_is_said_to_be_written_nevertheless(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(directory: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(whole_files, "sync", failing)
    with pytest.raises(NotDurable, match="written, but it may not outlast a power cut: Input/output error"):
        write(str(path), OWN_FORMAT, MINE)
    assert path.read_text() == OWN_FORMAT


def test_owner_and_mode_change_without_touching_the_content(path: Path) -> None:
    path.write_text(OWN_FORMAT)
    before = path.stat()
    own(str(path), Ownership(None, 4322, 0o600))
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode & 0o7777) == (before.st_uid, 4322, 0o600)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# Backup and leftovers


def test_a_backup_is_a_copy_and_not_a_second_name_of_the_watched_file(path: Path) -> None:
    path.write_text(OWN_FORMAT)
    os.chown(path, 4321, 4322)
    path.chmod(0o600)
    before = path.stat()
    copy = Path(back_up(str(path)))
    assert copy.parent == path.parent and copy.name.startswith("topology.yml.2") and copy.name.endswith("Z.bak")
    assert copy.read_text() == OWN_FORMAT
    assert ownership(str(copy)) == Ownership(4321, 4322, 0o600)
    assert path.stat().st_nlink == copy.stat().st_nlink == 1
    assert copy.stat().st_ino != path.stat().st_ino
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_backups_of_one_second_do_not_replace_each_other(path: Path) -> None:
    path.write_text("nodes: []\n")
    first = back_up(str(path))
    path.write_text(OWN_FORMAT)
    assert Path(back_up(str(path))).read_text() == OWN_FORMAT
    assert Path(first).read_text() == "nodes: []\n"


def test_leftovers_of_killed_pushes_go_and_nothing_else(path: Path) -> None:
    ours = [".topology.yml.0123456789abcdef.tmp", ".topology.yml.2026-01-31T12:00:00.000001Z.bak.0123456789abcdef.tmp"]
    others = ["topology.yml", ".topology.yml.swp", ".topology.yml.notes.tmp", ".other.yml.0123456789abcdef.tmp"]
    others += [".topology-yml.0123456789abcdef.tmp"]
    for name in [*ours, *others]:
        (path.parent / name).write_text("x")
    assert sorted(remove_leftovers(str(path))) == sorted(str(path.parent / name) for name in ours)
    assert sorted(os.listdir(path.parent)) == sorted(others)


def test_a_leftover_that_cannot_be_removed_is_named(path: Path) -> None:
    leftover = path.parent / ".topology.yml.0123456789abcdef.tmp"
    leftover.mkdir()
    with pytest.raises(TopologyFileError, match=f"{leftover}: a leftover of an earlier push cannot be removed: Is a directory"):
        remove_leftovers(str(path))


# The lock


@contextmanager
def python(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a separate Python process and kill it at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 20.0)[0], "it said nothing for 20 s"
    return process.stdout.readline()


def holder(path: Path) -> str:
    """Return the code of a process that holds the lock until a kill."""
    return (
        "import sys, time\n"
        "from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import locked\n"
        f"with locked({str(path)!r}, 5.0):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )


def test_another_process_gives_up_after_its_timeout_and_says_why(path: Path) -> None:
    with python(holder(path)) as other:
        assert said(other) == b"held\n"
        began = time.monotonic()
        says = rf"another push \(process {other.pid}\) has held it for 0.4 s. Wait until it ends"
        with pytest.raises(TopologyFileError, match=says), locked(str(path), 0.4):
            raise AssertionError("the lock is held by two")
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("found", [OSError(13, "Permission denied"), "1: POSIX  ADVISORY  WRITE 1 00:00:1 0 EOF\n", ""])
def test_a_holder_that_the_kernel_does_not_tell_is_not_named(path: Path, monkeypatch: pytest.MonkeyPatch, found: OSError | str) -> None:
    def opened(*_: object, **__: object) -> io.StringIO:
        if isinstance(found, OSError):
            raise found
        return io.StringIO(found)

    monkeypatch.setattr(locks, "open", opened, raising=False)
    with locked(str(path), 1.0), pytest.raises(TopologyFileError, match="another push has held it for 0.1 s"), locked(str(path), 0.1):
        raise AssertionError("the lock is held by two")


def test_the_lock_goes_with_a_killed_holder_and_leaves_nothing_behind(path: Path) -> None:
    with python(holder(path)) as other:
        assert said(other) == b"held\n"
        other.send_signal(signal.SIGKILL)
        with locked(str(path), 10.0):
            assert os.listdir(path.parent) == []


def test_a_waiting_process_goes_on_when_the_lock_is_free(path: Path) -> None:
    with locked(str(path), 1.0):
        other = python(holder(path))
        process = other.__enter__()
        assert process.stdout is not None
        assert not select.select([process.stdout], [], [], 0.5)[0]
    try:
        assert said(process) == b"held\n"
    finally:
        other.__exit__(None, None, None)


def test_the_lock_is_free_again_after_an_error(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(str(path), 1.0):
        raise ZeroDivisionError
    with locked(str(path), 0.1):
        pass


@pytest.mark.parametrize(("below", "says"), [("missing/t.yml", "No such file or directory"), ("file/t.yml", "Not a directory")])
def test_a_missing_directory_is_named_with_who_makes_it(path: Path, below: str, says: str) -> None:
    (path.parent / "file").write_text("")
    with pytest.raises(TopologyFileError, match=f"{says}, and the topology file needs an existing directory"), locked(str(path.parent / below), 0.1):
        raise AssertionError("locked")


def test_a_directory_that_cannot_be_locked_is_an_error_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with (
        pytest.raises(TopologyFileError, match="cannot be locked: Operation not supported. Use a directory on a local file system."),
        locked(str(path), 5.0),
    ):
        raise AssertionError("locked")


# Small files with very large or endless content

ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [f"{ALIASES}nodes: [{{name: *a11, grpc_address: x}}]\n", f"{MERGES}nodes: *a11\n", "nodes: &a [*a]\n", "nodes: &a {<<: *a}\n"],
    ids=["aliases", "merges", "list of itself", "mapping of itself"],
)
def test_a_few_lines_that_stand_for_millions_are_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(TopologyFileError, match="its aliases stand for 1000000 values or more"):
        read(str(path))


def test_aliases_as_people_use_them_are_read(path: Path) -> None:
    path.write_text("tls: &tls {tls_enabled: true, ca_cert_path: /ca.pem}\nnodes:\n- {name: a, grpc_address: 'a:1', <<: *tls}\n")
    assert read(str(path))[0] == Topology((Node("a", "a:1", True, "/ca.pem"),))


def test_a_file_of_another_writer_that_would_take_minutes_to_read_is_refused(path: Path) -> None:
    path.write_text(HAND_WRITTEN + "#" * 1024 * 1024)
    with pytest.raises(TopologyFileError, match="larger than 1048576 bytes"):
        read(str(path))


def test_a_line_added_by_hand_does_not_make_what_is_held_back_forgotten(path: Path) -> None:
    path.write_text(Topology((A,), (B,)).render() + "- name: c\n  grpc_address: c:1\n")
    assert read(str(path))[0] == Topology((A, Node("c", "c:1")), (B,))
