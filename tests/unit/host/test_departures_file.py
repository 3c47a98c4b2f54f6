# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the data nodes that left."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.departures_file import add, recorded
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import Cause, Departure

LEFT = Departure("default", "d1", "d1:17912", 1000, Cause.EMPTY_DISK, None)


def test_a_new_machine_gets_the_directory_of_the_record(tmp_path):
    path = str(tmp_path / "etc" / "banyandb" / "departures.json")
    assert add(path, [LEFT], check=True) is True
    assert not (tmp_path / "etc").exists()
    assert add(path, [LEFT], check=False) is True
    assert add(path, [LEFT], check=False) is False
    assert recorded(path) == [LEFT]
