# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the users of a server from the file that the server reads. Pure. No message has a password."""

from __future__ import annotations

import json
from typing import NamedTuple


class User(NamedTuple):
    """One user. The representation has no password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"User({self.username!r})"


def first_user(text: str) -> User:
    """Return the first user, with which the collection logs in. Raises ValueError, without the content in its message.

    ``text``: content of the file in JSON, which is YAML too: hosts have no library for YAML.
    """
    try:
        user = json.loads(text)["users"][0]
        return User(str(user["username"]), str(user["password"]))
    except (ValueError, LookupError, TypeError):
        raise ValueError('expected the users in JSON, {"users": [{"username": ..., "password": ...}]}. Correct the file') from None
