# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes directories, files and links on this host. Standard library only, Python 3.9+."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, make_parents, put_link, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import Difference, Wanted, differences


def make(wanted: Sequence[Wanted], texts: Mapping[str, str]) -> list[Difference]:
    """Make the changed paths of ``wanted``, in the order of ``wanted``. Return the differences before the change.

    ``texts``: path of a file -> its text. A file or a link is replaced completely or not at all. Raises HostStateError; paths made before the error
    stay, and the next run makes the rest.
    """
    found = differences(wanted)
    differing = {difference.path: difference for difference in found}
    for want in wanted:
        if want.path in differing:
            _make(want, texts, differing[want.path].found.get("what", want.what))
    return found


def _make(want: Wanted, texts: Mapping[str, str], stands: str) -> None:
    if stands not in ("absent", want.what) and "directory" in (stands, want.what):
        raise HostStateError("not_made", f"{want.path}: expected a {want.what}, found {stands}. Move the {stands} away, then run this again.")
    try:
        if want.what == "link":
            make_parents(want.path)
            put_link(want.path, want.target or "")
        elif want.what == "file":
            write(want.path, texts[want.path].encode(), _ownership(want))
        else:
            ownership = _ownership(want)
            make_parents(want.path, inclusive=True)
            os.chown(want.path, -1 if ownership.uid is None else ownership.uid, -1 if ownership.gid is None else ownership.gid)
            os.chmod(want.path, ownership.mode)
    except OSError as error:
        raise HostStateError("not_made", f"{want.path}: not made: {os.strerror(error.errno or 0)}. Repair this, then run this again.") from None


def _ownership(want: Wanted) -> Ownership:
    try:
        return Ownership(
            None if want.owner is None else pwd.getpwnam(want.owner).pw_uid,
            None if want.group is None else grp.getgrnam(want.group).gr_gid,
            (0o755 if want.what == "directory" else 0o644) if want.mode is None else want.mode,
        )
    except KeyError:
        raise HostStateError("no_user", f"{want.path}: this host has no owner {want.owner} or no group {want.group}. Add them first.") from None
