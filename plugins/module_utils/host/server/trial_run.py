# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the program of a unit once, with the unit's account, sandbox and environment. The program ends before it serves.

Other commands can run in the same sandbox, to see what the server will see.

Standard library only, Python 3.9+. With ``--show-rungroup-units`` the server reads its whole environment, lists its units and exits with 0. With a
value of the wrong type it exits with 1 (measured, tests/contract/test_process.py). The program opens no port and changes no data.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.unit_overrides import settings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed

ARGUMENT = "--show-rungroup-units"
# Options of [Service] that decide whether a process can start. systemd-run accepts each as a property.
TRIED = (
    "AmbientCapabilities", "AppArmorProfile", "BindPaths", "BindReadOnlyPaths", "CapabilityBoundingSet", "CPUQuota", "Environment",
    "EnvironmentFile", "Group", "InaccessiblePaths", "LimitAS", "LimitNOFILE", "LimitNPROC", "LoadCredential", "LockPersonality",
    "MemoryDenyWriteExecute", "MemoryMax", "NoNewPrivileges", "PrivateDevices", "PrivateMounts", "PrivateTmp", "PrivateUsers", "ProtectClock",
    "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
    "ProtectSystem", "ReadOnlyPaths", "ReadWritePaths", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
    "SELinuxContext", "SupplementaryGroups", "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter", "TasksMax",
    "TemporaryFileSystem", "UMask", "UnsetEnvironment", "User", "WorkingDirectory",
)  # fmt: skip
# Exit codes of systemd (systemd.exec(5)). With these codes systemd has not started the program.
STAGES = {
    200: "WorkingDirectory cannot be entered",
    203: "the program cannot be executed",
    216: "Group is unknown",
    217: "User is unknown",
    226: "the sandbox cannot be set up; see ReadWritePaths",
    231: "AppArmorProfile cannot be applied",
    243: "LoadCredential cannot be read",
}
# systemd-run refuses a value before it starts the program.
_REFUSED_BY_SYSTEMD = re.compile("(Failed to |Unknown assignment|Invalid |Cannot ).*")
SECONDS = 60.0


class Unit(NamedTuple):
    """A unit with its drop-ins. ``properties``: settings of a process, for systemd-run. ``program``: words of ExecStart. ``user``: its account."""

    name: str
    properties: tuple[str, ...]
    program: tuple[str, ...]
    user: str


def read_unit(name: str, unit_files: Sequence[str]) -> Unit:
    """Return the unit ``name``. ``unit_files``: the unit and its drop-ins, in the order of systemd. Raises HostStateError (``no_program``)."""
    found = [(option, value) for path in unit_files for section, option, value in settings(path) if section == "Service"]
    starts = [value for option, value in found if option == "ExecStart" and value]
    if not starts:
        raise HostStateError("no_program", f"{listed(unit_files, 1)}: no ExecStart. Deploy the host first.")
    properties = tuple(f"--property={option}={value}" for option, value in found if option in TRIED)
    users = [value for option, value in found if option == "User" and value]
    return Unit(name.removesuffix(".service"), properties, tuple(shlex.split(starts[-1].lstrip("@-:+!"))), users[-1] if users else "root")


def in_sandbox(unit: Unit, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command with the account, the sandbox and the environment of the unit. Raises HostStateError (``no_systemd``, ``does_not_start``)."""
    command = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *unit.properties, "--", *words]
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
    except OSError as error:
        raise HostStateError("no_systemd", f"systemd-run: {error.strerror}. This needs a host with systemd.") from None
    except subprocess.TimeoutExpired:
        raise HostStateError("does_not_start", f"{unit.name}: {words[0]} did not end within {SECONDS:g} s. See: journalctl -n 50") from None


def try_program(unit: Unit) -> None:
    """Return if the program of the unit can start. Raises HostStateError (``no_systemd``, ``does_not_start``)."""
    done = in_sandbox(unit, [*unit.program, ARGUMENT])
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode in STAGES:
        why = _why_not_executed(unit.program[0]) if done.returncode == 203 else STAGES[done.returncode]
        raise HostStateError("does_not_start", f"{unit.name}: {why}.")
    refused = _REFUSED_BY_SYSTEMD.match(done.stderr.decode("utf-8", "replace"))
    if refused:
        raise HostStateError("does_not_start", f"{unit.name}: systemd: {refused[0].rstrip('.')[:90]}. Correct banyandb_unit_options.")
    raise HostStateError("does_not_start", f"{unit.name} refuses its settings: {decisive(said)}. Correct banyandb_env.")


def decisive(output: str) -> str:
    """Return the one line of the program's output that says why it ended, without a full stop."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")]
    found = errors or [line for line in lines if re.search('"level":"(fatal|error)"', line)] or lines[-1:]
    return found[0].replace("Error: ", "", 1).rstrip(".")[:120] if found else "no message"


def _why_not_executed(program: str) -> str:
    """Return why this machine does not execute the file. The text starts with the file's path."""
    real = os.path.realpath(program)
    try:
        if os.statvfs(real).f_flag & os.ST_NOEXEC:
            return f"{real} is on a file system mounted noexec. Remount it with exec"
        subprocess.run([real, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pass
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return f"{real} is not built for this machine ({os.uname().machine}). See banyandb_artifact"
        if error.errno == errno.ENOENT and os.path.exists(real):
            return f"{real} needs a loader that this host does not have. Set banyandb_flavor: static"
        return f"{real}: {error.strerror}"
    return f"{real} may not be executed by the server's account. See: namei -l {real}"
