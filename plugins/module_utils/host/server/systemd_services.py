# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd services of this host, as systemctl tells.

Standard library only, Python 3.9+.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError

_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Result,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestamp,ExecMainStartTimestampMonotonic,NRestarts,EnvironmentFiles,Environment,FragmentPath,DropInPaths,InvocationID"
)


class CommandFailed(HostStateError):
    """A command of systemd ended with an error. ``said``: its own first line, without the command."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__("no_systemd", message)
        self.said = said.splitlines()[0].rstrip(".") if said else ""


@dataclass(frozen=True)
class Service:
    """A unit as systemd tells it. ``started_us`` is of the monotonic clock, in microseconds: it names one start. ``invocation`` names one
    start in the journal too; it is empty where systemd has forgotten it."""

    name: str
    exists: bool
    active_state: str
    sub_state: str
    enabled: str
    need_daemon_reload: bool
    main_pid: int
    invocation: str
    started_at: str
    started_us: int
    restarts: int
    result: str
    exit_code: str
    exit_status: int
    environment_files: tuple[str, ...]
    environment_names: frozenset[str]
    load_state: str = ""
    fragment_path: str = ""
    drop_in_paths: tuple[str, ...] = ()


def services(names: Sequence[str], systemctl: str = "systemctl") -> dict[str, Service]:
    """All the services by one call of systemctl. Raises HostStateError (``no_systemd``)."""
    if not names:
        return {}
    text = run([systemctl, "show", "--property=" + _PROPERTIES, "--", *names])
    blocks = [_properties(block) for block in text.strip("\n").split("\n\n")]
    if len(blocks) != len(names):
        raise HostStateError("no_systemd", f"systemctl told of {len(blocks)} units, asked for {len(names)}: {text!r}")
    return {name: _service(name, block) for name, block in zip(names, blocks)}


def read_units_again() -> None:
    """Have systemd read its unit files again. Raises HostStateError."""
    run(["systemctl", "daemon-reload"])


def run(command: Sequence[str]) -> str:
    """The output of a command, in the C locale and UTC. Raises HostStateError (``no_systemd``, ``permission_denied``)."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise HostStateError("no_systemd", f"{command[0]} cannot be run ({error.strerror}): this needs a host with systemd") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        if "authentication required" in said or "Access denied" in said:
            raise HostStateError("permission_denied", f"{' '.join(command)}: {said}; run this with become: true")
        raise CommandFailed(f"{' '.join(command)} failed with status {done.returncode}: {said}", said)
    return done.stdout.decode("utf-8", "surrogateescape")


def _properties(block: str) -> dict[str, list[str]]:
    """``Name=value`` lines; a property may come more than once (EnvironmentFiles)."""
    found: dict[str, list[str]] = {}
    for line in block.split("\n"):
        name, separator, value = line.partition("=")
        if separator:
            found.setdefault(name, []).append(value)
    return found


def _service(name: str, block: Mapping[str, list[str]]) -> Service:
    def text(key: str) -> str:
        return block.get(key, [""])[0]

    def number(key: str) -> int:
        return int(text(key)) if text(key).isdigit() else 0

    return Service(
        name=name,
        exists=text("LoadState") not in ("not-found", ""),
        active_state=text("ActiveState"),
        sub_state=text("SubState"),
        enabled=text("UnitFileState"),
        need_daemon_reload=text("NeedDaemonReload") == "yes",
        main_pid=number("MainPID"),
        invocation=text("InvocationID"),
        started_at=_utc(text("ExecMainStartTimestamp")),
        started_us=number("ExecMainStartTimestampMonotonic"),
        restarts=number("NRestarts"),
        result=text("Result"),
        exit_code={"1": "exited", "2": "killed", "3": "dumped"}.get(text("ExecMainCode"), ""),  # CLD_* of waitid(2)
        exit_status=number("ExecMainStatus"),
        environment_files=tuple(re.sub(r" \(ignore_errors=\w+\)$", "", value) for value in block.get("EnvironmentFiles", [])),
        environment_names=frozenset(re.findall(r'(?:^| )"?([A-Za-z_][A-Za-z0-9_]*)=', text("Environment"))),
        load_state=text("LoadState"),
        fragment_path=text("FragmentPath"),
        drop_in_paths=tuple(text("DropInPaths").split()),
    )


def _utc(timestamp: str) -> str:
    """``Sat 2026-11-21 10:14:26 UTC`` -> ``2026-11-21T10:14:26Z``; empty when there was no start."""
    found = re.match(r"\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", timestamp)
    return f"{found.group(1)}T{found.group(2)}Z" if found else ""
