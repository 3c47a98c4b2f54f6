# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server was started with when its cluster was last seen whole: its files and links, kept in one file on its host.

Standard library only, Python 3.9+. One file, so that it is kept whole or not at all; JSON, so that a person can read it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, put_link, remove, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError, cannot_read


def found(paths: Sequence[str]) -> dict[str, Any]:
    """Path -> what is there now: ``text``, ``mode``, ``uid`` and ``gid`` of a file, ``target`` of a link, or None. Raises HostStateError."""
    return {path: _found(path) for path in paths}


def kept(path: str) -> dict[str, Any] | None:
    """What ``path`` keeps, as found() gave it; None when there is no such file. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        raise HostStateError("broken", f"{path} is not what this collection writes ({error}); remove it, the next change keeps anew") from None
    if not isinstance(content, dict) or not all(item is None or isinstance(item, dict) for item in content.values()):
        raise HostStateError("broken", f"{path} is not what this collection writes; remove it, the next change keeps anew")
    return content


def keep(path: str, now: dict[str, Any]) -> None:
    """Keep what found() gave, for nobody's eyes but root's: environment files may hold secrets. Raises HostStateError."""
    try:
        write(path, json.dumps(now, indent=2, sort_keys=True).encode() + b"\n", Ownership(0, 0, 0o600))
    except OSError as error:
        raise HostStateError("not_written", f"{path}: not written: {error.strerror}") from None


def put_back(wanted: dict[str, Any]) -> list[str]:
    """Make everything as found() saw it then; the paths that were another way. Raises HostStateError."""
    changed = [path for path, item in wanted.items() if _found(path) != item]
    for path in changed:
        try:
            _put_back(path, wanted[path])
        except OSError as error:
            raise HostStateError("not_written", f"{path}: not put back: {error.strerror}") from None
    return changed


def _found(path: str) -> dict[str, Any] | None:
    try:
        about = os.lstat(path)
        if stat.S_ISLNK(about.st_mode):
            return {"target": os.readlink(path)}
        with open(path, "rb") as stream:
            text = stream.read().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError:
        raise HostStateError("broken", f"{path} is no text in UTF-8, so it cannot be kept") from None
    return {"text": text, "mode": stat.S_IMODE(about.st_mode), "uid": about.st_uid, "gid": about.st_gid}


def _put_back(path: str, item: dict[str, Any] | None) -> None:
    if item is None:
        remove(path)
    elif "target" in item:
        put_link(path, item["target"])
    else:
        write(path, item["text"].encode(), Ownership(item["uid"], item["gid"], item["mode"]))
