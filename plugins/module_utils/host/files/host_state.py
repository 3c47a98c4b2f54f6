# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares this host with its expected state: files, links, directories, users, and the machine.

Standard library only, Python 3.9+. Reads, never writes. An unreadable path raises HostStateError. A wrong or missing path is a Difference.
"""

from __future__ import annotations

import grp
import hashlib
import os
import platform
import pwd
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read, owner_name
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: Machine name of the kernel -> architecture in the names of releases.
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


#: The first uid of people's accounts, and shells that refuse a login.
FIRST_USER = 1000
NO_SHELLS = ("nologin", "false", "")


#: Module options for directories and files, and for links. wanted() reads them.
OWNED_OPTIONS: dict[str, Any] = {"path": {"type": "path", "required": True}, "owner": {}, "group": {}, "mode": {}}
LINK_OPTIONS: dict[str, Any] = {"path": {"type": "path", "required": True}, "target": {"required": True}}


class InvalidArgument(Exception):
    """An argument is invalid for every host."""


@dataclass(frozen=True)
class Wanted:
    """The expected state of ``path``. ``None`` leaves an attribute out of the comparison.

    ``what``: ``file``, ``link`` or ``directory``. ``mode``: permission bits. ``sha256``: of a file's content, in hexadecimal. ``target``: text of a
    link. ``mark``: start of a file that this collection wrote.
    """

    what: str
    path: str
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    sha256: str | None = None
    target: str | None = None
    mark: str | None = None


@dataclass(frozen=True)
class Difference:
    """A difference between the host and its expected state. ``expected`` and ``found`` hold only the changed attributes."""

    what: str
    path: str
    expected: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)


def wanted(parameters: Mapping[str, Any]) -> list[Wanted]:
    """Return the expected states of a module's ``directories``, ``files`` and ``links``. Raises InvalidArgument.

    Directories come first, because files and links need their directories.
    """
    found = []
    for what, option in (("directory", "directories"), ("file", "files"), ("link", "links")):
        for item in parameters[option]:
            if not os.path.isabs(item["path"]):
                raise InvalidArgument(f"{option}: path {shown(item['path'])}: expected an absolute path")
            sha256 = item.get("sha256")
            if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
                raise InvalidArgument(f"{option}: sha256 of {item['path']}: expected 64 hexadecimal digits")
            found.append(
                Wanted(
                    what,
                    item["path"],
                    owner=item.get("owner"),
                    group=item.get("group"),
                    mode=_mode(option, item["path"], item.get("mode")),
                    sha256=sha256,
                    target=item.get("target"),
                    mark=item.get("mark"),
                )
            )
    return found


def _mode(option: str, path: str, mode: str | None) -> int | None:
    if mode is None:
        return None
    if not re.fullmatch(r"[0-7]{3,4}", mode):
        raise InvalidArgument(f'{option}: mode of {path}: expected octal digits in quotes such as "0640", found {shown(mode)}')
    return int(mode, 8)


def differences(wanted: Iterable[Wanted]) -> list[Difference]:
    """Return the differences of the host from ``wanted``, in the order of ``wanted``. Raises HostStateError."""
    return [difference for want in wanted for difference in [_difference(want)] if difference is not None]


def user_differences(users: Iterable[str]) -> list[Difference]:
    """Return a difference for each of ``users`` that does not exist."""
    return [Difference("user", name, {"what": "user"}, {"what": "absent"}) for name in users if _account(name) is None]


def user_problem(name: str, named: bool, local: str = "/etc/passwd") -> str:
    """Return why an existing account must not run a server, with the remedy. Return an empty text if the account is missing or may run a server.

    ``named``: the operator set the account's name. ``local``: path of the host's account file. This collection makes system accounts in ``local``,
    without a home and a shell. It uses any other account only if ``named`` is true. Raises HostStateError.
    """
    account = _account(name)
    if account is None:
        return ""
    if account.pw_uid == 0:
        return f"banyandb_user is {name}, which has all rights (uid 0). Set banyandb_user to another account."
    if named:
        return ""
    reasons = [f"uid {account.pw_uid}"] if account.pw_uid >= FIRST_USER else []
    if os.path.basename(account.pw_shell) not in NO_SHELLS:
        reasons.append(f"shell {account.pw_shell}")
    if os.path.isdir(account.pw_dir) and account.pw_dir != "/":
        reasons.append(f"home {account.pw_dir}")
    try:
        with open(local, encoding="utf-8", errors="replace") as stream:
            if not any(line.startswith(f"{name}:") for line in stream):
                reasons.append(f"not in {local}")
    except OSError as error:
        raise cannot_read(local, error) from error
    if not reasons:
        return ""
    return f"account {name} was not made by this collection ({', '.join(reasons)}). Set banyandb_user: {name} to use it, or another name."


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def require_root() -> None:
    """Raise HostStateError (``permission_denied``) unless this process runs as root."""
    if os.geteuid() != 0:
        raise HostStateError(
            "permission_denied",
            f"user {owner_name(os.geteuid())} may not install, configure and start servers on this host. Run this with become: true.",
        )


def architecture() -> str:
    """Return ``amd64`` or ``arm64``, or the kernel's machine name if no release supports the machine."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def free_space(path: str) -> tuple[str, int, int]:
    """Return (directory, free bytes, total bytes) of the file system of ``path``.

    ``directory`` is ``path``, or its nearest existing parent. Raises HostStateError.
    """
    directory = path
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    try:
        usage = shutil.disk_usage(directory)
    except OSError as error:
        raise cannot_read(directory, error) from error
    return directory, usage.free, usage.total


def versions_in(directory: str) -> list[str]:
    """Return the names of the installed versions. Return an empty list without the directory. Raises HostStateError."""
    try:
        return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise cannot_read(directory, error) from error


def _difference(want: Wanted) -> Difference | None:
    found = _found(want)
    expected = {
        name: value
        for name, value in (
            ("what", want.what),
            ("owner", want.owner),
            ("group", want.group),
            ("mode", None if want.mode is None else f"{want.mode:04o}"),
            ("sha256", want.sha256),
            ("target", want.target),
            ("mark", want.mark),
        )
        if value is not None and found.get(name) != value
    }
    if not expected:
        return None
    return Difference(want.what, want.path, expected, {name: found[name] for name in expected if name in found})


def _found(want: Wanted) -> dict[str, Any]:
    """Return the attributes of the path. Follow a symbolic link only if ``want`` is a directory. Raises HostStateError."""
    try:
        status = os.stat(want.path) if want.what == "directory" and os.path.isdir(want.path) else os.lstat(want.path)
        what = _kind(status.st_mode)
        found: dict[str, Any] = {"what": what, "owner": owner_name(status.st_uid), "group": group_name(status.st_gid)}
        if what == "link":
            found["target"] = os.readlink(want.path)
        else:
            found["mode"] = f"{stat.S_IMODE(status.st_mode):04o}"
        if what == "file" and want.sha256 is not None:
            found["sha256"] = sha256_of(want.path)
        if what == "file" and want.mark is not None:
            found["mark"] = want.mark if _begins_with(want.path, want.mark) else ""  # not the file's text, which may be a secret
    except (FileNotFoundError, NotADirectoryError):
        return {"what": "absent"}
    except OSError as error:
        raise cannot_read(want.path, error) from error
    return found


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file's content in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1024 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()


def _begins_with(path: str, mark: str) -> bool:
    with open(path, "rb") as stream:
        return stream.read(len(mark.encode())) == mark.encode()


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def group_name(gid: int) -> str:
    """Return the name of a group, or the gid as text if the group has no name."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
