# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data directories of a node, on real files: made, adopted, refused and removed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import MARKER, NodeFacts
from ansible_collections.skywalking.banyandb.plugins.modules import data_removal
from ansible_collections.skywalking.banyandb.tests.unit.documented import documented_options

USER = "daemon"
UID = pwd.getpwnam(USER).pw_uid
FACTS = NodeFacts("default", "data1", "h:17912", "data")


@pytest.fixture
def place():
    """Yield a directory that all users may enter, outside of /tmp, where no node may keep data."""
    directory = Path(tempfile.mkdtemp(prefix="banyandb-test-", dir="/var/lib"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def storage(place):
    roots = {str(place / "data"): ["stream", "trace", "property", "schema"], str(place / "disk" / "m"): ["measure"]}
    return data_directory.Storage(FACTS, USER, roots, str(place / "etc" / "data.storage.json"), str(place / "data.service"))


def deploy(storage):
    """Do one run: return its changes and make them."""
    look = data_directory.look(storage)
    assert look.problems == []
    found = [difference.path for difference in look.differences()]
    data_directory.make(look)
    return found


def reasons(storage):
    look = data_directory.look(storage)
    found = [root["reason"] for root in look.facts() if root["reason"]]
    assert len(found) == len(look.problems) and (not found or look.differences() == [])
    return found


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def everything(directory):
    return sorted((str(path), os.lstat(path).st_mode, os.lstat(path).st_uid) for path in directory.rglob("*"))


def stored(root, *names):
    """Write data as a server does."""
    for name in names or ("stream",):
        (Path(root) / name / "data").mkdir(parents=True)
        (Path(root) / name / "data" / "part").write_text("x" * 10)
    for path in Path(root).rglob("*"):
        if path.name != MARKER:
            os.chown(path, UID, UID)


def test_a_new_node_gets_its_directories_and_the_next_run_changes_nothing(storage, place):
    old = os.umask(0o077)
    try:
        changed = deploy(storage)
    finally:
        os.umask(old)
    data, disk = storage.roots
    assert changed == [data, f"{data}/{MARKER}", disk, f"{disk}/{MARKER}", storage.record]
    assert mode(place / "disk") == 0o755 and os.stat(place / "disk").st_uid == 0
    for root in storage.roots:
        assert (mode(root), os.stat(root).st_uid, mode(f"{root}/{MARKER}")) == (0o700, UID, 0o600)
    record = json.loads(Path(storage.record).read_text())
    assert record["stores"] == storage.stores() and mode(storage.record) == 0o600
    made = everything(place)
    assert deploy(storage) == [] and everything(place) == made


def test_what_differs_is_made_again_and_since_when_stays(storage):
    deploy(storage)
    data, disk = storage.roots
    stored(disk, "measure")
    before = Path(f"{disk}/{MARKER}").read_text()
    os.chmod(data, 0o755)
    moved = replace(storage, facts=replace(FACTS, node="elsewhere:17912"))
    assert deploy(moved) == [data, f"{data}/{MARKER}", f"{disk}/{MARKER}", storage.record]
    assert mode(data) == 0o700
    after = json.loads(Path(f"{disk}/{MARKER}").read_text())
    assert after == {**json.loads(before), "node": "elsewhere:17912"}


def test_other_content_is_left_unchanged(storage, place):
    (place / "data").mkdir(mode=0o755)
    (place / "data" / "www").mkdir()
    before = everything(place)
    assert reasons(storage) == ["other_content"] and everything(place) == before


def test_a_fresh_file_system_counts_as_empty(storage, place):
    (place / "data" / "lost+found").mkdir(parents=True)
    deploy(storage)
    assert (place / "data" / "lost+found").exists()


def test_a_parent_that_the_user_cannot_enter_is_named_on_each_run(storage, place):
    (place / "data").mkdir()
    place.chmod(0o700)
    for _run in (1, 2):
        look = data_directory.look(storage)
        assert look.problems[0].endswith(f"user {USER} cannot enter {place} (mode 0700). Run on the host: chmod o+x {place}")
    os.chown(place, UID, -1)
    assert data_directory.look(storage).problems == []
    other = replace(storage, user="no-such-user-yet")
    assert [root["reason"] for root in data_directory.look(other).facts()] == ["closed_parent"] * 2


@pytest.mark.parametrize("closed", ["opt", "opt/banyandb", "opt/banyandb/versions", "opt/banyandb/versions/1/bin"])
def test_every_directory_above_the_program_has_to_be_entered_too(storage, place, closed):
    (place / "opt" / "banyandb" / "versions" / "1" / "bin").mkdir(parents=True)
    (place / closed).chmod(0o700)
    reached = replace(storage, reached=[str(place / "opt/banyandb/versions/1/bin/banyand-server"), str(place / "etc")])
    assert data_directory.look(reached).problems == [
        f"{place}/{closed}: user {USER} cannot enter {place}/{closed} (mode 0700). Run on the host: chmod o+x {place}/{closed}"
    ]


def unit(storage, *paths):
    text = f"# Written by the Ansible collection skywalking.banyandb\n[Service]\nReadWritePaths={' '.join(paths)}\n"
    Path(storage.unit_file).write_text(text)


def test_a_deployment_from_before_markers_is_adopted(storage):
    for root in storage.roots:
        stored(root, "stream" if root.endswith("data") else "measure")
        os.chown(root, UID, UID)
    assert reasons(storage) == ["other_data", "other_data"]
    unit(storage, *storage.roots)
    assert [root["state"] for root in data_directory.look(storage).facts()] == ["adopted", "adopted"]
    deploy(storage)
    Path(storage.unit_file).unlink()
    assert [root["state"] for root in data_directory.look(storage).facts()] == ["ours", "ours"]


def test_another_node_s_directory_is_refused(storage):
    deploy(storage)
    os.unlink(storage.record)
    assert reasons(replace(storage, facts=replace(FACTS, host="data2", node="h2:17912"))) == ["other_node"] * 2


def test_a_lost_disk_is_distinguished_from_a_new_node(storage):
    deploy(storage)
    data, disk = storage.roots
    stored(data)
    shutil.rmtree(disk)
    assert reasons(storage) == ["lost"]
    os.mkdir(disk)
    assert reasons(storage) == ["lost"]
    accepted = replace(storage, accept_empty=True)
    assert reasons(accepted) == []
    deploy(accepted)
    assert reasons(storage) == []


def test_data_that_stays_behind_when_the_storage_changes_is_missed(storage, place):
    deploy(storage)
    data, disk = storage.roots
    together = replace(storage, roots={data: [*storage.roots[data], "measure"]})
    assert reasons(together) == []  # the server has stored nothing yet
    stored(disk, "measure")
    assert reasons(together) == ["moved"]
    os.rename(f"{disk}/measure", f"{data}/measure")
    deploy(together)
    assert json.loads(Path(storage.record).read_text())["stores"]["measure"] == data
    assert json.loads(Path(data, MARKER).read_text())["stores"] == together.stores()


def test_data_of_another_owner_is_refused(storage):
    deploy(storage)
    data = next(iter(storage.roots))
    stored(data)
    os.chown(f"{data}/stream", 0, 0)
    assert reasons(storage) == ["other_owner"]


def test_a_record_that_cannot_be_read_stops_everything(storage):
    deploy(storage)
    Path(storage.record).write_text("{")
    with pytest.raises(HostStateError, match="is not readable: no JSON"):
        data_directory.look(storage)


def test_a_link_is_followed_and_the_unit_waits_for_its_real_path(storage, place):
    (place / "real").mkdir()
    data, disk = storage.roots
    os.symlink(place / "real", data)
    assert storage.drop_in in deploy(storage)
    assert f"RequiresMountsFor={place}/real\n" in Path(storage.drop_in).read_text()
    assert os.path.islink(data) and (mode(place / "real"), os.stat(place / "real").st_uid) == (0o700, UID)
    assert [root["real_path"] for root in data_directory.look(storage).facts()] == [f"{place}/real", disk]
    os.unlink(data)
    os.rename(place / "real", data)
    assert deploy(storage) == [storage.drop_in] and not os.path.exists(os.path.dirname(storage.drop_in))


def test_a_link_to_where_the_sandbox_hides_it_is_refused(storage, tmp_path):
    os.symlink(tmp_path, next(iter(storage.roots)))
    assert reasons(storage) == ["bad_place"]


def test_a_disk_of_fstab_that_is_not_mounted_is_named(storage, place, monkeypatch, tmp_path):
    (tmp_path / "fstab").write_text(f"# comment\nUUID=1 / ext4 defaults 0 1\nUUID=2 {place}/disk ext4 nofail 0 2\nUUID=3 none swap sw 0 0\n")
    monkeypatch.setattr(data_directory, "FSTAB", str(tmp_path / "fstab"))
    (problem,) = data_directory.look(storage).problems
    assert problem.endswith(f"{place}/disk of /etc/fstab is not mounted. Run on the host: mount {place}/disk")
    (tmp_path / "mountinfo").write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / {place}/disk rw - ext4 /dev/sdb1 rw\n")
    monkeypatch.setattr(data_directory, "MOUNTS", str(tmp_path / "mountinfo"))
    assert data_directory.look(storage).problems == []


def test_a_path_with_blanks_in_fstab_is_read():
    assert data_directory._unescaped("/a\\040b\\134c") == "/a b\\c"


def test_an_inner_root_is_no_content_of_its_outer_one(storage, place):
    (place / "data" / "fast" / "m").mkdir(parents=True)
    nested = replace(storage, roots={str(place / "data"): ["stream"], str(place / "data" / "fast" / "m"): ["measure"]})
    deploy(nested)
    assert deploy(nested) == [] and (place / "data" / "fast" / "m" / MARKER).exists()
    # Only the server may enter the outer root, and therefore the inner root.
    stored(place / "data")
    assert act(nested, "removed")["changed"]
    assert not (place / "data").exists()


# ---- removal


def act(storage, state, confirm="data1", check=False):
    options = {
        "user": USER,
        **asdict(storage.facts),
        "roots": storage.roots,
        "record": storage.record,
        "unit_file": storage.unit_file,
        "reached": [],
        "accept_empty": False,
        "adopt": False,
        "others": storage.others,
    }
    return data_removal.act({"storage": options, "confirm": confirm, "state": state}, check)


@pytest.fixture
def deployed(storage):
    deploy(storage)
    data, disk = storage.roots
    stored(data)
    stored(disk, "measure")
    return storage


def test_a_removal_says_how_much_it_deletes_and_wants_the_name_of_the_node(deployed, place):
    data, disk = deployed.roots
    what = f"20 bytes in 2 files in {data}, {disk}"
    before = everything(place)
    for state in ("checked", "removed"):
        result = act(deployed, state, confirm=None, check=True)
        assert result["msg"] == f"data1: would delete {what}." and result["changed"] == (state == "removed")
        with pytest.raises(HostStateError) as raised:
            act(deployed, state, confirm="data2")
        assert str(raised.value) == f"data1: banyandb_remove_data deletes {what}. Confirm with -e banyandb_confirm=data1"
        assert raised.value.kind == "not_confirmed"
    assert everything(place) == before
    assert act(deployed, "removed") == {"changed": True, "msg": f"data1: deleted {what}.", "bytes": 20, "files": 2, "paths": [data, disk]}
    assert not os.path.exists(data) and not os.path.exists(disk) and (place / "disk").exists()
    assert act(deployed, "removed")["changed"] is False


def test_a_link_goes_with_its_directory(storage, place):
    (place / "real").mkdir()
    data = next(iter(storage.roots))
    os.symlink(place / "real", data)
    deploy(storage)
    stored(data)
    act(storage, "removed")
    assert not os.path.exists(os.path.dirname(storage.drop_in))
    assert not os.path.lexists(data) and not (place / "real").exists()


def test_what_has_no_marker_of_the_node_is_not_deleted(deployed, place):
    disk = list(deployed.roots)[1]
    os.unlink(f"{disk}/{MARKER}")
    before = everything(place)
    with pytest.raises(HostStateError, match="Nothing is removed") as raised:
        act(deployed, "removed")
    assert raised.value.kind == "refused" and everything(place) == before


def test_a_removal_that_was_cut_off_is_completed_by_the_next(deployed, monkeypatch):
    data, disk = deployed.roots
    unlink = os.unlink

    def failing(path, *more, **named):
        if str(path).startswith(data) and os.path.basename(path) == "part":
            raise OSError(5, "Input/output error", str(path))
        unlink(path, *more, **named)

    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(HostStateError, match=r"part is not removed: Input/output error\. Correct that, then run this again"):
        act(deployed, "removed")
    assert os.path.exists(f"{data}/{MARKER}") and not os.path.exists(disk)
    monkeypatch.setattr(os, "unlink", unlink)
    assert act(deployed, "removed")["files"] == 1
    assert not os.path.exists(data)


def test_the_directories_of_the_record_are_removed_too(deployed):
    data, disk = deployed.roots
    now = replace(deployed, roots={data: [*deployed.roots[data], "measure"]})
    assert act(now, "removed")["files"] == 2
    assert not os.path.exists(disk)


@pytest.fixture(params=["tmpfs", "bind"])
def mounted(place, request):
    """Yield a mount for the second root: a separate file system, or a directory of the same file system."""
    (place / "disk" / "m").mkdir(parents=True)
    (place / "source").mkdir()
    what = ["-t", "tmpfs", "tmpfs"] if request.param == "tmpfs" else ["--bind", place / "source"]
    subprocess.run(["mount", *what, place / "disk" / "m"], check=True)
    yield place / "disk" / "m"
    subprocess.run(["umount", place / "disk" / "m"], check=True)


def test_a_mount_point_is_emptied_and_stays_mounted(mounted, deployed):
    (mounted / "lost+found").mkdir()
    assert act(deployed, "removed")["changed"]
    assert str(mounted) in data_directory._mount_points() and os.listdir(mounted) == ["lost+found"]
    assert act(deployed, "removed")["changed"] is False


def test_a_file_system_inside_of_a_root_is_named_and_keeps_its_content(mounted, storage, place):
    outer = replace(storage, roots={str(place / "disk"): ["measure"]})
    deploy(outer)
    stored(place / "disk", "measure")
    (mounted / "file").write_text("x")
    before = everything(place)
    for state in ("checked", "removed"):
        with pytest.raises(HostStateError) as raised:
            act(outer, state)
        advice = f"which banyandb_storage does not name. Nothing is removed. Run on the host: umount {mounted}"
        assert (raised.value.kind, str(raised.value)) == ("refused", f"{place}/disk contains the mount {mounted}, {advice}")
    assert everything(place) == before
    (mounted / "file").unlink()
    assert act(outer, "removed")["files"] == 1
    assert str(mounted) in data_directory._mount_points() and os.listdir(mounted) == [] and os.listdir(place / "disk") == ["m"]
    assert act(outer, "removed")["changed"] is False
    assert data_directory.look(replace(outer, accept_empty=True)).facts()[0]["state"] == "emptied"


def test_a_file_mounted_inside_of_a_root_is_named(storage, place):
    deploy(storage)
    data = next(iter(storage.roots))
    (place / "file").write_text("x")
    (place / "data" / "file").touch()
    subprocess.run(["mount", "--bind", place / "file", place / "data" / "file"], check=True)
    try:
        with pytest.raises(HostStateError, match=f"{data} contains the mount {data}/file, "):
            act(storage, "removed")
    finally:
        subprocess.run(["umount", place / "data" / "file"], check=True)
    assert (place / "file").read_text() == "x"


def test_a_disk_between_two_roots_is_no_other_file_system_unless_it_has_more_content(mounted, storage, place):
    inner = mounted / "inner"
    nested = replace(storage, roots={str(place / "disk"): ["stream"], str(inner): ["measure"]})
    deploy(nested)
    stored(place / "disk")
    stored(inner, "measure")
    (mounted / "more").write_text("x")
    with pytest.raises(HostStateError, match=f"contains the mount {mounted}, "):
        act(nested, "removed")
    (mounted / "more").unlink()
    assert act(nested, "removed")["files"] == 2
    assert os.listdir(mounted) == [] and os.listdir(place / "disk") == ["m"]


def test_a_file_system_mounted_after_the_check_keeps_its_content(mounted, storage, place):
    outer = replace(storage, roots={str(place / "disk"): ["measure"]})
    deploy(outer)
    (mounted / "file").write_text("x")
    data_directory.remove(list(data_directory.see(outer, None).values()))
    assert (mounted / "file").exists()


def test_a_disk_that_is_mounted_read_only_is_found_before_anything_is_removed(mounted, deployed):
    subprocess.run(["mount", "-o", "remount,bind,ro", mounted], check=True)
    with pytest.raises(HostStateError, match=r"mounted read-only\. Nothing is removed\. Run: mount -o remount,rw "):
        act(deployed, "checked")
    subprocess.run(["mount", "-o", "remount,bind,rw", mounted], check=True)
    assert act(deployed, "checked")["files"] == 2


def test_the_documentation_of_the_removal_names_every_option():
    documented = documented_options(data_removal)
    assert documented.keys() == data_removal.ARGUMENTS.keys()
    assert documented["storage"]["suboptions"].keys() == data_directory.STORAGE_OPTIONS.keys()
