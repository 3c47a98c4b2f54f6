# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs nft, the program of nftables. Standard library only, Python 3.9+."""

from __future__ import annotations

import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted


def program() -> str:
    """Return the path of nft. Raises HostStateError (``no_nft``)."""
    # On Debian, the PATH of an unprivileged account has no sbin directory.
    found = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if not found:
        raise HostStateError(
            "no_nft",
            "nft is not on this host, so the liaison cannot be drained. Install nftables, set banyandb_liaison_drain_install: true, "
            "or set banyandb_liaison_drain to hook or none.",
        )
    return found


def apply(script: str) -> None:
    """Run an nft script, completely or not at all. Raises HostStateError (``nft_failed``, ``permission_denied``, ``no_nft``)."""
    _run(["-f", "-"], script)


def remove(table: str) -> None:
    """Remove a table if the table exists. ``table``: family and name. Raises HostStateError."""
    apply(f"add table {table}\ndelete table {table}\n")


def has(table: str) -> bool:
    """Return whether a table exists. ``table``: family and name. Raises HostStateError."""
    return f"table {table}" in _run(["list", "tables"]).splitlines()


def elements(table: str, of: str) -> list[str]:
    """Return the elements of the set ``of`` in a table, without their time-outs. Raises HostStateError."""
    text = _run(["-n", "list", "set", *table.split(), of])
    found = re.search(r"elements = \{(.*?)\}", text, re.DOTALL)
    return [element.split(" timeout ")[0].split(" expires ")[0].strip() for element in found.group(1).split(",")] if found else []


def exempt(user: str | None) -> str:
    """Return the uids of root and ``user`` as text for the elements of a set. Raises HostStateError (``no_user``)."""
    try:
        return ", ".join(sorted({"0", str(pwd.getpwnam(user).pw_uid)} if user else {"0"}))
    except KeyError:
        raise HostStateError("no_user", f"{user}: this host has no such user. Run the role install first.") from None


def _run(arguments: Sequence[str], script: str = "") -> str:
    command = [program(), *arguments]
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        kind = "permission_denied" if "not permitted" in said else "nft_failed"
        remedy = "Run this with become: true." if kind == "permission_denied" else f"Check nftables on this host: {command[0]} list tables"
        raise HostStateError(kind, fitted(f"{' '.join(command)} failed: ", said, f". {remedy}"))
    return done.stdout.decode("utf-8", "replace")
