# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_state: the differences between a host and the wanted state."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import socket

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import host_state
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import Difference, Wanted, differences

ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.env"
    path.write_text("A=1\n")
    path.chmod(0o640)
    return str(path)


def test_a_file_as_it_should_be_is_no_difference(file):
    assert differences([Wanted("file", file, owner=ME, group=MY_GROUP, mode=0o640, sha256=digest("A=1\n"))]) == []


def test_only_the_attributes_that_differ_are_reported(file):
    wanted = Wanted("file", file, owner=ME, mode=0o600, sha256=digest("A=2\n"))
    assert differences([wanted]) == [
        Difference("file", file, {"mode": "0600", "sha256": digest("A=2\n")}, {"mode": "0640", "sha256": digest("A=1\n")})
    ]


def test_another_owner_or_group_is_a_difference(file):
    (found,) = differences([Wanted("file", file, owner="missing-user", group="none-either")])
    assert found.expected == {"owner": "missing-user", "group": "none-either"}
    assert found.found == {"owner": ME, "group": MY_GROUP}


@pytest.mark.parametrize("what", ["file", "link", "directory"])
def test_what_is_missing_is_absent(tmp_path, what):
    path = str(tmp_path / "no" / "such")
    (found,) = differences([Wanted(what, path)])
    assert found == Difference(what, path, {"what": what}, {"what": "absent"})


def test_what_lies_under_a_file_is_absent(file):
    (found,) = differences([Wanted("file", file + "/below")])
    assert found.found == {"what": "absent"}


def test_a_link_to_the_right_content_is_no_file(tmp_path, file):
    link = tmp_path / "link"
    link.symlink_to(file)
    (found,) = differences([Wanted("file", str(link), sha256=digest("A=1\n"))])
    assert found.found["what"] == "link"


def test_a_link_is_compared_letter_by_letter(tmp_path, file):
    link = tmp_path / "link"
    link.symlink_to("a.env")
    assert differences([Wanted("link", str(link), target="a.env")]) == []
    (found,) = differences([Wanted("link", str(link), target=file)])
    assert (found.expected, found.found) == ({"target": file}, {"target": "a.env"})


def test_a_directory_or_socket_in_the_place_of_a_file_is_reported(tmp_path):
    directory, other = tmp_path / "d", tmp_path / "s"
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other))
        found = differences([Wanted("file", str(directory), sha256="0" * 64), Wanted("file", str(other), sha256="0" * 64)])
    assert [difference.found for difference in found] == [{"what": "directory"}, {"what": "other"}]


def test_what_may_not_be_read_is_an_error_with_the_way_out(monkeypatch, file):
    def denied(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(host_state, "sha256_of", denied)
    with pytest.raises(HostStateError, match="become: true") as error:
        differences([Wanted("file", file, sha256="0" * 64)])
    assert error.value.kind == "permission_denied"
    assert file in str(error.value)


def test_an_error_without_root_says_how_to_become_root(monkeypatch):
    host_state.require_root()
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(HostStateError, match="user nobody .* become: true") as error:
        host_state.require_root()
    assert error.value.kind == "permission_denied"


def test_a_failing_disk_is_an_error_of_its_own_kind(monkeypatch, file):
    def broken(path):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(host_state, "sha256_of", broken)
    with pytest.raises(HostStateError, match="Input/output error") as error:
        differences([Wanted("file", file, sha256="0" * 64)])
    assert error.value.kind == "unreadable"


def test_a_user_that_does_not_exist_is_a_difference():
    assert host_state.user_differences([ME, "missing-user"]) == [Difference("user", "missing-user", {"what": "user"}, {"what": "absent"})]


@pytest.fixture
def account(monkeypatch, tmp_path):
    """Return a function that makes an account banyandb and returns a copy of /etc/passwd, with the account if ``local`` is true."""

    def add(uid=998, shell="/usr/sbin/nologin", home="/nonexistent", local=True):
        found = pwd.struct_passwd(("banyandb", "x", uid, uid, "", home, shell))
        monkeypatch.setattr(host_state.pwd, "getpwnam", lambda name: found)
        (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\n" + ("banyandb:x:998:998::/nonexistent:/usr/sbin/nologin\n" if local else ""))
        return str(tmp_path / "passwd")

    return add


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"uid": 20001}, "uid 20001"),
        ({"shell": "/bin/bash"}, "shell /bin/bash"),
        ({"home": "/usr"}, "home /usr"),
        ({"local": False}, "not in "),
    ],
)
def test_somebody_s_account_is_used_only_when_the_operator_names_it(account, attributes, reason):
    local = account(**attributes)
    problem = host_state.user_problem("banyandb", False, local)
    assert problem.startswith(f"account banyandb was not made by this collection ({reason}")
    assert problem.endswith("Set banyandb_user: banyandb to use it, or another name.") and len(problem) <= 200
    assert host_state.user_problem("banyandb", True, local) == ""


def test_an_account_that_this_collection_made_is_no_problem_and_neither_is_none(account):
    assert host_state.user_problem("missing-user", False) == ""
    assert host_state.user_problem("banyandb", False, account()) == ""


def test_no_server_runs_with_all_rights(account):
    assert "uid 0" in host_state.user_problem("toor", True, account(uid=0))


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_architectures_are_named_as_releases_are(monkeypatch, machine, name):
    monkeypatch.setattr(host_state.platform, "machine", lambda: machine)
    assert host_state.architecture() == name


def test_space_is_reported_for_a_directory_that_is_not_there_yet(tmp_path):
    directory, free, total = host_state.free_space(str(tmp_path / "not" / "yet"))
    assert directory == str(tmp_path)
    assert 0 < free <= total


def test_versions_leave_out_what_is_half_done(tmp_path):
    for name in ("0.11.0", "0.10.3", ".incoming-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert host_state.versions_in(str(tmp_path)) == ["0.10.3", "0.11.0"]
    assert host_state.versions_in(str(tmp_path / "none")) == []
