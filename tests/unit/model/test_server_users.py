# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""server_users: the user with which a host asks its own server."""

import json

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import User, first_user

SECRET = "canary-4711"


def test_the_first_user_of_the_file_asks():
    users = [{"username": "ops", "password": SECRET}, {"username": "b", "password": "c"}]
    assert first_user(json.dumps({"users": users})) == User("ops", SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"users:\n- username: a\n  password: {SECRET}\n",
        "{}",
        '{"users": []}',
        f'{{"users": ["{SECRET}"]}}',
        "[]",
        f'{{"users": {{"a": "{SECRET}"}}}}',
    ],
)
def test_another_file_is_an_error_without_its_content(text):
    with pytest.raises(ValueError, match="expected the users in JSON") as refused:
        first_user(text)
    assert SECRET not in str(refused.value) and refused.value.__cause__ is None


def test_a_user_does_not_show_its_password():
    assert SECRET not in repr(User("ops", SECRET))
