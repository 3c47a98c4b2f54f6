# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill what writes a CA directory or the certificate files of a host, before and after each of its system calls and in the middle of each write.

After each kill: every file is the complete old file or the complete new file, and the next run ends as if nothing had happened.
"""

from __future__ import annotations

import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import certificate_authority
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import (
    Authority,
    AuthorityError,
    AuthorityFault,
    authorities,
    begin_rotation,
    ensure,
    retire,
    unlock,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import Owner, found_files, put_files
from ansible_collections.skywalking.banyandb.tests.unit.certificates import Made

from . import tracer
from .killing import kill, moments, program, replaces, traced
from .tracer import Traced

NOW = datetime.now(UTC).replace(microsecond=0)
PASSPHRASE = "passphrase"


# ---- the CA directory


def whole(directory: Path) -> list[Authority]:
    """Return the CAs, and check that each opens with its passphrase."""
    found = authorities(str(directory))
    for authority in found:
        unlock(authority, PASSPHRASE)
        assert stat.S_IMODE(os.stat(authority.path).st_mode) == 0o600
    return found


def clean(directory: Path, names: list[str]) -> None:
    assert sorted(os.listdir(directory)) == names
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700


def test_a_killed_first_run_leaves_no_ca_or_a_whole_ca(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    directory = inventory / "banyandb-ca"

    def make() -> list[Authority]:
        return ensure(str(directory), PASSPHRASE, 3650, NOW)

    seen = traced(make, inventory)
    replaces(seen.calls, "ca-1.pem", "banyandb-ca/")
    # The new directory itself survives a power cut before the CA is in it.
    assert seen.calls.index("fsync .") < seen.calls.index("openat banyandb-ca/.ca-1.pem.*.tmp")
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        kill(make, inventory, moment)
        before = whole(directory)
        outcomes.add(len(before))
        after = make()
        assert len(after) == 1 and (not before or after == before), moment
        clean(directory, ["ca-1.pem"])
    assert outcomes == {0, 1}


def test_a_killed_rotation_goes_on_with_the_same_ca(tmp_path: Path) -> None:
    directory, saved = tmp_path / "ca", tmp_path / "saved"
    old = ensure(str(directory), PASSPHRASE, 3650, NOW)
    shutil.copytree(directory, saved)

    def begin() -> list[Authority]:
        return begin_rotation(str(directory), PASSPHRASE, 3650, NOW)

    seen = traced(begin, directory)
    replaces(seen.calls, "ca-2.pem")
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        shutil.copytree(saved, directory)
        kill(begin, directory, moment)
        before = whole(directory)
        outcomes.add(len(before))
        assert before[:1] == old, moment
        after = begin()
        assert len(after) == 2 and after[: len(before)] == before, moment
        clean(directory, ["ca-1.pem", "ca-2.pem"])
    assert outcomes == {1, 2}


def test_a_killed_end_of_a_rotation_leaves_the_new_ca(tmp_path: Path) -> None:
    directory, saved = tmp_path / "ca", tmp_path / "saved"
    both = begin_rotation(str(directory), PASSPHRASE, 3650, NOW) and begin_rotation(str(directory), PASSPHRASE, 3650, NOW)
    assert len(both) == 2
    shutil.copytree(directory, saved)

    def end() -> list[str]:
        return retire(str(directory), both[1].key_id)

    outcomes = set()
    for moment in moments(traced(end, directory)):
        shutil.rmtree(directory)
        shutil.copytree(saved, directory)
        kill(end, directory, moment)
        before = whole(directory)
        outcomes.add(len(before))
        assert before[-1] == both[1], moment
        end()
        assert whole(directory) == both[1:]
    assert outcomes == {1, 2}


def test_a_second_run_never_makes_a_second_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each moment of the first run. The second run finds the CA, or fails because the first run holds the lock."""
    directory = tmp_path / "ca"

    def make() -> list[Authority]:
        return ensure(str(directory), PASSPHRASE, 3650, NOW)

    results: list[object] = []

    def second(_process: int, _seen: Traced) -> None:
        try:
            results.append(make())
        except AuthorityError as error:
            results.append(error.fault)

    seen = traced(make, directory)
    monkeypatch.setattr(certificate_authority, "LOCK_SECONDS", 0.02)
    outcomes = set()
    for moment in moments(seen):
        shutil.rmtree(directory)
        results.clear()
        tracer.run(program(make), str(directory), moment, second)
        (result,) = results
        (made,) = whole(directory)
        assert result in ([made], AuthorityFault.BUSY), moment
        outcomes.add(result == [made])
        clean(directory, ["ca-1.pem"])
    assert outcomes == {True, False}


