# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of an environment file, against a parser with systemd's rules."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import BadEnvironment, digests, environment_file

ODD = [
    "",
    " ",
    "plain",
    "two  words ",
    "it's",
    'say "yes"',
    "back\\slash",
    "ends with \\",
    "\\n is no line break",
    "$HOME ${HOME} $$ `id`",
    "# no comment ; either",
    "a=b=c",
    "é日本\U0001f600",
    "\ttab",
    "'single' and \"double\" and \\ all",
]


def read_as_systemd(text):
    """systemd.exec(5), EnvironmentFile=, for a file of NAME="value" lines: in double quotes a backslash makes
    one of " \\ ` $ literal; before any other character the backslash stays.
    """
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition("=")
        assert rest[0] == rest[-1] == '"' and len(rest) >= 2, line
        characters, value = iter(rest[1:-1]), ""
        for character in characters:
            assert character != '"', f"a quote that is not escaped ends the value: {line}"
            if character == "\\":
                following = next(characters)
                character = following if following in '"\\`$' else "\\" + following
            value += character
        found[name] = value
    return found


@pytest.mark.parametrize("value", ODD)
def test_every_value_is_read_back_unchanged(value):
    assert read_as_systemd(environment_file({"NAME": value})) == {"NAME": value}


def test_only_what_every_systemd_unescapes_is_escaped():
    assert environment_file({"A": '$ ` \\ "'}) == 'A="$ ` \\\\ \\""\n'


def test_variables_stand_in_the_order_of_their_names():
    assert environment_file({"B": "2", "A": "1"}) == 'A="1"\nB="2"\n'


def test_booleans_and_numbers_are_written_as_the_server_reads_them():
    assert environment_file({"A": True, "B": False, "C": 17912, "D": 1.5}) == 'A="true"\nB="false"\nC="17912"\nD="1.5"\n'


def test_a_null_leaves_the_variable_out():
    assert environment_file({"A": None, "B": "b"}) == 'B="b"\n'
    assert list(digests({"A": None, "B": "b"})) == ["B"]


@pytest.mark.parametrize("value", ["a\nb", "a\r", "\x00", "\x1b[0m", "\x7f", "\x85"])
def test_what_systemd_cannot_hand_on_is_refused_without_showing_it(value):
    with pytest.raises(BadEnvironment, match="the value of SECRET contains") as error:
        environment_file({"SECRET": "hunter2" + value})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", 3, None])
def test_what_is_no_name_of_a_variable_is_refused(name):
    with pytest.raises(BadEnvironment, match="not the name of an environment variable"):
        environment_file({name: None})


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}])
def test_a_list_or_mapping_is_refused_with_what_to_write_instead(value):
    with pytest.raises(BadEnvironment, match="expected text, a number or a boolean. Write a list as one text"):
        environment_file({"A": value})


def test_what_is_no_mapping_is_refused():
    with pytest.raises(BadEnvironment, match="must be a mapping .* not str"):
        environment_file("A=1")


def test_digests_are_those_of_the_values_as_the_server_sees_them():
    assert digests({"A": True, "B": "é"}) == {
        "A": hashlib.sha256(b"true").hexdigest(),
        "B": hashlib.sha256("é".encode()).hexdigest(),
    }


@pytest.mark.parametrize("function", [environment_file, digests])
def test_a_number_without_bounds_is_refused(function):
    with pytest.raises(BadEnvironment, match="the value of A is a number of more than 64 bits"):
        function({"A": 1 << 20000})
    with pytest.raises(BadEnvironment, match="not the name of an environment variable"):
        function({1 << 20000: "a"})
