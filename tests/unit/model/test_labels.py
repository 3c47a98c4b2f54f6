# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of the server's flag for labels."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel, labels_flag


def test_labels_are_joined_by_name():
    assert labels_flag({"zone": "a", "type": "hot", "rack": 7, "spare": False}) == "rack=7,spare=false,type=hot,zone=a"
    assert labels_flag({}) == ""


@pytest.mark.parametrize(
    "bad",
    [
        {"a=b": "c"},
        {"a": "b,c"},
        {"a": 'b"'},
        {" a": "b"},
        {"a": "b "},
        {"": "b"},
        {"a": "b\nc"},
        {"a": None},
        {"a": ["b"]},
        "a=b",
    ],
)
def test_a_label_that_the_server_would_drop_or_change_is_refused(bad):
    with pytest.raises(BadLabel, match="node label"):
        labels_flag(bad)


@pytest.mark.parametrize("bad", [{"a": 1 << 20000}, {1 << 20000: "a"}, {"a": "\x7f"}, {"a": "\ud800"}, {"a": b"b"}, {1: "a", "1": "b"}])
def test_a_label_that_an_environment_file_cannot_carry_is_refused(bad):
    with pytest.raises(BadLabel, match="node label"):
        labels_flag(bad)
