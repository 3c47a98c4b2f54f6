# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process of a server was started with: its environment file, its unit and the link to its release, kept in one file on its host.

Standard library only, Python 3.9+. One file, so that it is kept whole or not at all; JSON, so that a person can read it.
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.kept_state import Evidence
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest, digests, read_back

UNIT_VARIABLE = "BANYANDB_UNIT_SHA256"


@dataclass(frozen=True)
class Paths:
    """Where the files of a server are. ``drop_in``: what this collection adds to the unit. ``program``: what the unit starts, by way of ``link``."""

    environment: str
    unit: str
    drop_in: str
    link: str
    program: str

    @property
    def kept(self) -> tuple[str, ...]:
        return (self.environment, self.unit, self.drop_in, self.link)


def evidence(items: Mapping[str, Any], paths: Paths, process: systemd_services.Service, proc: str = "/proc") -> dict[str, Evidence]:
    """Return path -> whether the process was started with that item; ``items`` as found() gave them. Raises HostStateError."""
    return {path: _evidence(path, items, paths, process, proc) for path in items if path in paths.kept}


def _evidence(path: str, items: Mapping[str, Any], paths: Paths, process: systemd_services.Service, proc: str) -> Evidence:
    item = items[path]
    if not process.main_pid:
        return Evidence.UNKNOWN
    if path == paths.link:
        if item is None or "target" not in item:
            return Evidence.REFUTED
        target = os.path.join(os.path.dirname(path), item["target"], os.path.relpath(paths.program, paths.link))
        reasons = [each.reason for each in running_process.restart_reasons(process, None, paths.program, target, proc)]
        if Reason.PROGRAM_REPLACED in reasons:  # only of a script, which does not tell from where it was started
            return Evidence.REFUTED if _found(path) == item else Evidence.UNKNOWN
        return Evidence.REFUTED if reasons else Evidence.PROVED
    if path in (paths.unit, paths.drop_in):
        # The server's environment has one digest of both.
        texts = [(items.get(each) or {}).get("text", "") for each in (paths.unit, paths.drop_in)]
        wanted = {UNIT_VARIABLE: digest(hashlib.sha256("".join(texts).encode()).hexdigest())}
        # Of all other variables the unit says nothing.
        reasons = [each.reason for each in running_process.restart_reasons(process, wanted, None, None, proc)]
        return Evidence.REFUTED if Reason.ENVIRONMENT_CHANGED in reasons else Evidence.PROVED
    if item is None or "text" not in item:
        return Evidence.REFUTED
    return Evidence.REFUTED if running_process.restart_reasons(process, digests(read_back(item["text"])), None, None, proc) else Evidence.PROVED


def found(paths: Sequence[str]) -> dict[str, Any]:
    """Return path -> what is there now: ``text``, ``mode``, ``uid`` and ``gid`` of a file, ``target`` of a link, or None. Raises HostStateError."""
    return {path: _found(path) for path in paths}


def kept(path: str) -> dict[str, Any] | None:
    """Return what ``path`` keeps, as found() gave it; None when there is no such file. Raises HostStateError."""
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


def roll_back(wanted: dict[str, Any]) -> list[str]:
    """Make everything as found() saw it then; the paths that were another way. Raises HostStateError."""
    changed = [path for path, item in wanted.items() if _found(path) != item]
    for path in changed:
        try:
            _roll_back(path, wanted[path])
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


def _roll_back(path: str, item: dict[str, Any] | None) -> None:
    if item is None:
        remove(path)
    elif "target" in item:
        put_link(path, item["target"])
    else:
        write(path, item["text"].encode(), Ownership(item["uid"], item["gid"], item["mode"]))
