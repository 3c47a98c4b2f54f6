# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server ran with is kept whole, and comes back as it was."""

from __future__ import annotations

import json
import os
import stat

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state
from ansible_collections.skywalking.banyandb.plugins.modules.last_good import act


@pytest.fixture
def host(tmp_path):
    (tmp_path / "data.env").write_text("SECRET=ü\n")
    (tmp_path / "data.env").chmod(0o640)
    (tmp_path / "topology.yml").write_text("nodes:\n")
    (tmp_path / "current").symlink_to("versions/1")
    return tmp_path


def paths(host):
    return [str(host / name) for name in ("data.env", "topology.yml", "current", "absent")]


def keep(host, check=False):
    return act(str(host / "kept.json"), "kept", paths(host), check)


def put_back(host, only=None, check=False):
    return act(str(host / "kept.json"), "put_back", only, check)


def spoil(host):
    (host / "data.env").write_text("SECRET=other\n")
    (host / "data.env").chmod(0o644)
    (host / "current").unlink()
    (host / "current").symlink_to("versions/2")
    (host / "absent").write_text("not there before\n")


def test_everything_comes_back_as_it_was(host):
    before = last_good_state.found(paths(host))
    assert keep(host) == {"changed": True}
    spoil(host)
    result = put_back(host)
    assert result == {"changed": True, "put_back": [str(host / name) for name in ("absent", "current", "data.env")]}
    assert last_good_state.found(paths(host)) == before
    assert put_back(host) == {"changed": False, "put_back": []}


def test_only_what_is_named_comes_back(host):
    keep(host)
    spoil(host)
    assert put_back(host, [str(host / "current")])["put_back"] == [str(host / "current")]
    assert (host / "data.env").read_text() == "SECRET=other\n" and os.readlink(host / "current") == "versions/1"


def test_check_mode_tells_and_changes_nothing(host):
    assert keep(host, check=True) == {"changed": True} and not (host / "kept.json").exists()
    keep(host)
    assert keep(host) == {"changed": False}
    spoil(host)
    assert len(put_back(host, check=True)["put_back"]) == 3
    assert (host / "data.env").read_text() == "SECRET=other\n"


def test_only_root_may_read_it(host):
    keep(host)
    assert stat.S_IMODE(os.lstat(host / "kept.json").st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "only", "kind", "said"),
    [
        (None, None, "nothing_kept", "does not exist: nothing was kept"),
        ("{", None, "broken", "is not what this collection writes"),
        ("[]", None, "broken", "is not what this collection writes"),
        (json.dumps({"/etc/x": None}), ["/etc/y"], "nothing_kept", "keeps no /etc/y"),
    ],
)
def test_what_cannot_be_put_back_is_named(host, content, only, kind, said):
    if content is not None:
        (host / "kept.json").write_text(content)
    with pytest.raises(HostStateError, match=said) as refused:
        put_back(host, only)
    assert refused.value.kind == kind


def test_a_file_that_is_no_text_is_refused(host):
    (host / "data.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HostStateError, match="is no text in UTF-8"):
        keep(host)
