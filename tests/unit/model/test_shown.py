# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""shown: names and texts for messages, with a limited length."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [
        ([], 5, ""),
        (["a", "b"], 5, "a, b"),
        (["a", "b", "c"], 2, "a, b and 1 more"),
        ([str(number) for number in range(17)], 5, "0, 1, 2, 3, 4 and 12 more"),
        (["a"], 0, "a"),
        (["a", "b"], 0, "2 hosts"),
    ],
)
def test_a_long_list_of_names_is_cut_with_a_count(names, most, expected):
    assert listed(names, most) == expected


def test_the_middle_of_a_message_gives_way_to_what_stands_around_it():
    assert fitted("a: ", "short", ". do") == "a: short. do"
    text = fitted("a: ", "x" * 900, ". Run deploy.")
    assert len(text) == 200 and text.startswith("a: xxx") and text.endswith("x.... Run deploy.")
    assert len(fitted("b" * 900, "x", "c")) == 200
