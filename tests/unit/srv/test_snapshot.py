# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last good answers on disk: complete files only, five generations, and no leftovers."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError, Snapshots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import Records, SrvRecord

NAME = "_data._tcp.example.test."


def answer(*targets: str, name: str = NAME) -> Records:
    records = tuple(SrvRecord(target, 17912, 1, 2, 30, ("192.0.2.1", "2001:db8::1")) for target in targets)
    return Records(name, records, "192.0.2.53 port 53", serial=7)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*/*"))


def newest(directory: Path) -> Path:
    return max(directory.glob("*/*.json"), key=lambda path: int(path.stem))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    Snapshots(str(tmp_path / "new" / "place")).keep(answer("a.", "b."), 1000.5)
    snapshot, warnings = Snapshots(str(tmp_path / "new" / "place")).last(NAME)
    assert snapshot is not None
    assert (snapshot.records, snapshot.time, warnings) == (answer("a.", "b."), 1000.5, ())


def test_nothing_kept_is_nothing(tmp_path: Path) -> None:
    assert Snapshots(str(tmp_path / "none")).last(NAME) == (None, ())


def test_five_generations_stay(tmp_path: Path) -> None:
    for at in range(8):
        Snapshots(str(tmp_path)).keep(answer(f"{at}."), at)
    assert files(tmp_path) == ["4.json", "5.json", "6.json", "7.json", "8.json"]


def test_the_same_set_again_renews_its_time_its_ttl_and_its_serial_only(tmp_path: Path) -> None:
    for now in (1, 2, 3):
        records = tuple(replace(record, ttl=30 - now) for record in answer("a.").records)
        Snapshots(str(tmp_path)).keep(replace(answer("a."), records=records, serial=now), now)
    snapshot, _warnings = Snapshots(str(tmp_path)).last(NAME)
    assert files(tmp_path) == ["1.json"]
    assert snapshot is not None
    assert (snapshot.time, snapshot.records.ttl, snapshot.records.serial) == (3.0, 27, 3)


def test_one_without_a_serial_is_as_good(tmp_path: Path) -> None:
    Snapshots(str(tmp_path)).keep(replace(answer("a."), serial=None), 1)
    snapshot, warnings = Snapshots(str(tmp_path)).last(NAME)
    assert snapshot is not None
    assert (snapshot.records.serial, warnings) == (None, ())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_text(path.read_text(encoding="utf-8").replace('"b."', '"c."'), encoding="utf-8"),
        lambda path: path.write_text("[]", encoding="utf-8"),
        lambda path: path.write_text("[" * 100_000, encoding="utf-8"),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_broken_one_is_passed_over_for_the_one_before_with_a_warning(tmp_path: Path, damage: object) -> None:
    Snapshots(str(tmp_path)).keep(answer("a."), 1)
    Snapshots(str(tmp_path)).keep(answer("b."), 2)
    damage(newest(tmp_path))  # type: ignore[operator]
    snapshot, (warning,) = Snapshots(str(tmp_path)).last(NAME)
    assert snapshot is not None
    assert snapshot.records == answer("a.")
    assert f"{newest(tmp_path)}: this snapshot is not used: " in warning


def test_one_of_another_name_is_not_used(tmp_path: Path) -> None:
    Snapshots(str(tmp_path)).keep(answer("a."), 1)
    Snapshots(str(tmp_path)).keep(answer("x.", name="other.test."), 1)
    (own,) = tmp_path.glob("_data*/1.json")
    (other,) = tmp_path.glob("other*/1.json")
    own.write_bytes(other.read_bytes())
    snapshot, (warning,) = Snapshots(str(tmp_path)).last(NAME)
    assert snapshot is None
    assert "it is of 'other.test.'" in warning


def test_names_that_look_alike_in_file_names_stay_apart(tmp_path: Path) -> None:
    for name in ("a/b.test.", "a-b.test.", "../x.test.", "a" * 300):
        Snapshots(str(tmp_path)).keep(answer("a.", name=name), 1)
        Snapshots(str(tmp_path)).keep(answer("b.", name=name), 2)
    assert len(files(tmp_path)) == 8
    assert [path for path in tmp_path.parent.iterdir() if "x.test" in path.name] == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    Snapshots(str(tmp_path)).keep(answer("a."), 1)
    (newest(tmp_path).parent / ".2.json.0123456789abcdef.tmp").write_bytes(b"half")
    Snapshots(str(tmp_path)).keep(answer("b."), 2)
    assert files(tmp_path) == ["1.json", "2.json"]


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SnapshotError, match=r"file/.*cannot be kept for later: Not a directory. Set another snapshot_dir"):
        Snapshots(str(tmp_path / "file" / "below")).keep(answer("a."), 1)


def _keep_many(directory: str, who: int) -> None:
    for at in range(20):
        Snapshots(directory).keep(replace(answer(f"{who}-{at}."), serial=at), at)


def test_processes_that_keep_at_once_leave_five_whole_generations(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_keep_many, args=(str(tmp_path), who)) for who in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(files(tmp_path)) == 5
    assert Snapshots(str(tmp_path)).last(NAME)[1] == ()
    assert all(json.loads(path.read_bytes())["name"] == NAME for path in tmp_path.glob("*/*.json"))
