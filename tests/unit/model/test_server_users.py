# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""server_users: the users of a server, their file, and the user with which a host asks its own server."""


import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import (
    BLOCK,
    USERS_MARK,
    User,
    digest_of,
    padded,
    users_digest,
    users_environment,
    users_in,
    users_problems,
    users_text,
)

SECRET = "canary-4711"
OPS, APP = {"username": "ops", "password": SECRET}, {"username": "app", "password": 'a"b\\c {{ d }} 9'}


def test_the_operator_stands_first_in_the_file():
    assert [user.username for user in users_in(users_text([OPS, APP], ""))] == ["ops", "app"]
    assert [user.username for user in users_in(users_text([OPS, APP], "app"))] == ["app", "ops"]


def test_the_file_gives_back_each_user():
    text = users_text([OPS, APP], "")
    assert text.startswith(USERS_MARK)
    assert users_in(text) == [User(**OPS), User(**APP)]
    assert users_in(padded(text).decode()) == users_in(text)


@pytest.mark.parametrize(
    ("length", "least", "size"),
    [(10, 0, BLOCK), (BLOCK - 1, 0, BLOCK), (BLOCK, 0, 2 * BLOCK), (10, 3 * BLOCK, 3 * BLOCK), (10, 17, BLOCK)],
)
def test_the_file_has_full_blocks_and_never_shrinks(length, least, size):
    data = padded("x" * length, least)
    assert len(data) == size and data.rstrip() == b"x" * length and data.endswith(b"\n")


def test_the_padding_does_not_change_the_digest():
    assert digest_of(padded("text")) == digest_of(padded("text", 3 * BLOCK)) == digest_of(b"text") != digest_of(b"other")


@pytest.mark.parametrize(
    ("users", "operator", "problem"),
    [
        ([], "", "banyandb_users is empty"),
        (SECRET, "", "banyandb_users is of type str"),
        ({"ops": SECRET}, "", "banyandb_users is of type dict"),
        ([SECRET], "", "banyandb_users[0]: expected a mapping"),
        ([OPS, {"username": SECRET}], "", "banyandb_users[1]: password missing"),
        ([{}], "", "banyandb_users[0]: password and username missing"),
        ([{**OPS, SECRET: SECRET}], "", "banyandb_users[0]: has a key other than"),
        ([{**OPS, "password": 4711}], "", "banyandb_users[0]: password is of type int"),
        ([{**OPS, "password": None}], "", "banyandb_users[0]: password is of type NoneType"),
        ([{**OPS, "password": ""}], "", "banyandb_users[0]: password is empty"),
        ([{**OPS, "username": ""}], "", "banyandb_users[0]: username is empty"),
        ([{**OPS, "password": f"{SECRET}\n"}], "", "banyandb_users[0]: password has a character"),
        ([{**OPS, "password": f"{SECRET}\x7f"}], "", "banyandb_users[0]: password has a character"),
        ([{**OPS, "password": f"{SECRET}ä"}], "", "banyandb_users[0]: password has a character"),
        ([{**OPS, "password": f" {SECRET}"}], "", "banyandb_users[0]: password starts or ends with a space"),
        ([{**OPS, "username": "o:ps"}], "", "banyandb_users[0]: username has a colon"),
        ([OPS, APP, {**OPS, "password": "b"}], "", "banyandb_users[2]: an earlier user has the same username"),
        ([OPS], "app", 'banyandb_operator is "app"'),
        (None, "ops", "banyandb_operator is set without banyandb_users"),
    ],
)
def test_a_wrong_value_has_one_problem_without_a_password(users, operator, problem):
    (found,) = users_problems(users, operator)
    assert found.startswith(problem) and SECRET not in found and len(found) <= 200


@pytest.mark.parametrize(("users", "operator"), [(None, ""), ([OPS], ""), ([OPS, APP], "app")])
def test_right_values_have_no_problem(users, operator):
    assert users_problems(users, operator) == []


@pytest.mark.parametrize(("role", "asks"), [("data", False), ("liaison", True), ("standalone", True)])
def test_only_some_kinds_have_users(role, asks):
    assert users_environment(role, "/etc/b", [OPS]) == ({"BYDB_AUTH_CONFIG_FILE": "/etc/b/users.json"} if asks else {})
    assert users_environment(role, "/etc/b", None) == {}


def test_hosts_compare_their_values_without_the_values():
    assert users_digest([OPS], None) == users_digest([dict(OPS)], "") != users_digest([OPS], "ops")
    assert SECRET not in users_digest([SECRET, object()], None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"users:\n- username: a\n  password: {SECRET}\n",
        "{}",
        '{"users": []}',
        f'{{"users": ["{SECRET}"]}}',
        "[]",
        "[" * 100_000,
        f'{{"users": {{"a": "{SECRET}"}}}}',
    ],
)
def test_another_file_is_an_error_without_its_content(text):
    with pytest.raises(ValueError, match="expected the users in JSON") as refused:
        users_in(text)
    assert SECRET not in str(refused.value) and refused.value.__cause__ is None


def test_a_user_does_not_show_its_password():
    assert SECRET not in repr(User("ops", SECRET))