# ---- the files of a host

ME = Owner("root", "root")
CA = Made("ca")
OLD = Made("old", CA, ["localhost"])
NEW = Made("new", CA, ["localhost"])
RENEWED = Made("renewed", CA, ["localhost"], key=OLD.key)
BUNDLE = CA.pem + Made("other").pem


@pytest.fixture
def tls(directory: Path) -> Path:
    put_files(str(directory), ME, CA.pem, OLD.pem, OLD.key_pem)
    return directory


def reset(directory: Path) -> None:
    shutil.rmtree(directory)
    put_files(str(directory), ME, CA.pem, OLD.pem, OLD.key_pem)


def either(directory: Path, name: str, *texts: str) -> str:
    text = (directory / name).read_text()
    assert text in texts, name
    return text


def test_a_killed_renewal_leaves_a_pair_at_every_moment(tls: Path) -> None:
    def renew() -> list[str]:
        return put_files(str(tls), ME, BUNDLE, RENEWED.pem)

    seen = traced(renew, tls)
    replaces(seen.calls, "ca.crt")
    replaces(seen.calls, "node.crt")
    assert seen.calls.index("rename .ca.crt.*.tmp ca.crt") < seen.calls.index("rename .node.crt.*.tmp node.crt")
    outcomes = set()
    for moment in moments(seen):
        reset(tls)
        kill(renew, tls, moment)
        assert found_files(str(tls)).pair, moment
        assert (tls / "node.key").read_text() == OLD.key_pem
        outcomes.add((either(tls, "ca.crt", CA.pem, BUNDLE) == BUNDLE, either(tls, "node.crt", OLD.pem, RENEWED.pem) == RENEWED.pem))
        renew()
        assert found_files(str(tls)).pair and sorted(os.listdir(tls)) == ["ca.crt", "node.crt", "node.key"]
    assert outcomes == {(False, False), (True, False), (True, True)}


def test_a_killed_change_of_the_key_is_seen_and_repaired(tls: Path) -> None:
    def change() -> list[str]:
        return put_files(str(tls), ME, certificate=NEW.pem, key=NEW.key_pem)

    seen = traced(change, tls)
    for name in ("node.key", "node.crt"):
        replaces(seen.calls, name)
    # Only fsync and its directory lie between the two renames: both new files are written before.
    between = seen.calls[seen.calls.index("rename .node.key.*.tmp node.key") + 1 : seen.calls.index("rename .node.crt.*.tmp node.crt")]
    assert {call.split()[0] for call in between} <= {"openat", "fsync", "close", "fchown", "fchmod"}, between
    pairs = set()
    for moment in moments(seen):
        reset(tls)
        kill(change, tls, moment)
        key, certificate = either(tls, "node.key", OLD.key_pem, NEW.key_pem), either(tls, "node.crt", OLD.pem, NEW.pem)
        matches = (key == NEW.key_pem) == (certificate == NEW.pem)
        assert found_files(str(tls)).pair == matches, moment
        pairs.add((key == NEW.key_pem, certificate == NEW.pem))
        change()
        assert found_files(str(tls)).pair and (tls / "node.crt").read_text() == NEW.pem
        assert sorted(os.listdir(tls)) == ["ca.crt", "node.crt", "node.key"]
    assert pairs == {(False, False), (True, False), (True, True)}
