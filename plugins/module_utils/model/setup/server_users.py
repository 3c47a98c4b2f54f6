# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the users of a server, and write and read the file from which the server reads them. Pure. No message has a password.

The file is JSON, which is YAML too, because hosts have no library for YAML. The first user is the operator, with which the collection logs in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import VALUE, cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, STANDALONE

USERS_FILE = "users.json"
#: Variable of the server with the path of the file.
USERS_VARIABLE = "BYDB_AUTH_CONFIG_FILE"
#: Kinds whose server has users (read in the server's banyand/liaison/grpc).
WITH_USERS = (LIAISON, STANDALONE)
#: Start of each file that this collection writes. The server ignores unknown keys.
USERS_MARK = '{"written_by": "Ansible collection skywalking.banyandb'
#: The file has a multiple of this many bytes, so that another user or password seldom changes its size.
BLOCK = 4096
_KEYS = {"username", "password"}


class User(NamedTuple):
    """One user. The representation has no password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"User({self.username!r})"


def users_path(config_dir: str) -> str:
    """Return the path of the file. ``config_dir``: value of ``banyandb_config_dir``."""
    return f"{config_dir}/{USERS_FILE}"


def users_environment(role: str, config_dir: str, users: Any) -> dict[str, str]:
    """Return the variable that makes a server ask for users; nothing for a kind without users. ``users``: value of ``banyandb_users``."""
    return {USERS_VARIABLE: users_path(config_dir)} if users is not None and role in WITH_USERS else {}


def users_problems(users: Any, operator: str) -> list[str]:
    """Return what is wrong with ``banyandb_users`` and ``banyandb_operator``, as messages. ``users``: None for a server without users."""
    if users is None:
        return ["banyandb_operator is set without banyandb_users. Set banyandb_users, or leave out banyandb_operator."] if operator else []
    if isinstance(users, str) or not isinstance(users, Sequence):
        return [f"banyandb_users is of type {type(users).__name__}: expected a list of users, each with username and password. Write a list."]
    if not users:
        return ["banyandb_users is empty, and a server with an empty list refuses everybody. Give it a user, or leave it out for no passwords."]
    found = [f"banyandb_users[{number}]: {problem}" for number, user in enumerate(users) for problem in [_problem(user)] if problem]
    if found:
        return found
    names = [user["username"] for user in users]
    # The server accepts each password of a username that is listed twice (measured), so an old password would stay valid.
    twice = [number for number, name in enumerate(names) if name in names[:number]]
    found = [f"banyandb_users[{number}]: an earlier user has the same username. Leave one of them." for number in twice]
    if operator and operator not in names:
        found.append(f'banyandb_operator is "{cut(operator, VALUE)}", which is no username in banyandb_users. Correct one of them.')
    return found


def users_digest(users: Any, operator: Any) -> str:
    """Return a digest of ``banyandb_users`` and ``banyandb_operator`` with which hosts compare. The values may be invalid."""
    return hashlib.sha256(json.dumps([users, operator or ""], default=str).encode()).hexdigest()


def users_text(users: Sequence[Mapping[str, str]], operator: str) -> str:
    """Return the content of the file for valid users, without padding. ``operator``: username; empty for the first user."""
    ordered = sorted(users, key=lambda user: user["username"] != (operator or users[0]["username"]))
    lines = ",\n".join(json.dumps({"username": user["username"], "password": user["password"]}) for user in ordered)
    return f'{USERS_MARK}. Change banyandb_users and deploy.", "users": [\n{lines}\n]}}'


def padded(text: str, least: int = 0) -> bytes:
    """Return the bytes of the file: ``text`` and spaces, of at least ``least`` bytes. A file that never shrinks can be written in place."""
    data = text.encode()
    size = max(least, -(-(len(data) + 1) // BLOCK) * BLOCK)
    return data.ljust(size - 1) + b"\n"


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of the content of the file, without the padding."""
    return hashlib.sha256(data.rstrip()).hexdigest()


def users_in(text: str) -> list[User]:
    """Return the users of a file, the operator first. Raises ValueError, without the content in its message."""
    try:
        found = [User(str(user["username"]), str(user["password"])) for user in json.loads(text)["users"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = []
    if not found:
        raise ValueError('expected the users in JSON, {"users": [{"username": ..., "password": ...}]}. Set banyandb_users and deploy')
    return found


def _problem(user: Any) -> str:
    """Return what is wrong with one user, without the name and the password of the user."""
    if not isinstance(user, Mapping):
        return "expected a mapping with username and password. Write {username: ..., password: ...}."
    if set(user) != _KEYS:
        missing = sorted(_KEYS - set(user))
        return f"{' and '.join(missing)} missing. Add it." if missing else "has a key other than username and password. Remove this key."
    for key in ("username", "password"):
        value = user[key]
        if not isinstance(value, str):
            return f"{key} is of type {type(value).__name__}: expected text. Put the {key} into quotes."
        if not value:
            return f"{key} is empty. Give the user a {key}."
        if not (value.isascii() and value.isprintable()):
            return f"{key} has a character that gRPC metadata cannot carry. Use only the letters, digits and signs of ASCII."
        if value != value.strip():
            return f"{key} starts or ends with a space, which the server removes. Remove the space."
    return "username has a colon, which HTTP basic authentication cannot carry. Remove the colon." if ":" in user["username"] else ""
