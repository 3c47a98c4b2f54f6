# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search finds the failed parts at the server's location and counts nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.failed_parts import failed_parts
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError


def test_parts_are_counted_by_shard(tmp_path):
    for path in ("measure/data/g1/shard-0/failed-parts/a", "measure/data/g1/shard-0/failed-parts/b", "trace/data/g2/shard-3/failed-parts/c"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "measure/data/g1/shard-1/failed-parts").mkdir(parents=True)
    (tmp_path / "measure/data/g1/sidx/failed-parts/x").mkdir(parents=True)
    (tmp_path / "measure/data/lock").touch()
    assert failed_parts(str(tmp_path), {}) == {
        str(tmp_path / "measure/data/g1/shard-0/failed-parts"): 2,
        str(tmp_path / "trace/data/g2/shard-3/failed-parts"): 1,
    }


def test_each_root_of_the_storage_is_looked_into(tmp_path):
    (tmp_path / "disk1/measure/data/g1/shard-0/failed-parts/a").mkdir(parents=True)
    (tmp_path / "data/stream/data/g1/shard-0/failed-parts/b").mkdir(parents=True)
    (tmp_path / "data/measure/data/g1/shard-0/failed-parts/c").mkdir(parents=True)
    assert failed_parts(str(tmp_path / "data"), {"measure": str(tmp_path / "disk1")}) == {
        str(tmp_path / "disk1/measure/data/g1/shard-0/failed-parts"): 1,
        str(tmp_path / "data/stream/data/g1/shard-0/failed-parts"): 1,
    }


def test_a_server_that_has_stored_nothing_has_none(tmp_path):
    assert failed_parts(str(tmp_path / "absent"), {}) == {}


def test_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refused(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refused)
    with pytest.raises(HostStateError, match="measure/data"):
        failed_parts(str(tmp_path), {})
