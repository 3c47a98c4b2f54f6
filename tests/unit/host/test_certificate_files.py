# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three files of a host: what is found, what is written, and that the key never leaves the host."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import certificate_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import FoundFile, Owner, found_files, put_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.tests.unit.certificates import Made, secrets_of, texts_of

ME = Owner(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
CA, OTHER_CA = Made("ca"), Made("other ca")
ONE = Made("one", CA, ["localhost"])
TWO = Made("two", CA, ["localhost"])
#: Another certificate for the key of ONE.
RENEWED = Made("one again", CA, ["localhost"], key=ONE.key)


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "etc" / "banyandb" / "tls")


@pytest.fixture
def filled(directory):
    assert put_files(directory, ME, CA.pem, ONE.pem, ONE.key_pem) == ["ca.crt", "node.key", "node.crt"]
    return directory


def texts(directory):
    return {path.name: path.read_text() for path in Path(directory).iterdir()}


def state(directory):
    """Return what tells a changed file from an unchanged one."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path(directory).iterdir()}


def fault(act, kind):
    with pytest.raises(HostStateError) as raised:
        act()
    assert raised.value.kind == kind, raised.value
    text = str(raised.value)
    assert len(text) <= MOST and message(text) == text and text.endswith(".")
    shown = "".join(texts_of(raised.value))
    assert not any(secret in shown for secret in secrets_of(ONE.key, TWO.key))
    return text


def test_a_host_without_files(directory):
    found = found_files(directory)
    assert found == (FoundFile("absent"), FoundFile("absent"), FoundFile("absent"), False)


def test_the_files_have_their_owner_and_mode_and_only_the_server_reads_the_key(filled):
    assert texts(filled) == {"ca.crt": CA.pem, "node.crt": ONE.pem, "node.key": ONE.key_pem}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(filled).iterdir()} == {
        "ca.crt": 0o644,
        "node.crt": 0o644,
        "node.key": 0o600,
    }
    assert stat.S_IMODE(os.stat(filled).st_mode) == 0o755
    found = found_files(filled)
    assert found.pair and found.certificate == FoundFile("file", *ME, "0644", (ONE.certificate.fingerprint(hashes.SHA256()).hex(),), ONE.pem)
    assert found.ca.text == CA.pem and found.key == FoundFile("file", *ME, "0600")


def test_another_account_gets_the_files(directory):
    daemon = Owner("daemon", "daemon")
    put_files(directory, daemon, CA.pem, ONE.pem, ONE.key_pem)
    account = pwd.getpwnam("daemon")
    assert all((path.stat().st_uid, path.stat().st_gid) == (account.pw_uid, account.pw_gid) for path in Path(directory).iterdir())
    assert found_files(directory).key[1:3] == ("daemon", "daemon")
    assert put_files(directory, ME) == ["ca.crt", "node.key", "node.crt"] and found_files(directory).key[1:3] == ME


def test_nothing_that_leaves_the_host_tells_of_the_key(filled):
    shown = "".join(texts_of(found_files(filled)))
    key = ONE.key_pem.encode()
    for secret in (*secrets_of(ONE.key), hashlib.sha256(key).hexdigest(), "PRIVATE"):
        assert secret not in shown


def test_unchanged_files_are_not_written(filled):
    before = state(filled)
    assert put_files(filled, ME, CA.pem, ONE.pem, ONE.key_pem) == [] == put_files(filled, ME)
    assert state(filled) == before


def test_a_renewal_changes_one_file(filled):
    before = state(filled)
    assert put_files(filled, ME, certificate=RENEWED.pem) == ["node.crt"]
    after = state(filled)
    assert found_files(filled).pair and [name for name in before if before[name] != after[name]] == ["node.crt"]


def test_another_bundle_changes_one_file(filled):
    assert put_files(filled, ME, ca=CA.pem + OTHER_CA.pem) == ["ca.crt"]
    assert found_files(filled).ca.sha256 == tuple(each.certificate.fingerprint(hashes.SHA256()).hex() for each in (CA, OTHER_CA))


@pytest.mark.parametrize(
    "given",
    [{"certificate": TWO.pem}, {"key": TWO.key_pem}, {"certificate": TWO.pem, "key": CA.key_pem, "ca": OTHER_CA.pem}, {"certificate": "garbage"}],
)
def test_a_pair_that_does_not_match_is_refused_before_anything_is_written(filled, given):
    before = state(filled)
    assert filled in fault(lambda: put_files(filled, ME, **given), "not_a_pair")
    assert state(filled) == before


def test_a_first_certificate_without_its_key_is_refused(directory):
    fault(lambda: put_files(directory, ME, CA.pem, ONE.pem), "not_a_pair")
    assert os.listdir(directory) == []


def test_the_key_of_a_certificate_is_named_by_the_pair(filled):
    Path(filled, "node.crt").write_text(TWO.pem)
    assert not found_files(filled).pair
    Path(filled, "node.crt").write_text(ONE.pem)
    # An encrypted key must not make OpenSSL ask the terminal.
    Path(filled, "node.key").write_text(ONE.key_text(serialization.PrivateFormat.PKCS8, "passphrase"))
    assert not found_files(filled).pair
    Path(filled, "node.key").write_text("")
    assert not found_files(filled).pair


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", CA.key_pem.encode(), CA.pem.replace("MII", "MI", 1).replace("=", "").encode(), b"x" * 2**21])
def test_a_file_without_a_certificate_is_not_readable(filled, content):
    Path(filled, "ca.crt").write_bytes(content)
    found = found_files(filled).ca
    assert (found.what, found.readable, found.text, found.sha256) == ("file", False, "", ())
    assert put_files(filled, ME, CA.pem) == ["ca.crt"] and found_files(filled).ca.readable


def test_comments_of_a_ca_file_stay_on_the_host(filled):
    Path(filled, "ca.crt").write_bytes(b"# Z\xfcrich\n" + CA.pem.encode())
    assert found_files(filled).ca.text == CA.pem


def test_links_and_wrong_modes_are_repaired_without_touching_what_a_link_leads_to(filled, tmp_path):
    (tmp_path / "target").write_text(ONE.pem)
    os.unlink(Path(filled, "node.crt"))
    os.symlink(tmp_path / "target", Path(filled, "node.crt"))
    os.chmod(Path(filled, "node.key"), 0o644)
    found = found_files(filled)
    assert (found.certificate.what, found.key.mode, found.pair) == ("other", "0644", False)
    assert put_files(filled, ME, certificate=RENEWED.pem) == ["node.key", "node.crt"]
    assert (tmp_path / "target").read_text() == ONE.pem and found_files(filled).pair
    assert stat.S_IMODE(os.stat(Path(filled, "node.key")).st_mode) == 0o600


def test_check_mode_predicts_and_writes_nothing(directory):
    given = {"ca": CA.pem, "certificate": ONE.pem, "key": ONE.key_pem}
    assert put_files(directory, ME, **given, check=True) == ["ca.crt", "node.key", "node.crt"] and not os.path.exists(directory)
    put_files(directory, ME, **given)
    os.chmod(Path(directory, "ca.crt"), 0o600)
    before = state(directory)
    assert put_files(directory, ME, certificate=RENEWED.pem, check=True) == ["ca.crt", "node.crt"] and state(directory) == before
    assert stat.S_IMODE(os.stat(Path(directory, "ca.crt")).st_mode) == 0o600


def test_what_killed_writers_left_is_deleted_and_other_files_stay(filled):
    for name in (".node.key.0123456789abcdef.tmp", ".other.0123456789abcdef.tmp", "users.yml"):
        Path(filled, name).write_text("")
    put_files(filled, ME)
    assert sorted(os.listdir(filled)) == [".other.0123456789abcdef.tmp", "ca.crt", "node.crt", "node.key", "users.yml"]


def test_each_refusal_says_what_to_do(filled, monkeypatch, tmp_path):
    assert "no user nobody-here" in fault(lambda: put_files(filled, Owner("nobody-here", "root"), CA.pem), "no_user")
    monkeypatch.setattr(certificate_files, "LOCK_SECONDS", 0.05)
    with locked(filled):
        assert str(os.getpid()) in fault(lambda: put_files(filled, ME, CA.pem), "busy")
    (tmp_path / "file").write_text("")
    fault(lambda: put_files(str(tmp_path / "file"), ME, CA.pem), "not_written")
    Path(filled, "ca.crt").unlink()
    Path(filled, "ca.crt").mkdir()
    fault(lambda: put_files(filled, ME, CA.pem), "not_written")
    assert found_files(filled).ca.what == "other" and sorted(os.listdir(filled)) == ["ca.crt", "node.crt", "node.key"]
