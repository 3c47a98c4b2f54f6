# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads systemd services of this host with systemctl. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import VALUE, cut, fitted, shown

_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Result,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestamp,ExecMainStartTimestampMonotonic,NRestarts,EnvironmentFiles,Environment,FragmentPath,DropInPaths,InvocationID"
)


class CommandFailed(HostStateError):
    """A command of systemd failed. ``said``: first line of the command's output."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__("no_systemd", message)
        self.said = said.splitlines()[0].rstrip(".") if said else ""


@dataclass(frozen=True)
class Service:
    """State of a unit in systemd. ``started_us``: start time in microseconds of the monotonic clock; it identifies one start.

    ``invocation``: identifies one start in the journal; empty if systemd no longer has it.
    """

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
    """Return name -> state of the services, with one call of systemctl. Raises HostStateError (``no_systemd``)."""
    if not names:
        return {}
    text = run([systemctl, "show", "--property=" + _PROPERTIES, "--", *names])
    blocks = [_properties(block) for block in text.strip("\n").split("\n\n")]
    if len(blocks) != len(names):
        what = f"systemctl show: got {len(blocks)} units, expected {len(names)}: {shown(text)}"
        raise HostStateError("no_systemd", f"{what}. Check systemd on this host: systemctl status")
    return {name: _service(name, block) for name, block in zip(names, blocks)}


def read_units_again() -> None:
    """Reload the unit files of systemd. Raises HostStateError."""
    run(["systemctl", "daemon-reload"])


def run(command: Sequence[str]) -> str:
    """Run a command in the C locale and UTC, and return its output. Raises HostStateError (``no_systemd``, ``permission_denied``)."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise HostStateError("no_systemd", f"{command[0]} cannot be run ({error.strerror}). This needs a host with systemd.") from error
    if done.returncode != 0:
        words = cut(" ".join(command), VALUE)
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        if "authentication required" in said or "Access denied" in said:
            raise HostStateError("permission_denied", fitted(f"{words}: ", " ".join(said.split()), ". Run this with become: true."))
        failure = fitted(f"{words} failed with status {done.returncode}: ", " ".join(said.split()), ". Run the command on this host.")
        raise CommandFailed(failure, said)
    return done.stdout.decode("utf-8", "surrogateescape")


def _properties(block: str) -> dict[str, list[str]]:
    """Return name -> values, from ``Name=value`` lines. A property may come more than once (EnvironmentFiles)."""
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
    """Convert ``Sat 2026-11-21 10:14:26 UTC`` to ``2026-11-21T10:14:26Z``. Return an empty text without a start."""
    found = re.match(r"\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", timestamp)
    return f"{found.group(1)}T{found.group(2)}Z" if found else ""
