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
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

_NO_DRAIN = (
    "nft is not on this host, so the liaison cannot be drained. Install nftables, set banyandb_liaison_drain_install: true, "
    "or set banyandb_liaison_drain to hook or none."
)


def program(missing: str = _NO_DRAIN) -> str:
    """Return the path of nft. ``missing``: message on a host without nft. Raises HostStateError (``no_nft``)."""
    # On Debian, the PATH of an unprivileged account has no sbin directory.
    found = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if not found:
        raise HostStateError("no_nft", missing)
    return found


def apply(script: str) -> None:
    """Run an nft script, completely or not at all. Raises HostStateError (``nft_failed``, ``permission_denied``, ``no_nft``)."""
    _run(["-f", "-"], script)


def check(script: str) -> None:
    """Check an nft script against the kernel, and change nothing. Raises HostStateError (``nft_failed``, ``permission_denied``, ``no_nft``)."""
    _run(["-c", "-f", "-"], script)


def listing(table: str = "") -> str:
    """Return the JSON of a table, or of the whole ruleset without a table. An absent table gives JSON without objects. Raises HostStateError.

    ``table``: family and name.
    """
    if not table:
        return _run(["-j", "list", "ruleset"])
    return _run(["-j", "list", "table", *table.split()]) if has(table) else '{"nftables": []}'


def handle(table: str) -> int | None:
    """Return the handle of a table; None if the table does not exist. ``table``: family and name. Raises HostStateError.

    The kernel gives each new table the next number. So a table with the same handle was not deleted in between, also not by ``nft flush ruleset``.
    """
    family, name = table.split()
    for kind, value in _objects(["-j", "list", "tables"]):
        if kind == "table" and (value.get("family"), value.get("name")) == (family, name):
            return int(value.get("handle") or 0)
    return None


def remove(table: str) -> None:
    """Remove a table if the table exists. ``table``: family and name. Raises HostStateError."""
    apply(f"add table {table}\ndelete table {table}\n")


def tables() -> list[str]:
    """Return family and name of every table. Raises HostStateError."""
    return [line.removeprefix("table ") for line in _run(["list", "tables"]).splitlines()]


def has(table: str) -> bool:
    """Return whether a table exists. ``table``: family and name. Raises HostStateError."""
    return table in tables()


def seconds_left(table: str) -> int:
    """Return the seconds until the last element of a table times out; 0 without such an element. ``table``: as of has(). Raises HostStateError."""
    elements = [each for kind, value in _objects(["-j", "list", "table", *table.split()]) if kind == "set" for each in value.get("elem") or ()]
    timed = [each["elem"] for each in elements if isinstance(each, dict) and isinstance(each.get("elem"), dict)]
    return max((int(each.get("expires") or 0) + 1 for each in timed), default=0)  # nft cuts off the fraction


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


def _objects(arguments: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import nft_listing  # imported only here: a drain rarely needs JSON

    try:
        return nft_listing.objects(_run(arguments))
    except nft_listing.BadListing as error:
        raise HostStateError("nft_failed", fitted("", str(error), f". Check nftables on this host: nft {' '.join(arguments)}")) from None


def _run(arguments: Sequence[str], script: str = "") -> str:
    command = [program(), *arguments]
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        kind = "permission_denied" if "not permitted" in said else "nft_failed"
        remedy = "Run this with become: true." if kind == "permission_denied" else f"Check nftables on this host: {command[0]} list tables"
        raise HostStateError(kind, fitted(f"{' '.join(command)} failed: ", said, f". {remedy}"))
    return done.stdout.decode("utf-8", "replace")
