# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves and restores the files with which a server started: environment file, unit, drop-in and release link.

Standard library only, Python 3.9+. The files are saved in one file, so a save is complete or absent. The file is JSON, so a person can read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, put_link, remove, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.needed_restart import restart_reasons
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.kept_state import Evidence
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest, digests, read_back

UNIT_VARIABLE = "BANYANDB_UNIT_SHA256"


@dataclass(frozen=True)
class Paths:
    """Paths of the files of a server. ``drop_in``: drop-in of this collection. ``program``: program of the unit, through ``link``."""

    environment: str
    unit: str
    drop_in: str
    link: str
    program: str

    @property
    def kept(self) -> tuple[str, ...]:
        return (self.environment, self.unit, self.drop_in, self.link)


def evidence(items: Mapping[str, Any], paths: Paths, process: systemd_services.Service, proc: str = "/proc") -> dict[str, Evidence]:
    """Return path -> whether the process started with this item. ``items``: result of found(). Raises HostStateError."""
    return {path: _evidence(path, items, paths, process, proc) for path in items if path in paths.kept}


def _evidence(path: str, items: Mapping[str, Any], paths: Paths, process: systemd_services.Service, proc: str) -> Evidence:
    item = items[path]
    if not process.main_pid:
        return Evidence.UNKNOWN
    if path == paths.link:
        if item is None or "target" not in item:
            return Evidence.REFUTED
        target = os.path.join(os.path.dirname(path), item["target"], os.path.relpath(paths.program, paths.link))
        reasons = [each.reason for each in restart_reasons(process, None, paths.program, target, proc)]
        if Reason.PROGRAM_REPLACED in reasons:  # only for a script: /proc does not show the file of a script
            return Evidence.REFUTED if _found(path) == item else Evidence.UNKNOWN
        return Evidence.REFUTED if reasons else Evidence.PROVED
    if path in (paths.unit, paths.drop_in):
        # The server's environment has one digest of the unit and the drop-in together.
        texts = [(items.get(each) or {}).get("text", "") for each in (paths.unit, paths.drop_in)]
        wanted = {UNIT_VARIABLE: digest(hashlib.sha256("".join(texts).encode()).hexdigest())}
        # Other variables are no evidence about the unit.
        reasons = [each.reason for each in restart_reasons(process, wanted, None, None, proc)]
        return Evidence.REFUTED if Reason.ENVIRONMENT_CHANGED in reasons else Evidence.PROVED
    if item is None or "text" not in item:
        return Evidence.REFUTED
    return Evidence.REFUTED if restart_reasons(process, digests(read_back(item["text"])), None, None, proc) else Evidence.PROVED


def found(paths: Sequence[str]) -> dict[str, Any]:
    """Return path -> current item: ``text``, ``mode``, ``uid`` and ``gid`` of a file, ``target`` of a link, or None. Raises HostStateError."""
    return {path: _found(path) for path in paths}


def kept(path: str) -> dict[str, Any] | None:
    """Return the items saved in ``path``, as from found(). Return None without the file. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        raise HostStateError("broken", f"{path}: not written by this collection ({error}). Remove the file, then run this again.") from None
    if not isinstance(content, dict) or not all(item is None or isinstance(item, dict) for item in content.values()):
        raise HostStateError("broken", f"{path}: not written by this collection. Remove the file, then run this again.")
    return content


def keep(path: str, now: dict[str, Any]) -> None:
    """Save the result of found(). Only root can read the file, because environment files may hold secrets. Raises HostStateError."""
    try:
        write(path, json.dumps(now, indent=2, sort_keys=True).encode() + b"\n", Ownership(0, 0, 0o600))
    except OSError as error:
        raise HostStateError("not_written", f"{path}: not written: {error.strerror}. Repair the file system, then run this again.") from None


def roll_back(wanted: dict[str, Any]) -> list[str]:
    """Restore the saved items, and return the changed paths. Raises HostStateError."""
    changed = [path for path, item in wanted.items() if _found(path) != item]
    for path in changed:
        try:
            _roll_back(path, wanted[path])
        except OSError as error:
            raise HostStateError("not_written", f"{path}: not rolled back: {error.strerror}. Repair the file system, then run this again.") from None
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
        raise HostStateError("broken", f"{path}: is not UTF-8 text. Repair the file, then run this again.") from None
    return {"text": text, "mode": stat.S_IMODE(about.st_mode), "uid": about.st_uid, "gid": about.st_gid}


def _roll_back(path: str, item: dict[str, Any] | None) -> None:
    if item is None:
        remove(path)
    elif "target" in item:
        put_link(path, item["target"])
    else:
        write(path, item["text"].encode(), Ownership(item["uid"], item["gid"], item["mode"]))
