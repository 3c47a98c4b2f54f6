# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""shown: names and texts for messages, with a limited length."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, fitted, listed, message, naming


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
    assert len(text) == 199 and text.startswith("a: xxx") and text.endswith("x... Run deploy.")
    assert len(fitted("b" * 900, "x", "c")) == 200


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two..."),
        ("one two three", 10, "one two..."),
        ("one two. three", 12, "one two..."),
        ("a status 503 (a data node does)", 26, "a status 503..."),
        ("a status (503) of node", 21, "a status (503) of..."),
        ("/a" * 20, 13, "/a/a/a/a/a..."),
        ("to 10.213.215.155:17912: lost", 20, "to..."),
        ("path /" + "a" * 40, 43, "path /" + "a" * 34 + "..."),
    ],
)
def test_a_text_is_cut_after_a_word(text, most, expected):
    assert cut(text, most) == expected


def test_no_text_ends_with_four_dots():
    assert message("a: found 12345678.... Copy the file again.") == "a: found 12345678... Copy the file again."
    for length in range(150, 260):
        text = message("word " * (length // 5) + ". Run deploy.")
        assert text.endswith(" Run deploy.") and "...." not in text and len(text) <= 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b.\n Do c.", "a: b. Do c."),
        ("no sentence", "no sentence"),
        (
            f"/a/{'b' * 300}: No space left. Free some space, then run skywalking.banyandb.deploy.",
            "Free some space, then run skywalking.banyandb.deploy.",
        ),
        (f"did not start: {'x' * 300}. Log: journalctl -u banyandb-data.", "Log: journalctl -u banyandb-data."),
        ("x" * 300, "x..."),
        (ValueError("a is 0. Correct it."), "a is 0. Correct it."),
    ],
)
def test_a_message_is_one_short_line_that_keeps_its_last_sentence(text, expected):
    found = message(text)
    assert len(found) <= 200 and found.endswith(expected)
    assert len(message(text, " (2 more)")) <= 200 and message(text, " (2 more)").endswith(f"{expected} (2 more)")


def test_names_become_fewer_until_the_text_fits():
    hosts = [f"data{number}.banyandb.eu-west-1.example.org" for number in range(5)]
    assert naming("", ["a", "b", "c"], ": no. Do it.", 2) == "a, b and 1 more: no. Do it."
    text = naming("cluster default: ", hosts, " not in the inventory. Name hosts of the inventory.")
    assert text == f"cluster default: {hosts[0]}, {hosts[1]}, {hosts[2]} and 2 more not in the inventory. Name hosts of the inventory."
    assert len(naming("a" * 100, hosts, "b" * 90)) == 200
