# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd services of this host: what they are doing, with what they were started, whether they listen.

Standard library only, Python 3.9+. What a process was started with is read from /proc (its program, its
environment), not guessed from the times of files; that it listens is read from /proc too: the listening socket must
be its own, so neither TLS nor a stranger on the port can mislead.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest

#: Variables that only our environment files set, so that one too many means that the file was another one then.
_OURS = ("BYDB_", "BANYANDB_")
_LISTEN = "0A"  # of /proc/net/tcp: TCP_LISTEN
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


def restart_reasons(
    service: Service,
    environment: Mapping[str, str] | None,
    program: str | None,
    target: str | None,
    proc: str = "/proc",
) -> list[str]:
    """Why the running process is not the one that a start would give now; nothing when it is, or none runs.

    ``environment`` are the wanted variables with the SHA-256 of their values, ``program`` is the path that the unit
    starts, ``target`` the file that it should lead to.
    """
    if not service.main_pid:
        return []
    reasons = []
    try:
        if environment is not None:
            reasons += _environment_reasons(service, environment, _environment(service.main_pid, proc))
        if program is not None and target is not None:
            reasons += _program_reasons(service, program, target, proc)
    except (FileNotFoundError, ProcessLookupError):
        return []  # it ended meanwhile: what comes next starts it with what is there now
    except OSError as error:
        raise cannot_read(f"{proc}/{service.main_pid}", error) from error
    return reasons


def silent_ports(pid: int, ports: Iterable[int], proc: str = "/proc") -> list[int]:
    """Those of ``ports`` on which this process itself has no listening TCP socket. Raises HostStateError."""
    wanted = set(ports)
    if not wanted:
        return []
    try:
        sockets = _sockets(pid, proc)
        listening = {port for port, inode in _listeners(pid, proc) if port in wanted and inode in sockets}
    except (FileNotFoundError, ProcessLookupError):
        return sorted(wanted)
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error
    return sorted(wanted - listening)


def watches(pid: int, path: str, proc: str = "/proc") -> bool:
    """Whether an inotify watch of this process sits on the file that ``path`` leads to now (proc(5), fdinfo); a process that is gone watches nothing.

    Raises HostStateError.
    """
    try:
        mark = f"ino:{os.stat(path).st_ino:x} "
        for descriptor in os.listdir(f"{proc}/{pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                lines = _read(f"{proc}/{pid}/fdinfo/{descriptor}").splitlines()
                if any(line.startswith("inotify ") and mark in line for line in lines):
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error
    return False


def port_holder(port: int, proc: str = "/proc") -> str:
    """Who listens on the port, as ``<name> (pid <n>)``, or an empty text. For messages only."""
    with contextlib.suppress(OSError):
        inodes = {inode for found, inode in _listeners("self", proc) if found == port}
        for pid in filter(str.isdigit, os.listdir(proc)):
            with contextlib.suppress(OSError):
                if inodes & _sockets(int(pid), proc):
                    return f"{_read(f'{proc}/{pid}/comm').strip()} (pid {pid})"
    return ""


def read_units_again() -> None:
    """Have systemd read its unit files again. Raises HostStateError."""
    run(["systemctl", "daemon-reload"])


def run(command: Sequence[str]) -> str:
    """The output of a command, in the C locale and UTC. Raises HostStateError (``no_systemd``, ``permission_denied``)."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise HostStateError(
            "no_systemd", f"{command[0]} cannot be run ({error.strerror}): this needs a host with systemd"
        ) from error
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
        environment_files=tuple(
            re.sub(r" \(ignore_errors=\w+\)$", "", value) for value in block.get("EnvironmentFiles", [])
        ),
        environment_names=frozenset(re.findall(r'(?:^| )"?([A-Za-z_][A-Za-z0-9_]*)=', text("Environment"))),
        load_state=text("LoadState"),
        fragment_path=text("FragmentPath"),
        drop_in_paths=tuple(text("DropInPaths").split()),
    )


def _utc(timestamp: str) -> str:
    """``Sat 2026-11-21 10:14:26 UTC`` -> ``2026-11-21T10:14:26Z``; empty when there was no start."""
    found = re.match(r"\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", timestamp)
    return f"{found.group(1)}T{found.group(2)}Z" if found else ""


def _environment_reasons(service: Service, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    elsewhere = set()  # set by a drop-in of the operator's: its business, and no reason to restart at every run
    for path in service.environment_files[1:]:
        with contextlib.suppress(OSError):
            elsewhere |= set(re.findall(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=", _read(path), re.MULTILINE))
    other = sorted(
        name
        for name, value in wanted.items()
        if name not in elsewhere and (name not in found or digest(found[name]) != value)
    )
    left_over = sorted(
        name
        for name in found
        if name.startswith(_OURS) and name not in wanted and name not in elsewhere | service.environment_names
    )
    return ([f"started with other values of {', '.join(other)}"] if other else []) + (
        [f"started with {', '.join(left_over)}, which should not be set"] if left_over else []
    )


def _program_reasons(service: Service, program: str, target: str, proc: str) -> list[str]:
    """A compiled program is named by /proc/<pid>/exe. Of a script (the program stands behind its interpreter in the
    command line) the kernel keeps only the path it was called by; it is what that leads to now, unless the link was
    changed after the start."""
    directory = f"{proc}/{service.main_pid}"
    arguments = _read(f"{directory}/cmdline").split("\0")
    wanted = os.path.realpath(target)
    if program not in arguments[1:4]:
        running = os.readlink(f"{directory}/exe")
    elif _changed_at(program) > _started(service):
        return ["its program was replaced after it was started"]
    else:
        running = os.path.realpath(program)
    return [] if running == wanted else [f"runs {running} instead of {wanted}"]


def _changed_at(program: str) -> float:
    """When the way to the program was last changed: its links and their directories' entries, by their own times."""
    changed, path = 0.0, program
    while path != os.path.dirname(path):
        with contextlib.suppress(FileNotFoundError):
            if os.path.islink(path):
                changed = max(changed, os.lstat(path).st_ctime)
        path = os.path.dirname(path)
    return changed


def _started(service: Service) -> float:
    """The start of the process by the wall clock, seconds since the epoch."""
    return time.time() - (time.monotonic() - service.started_us / 1e6)


def _environment(pid: int, proc: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in _read(f"{proc}/{pid}/environ").split("\0") if pair)
    return {name: value for name, _separator, value in pairs}


def _listeners(pid: int | str, proc: str) -> list[tuple[int, str]]:
    """(port, inode) of every listening TCP socket in the network of that process."""
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a host without IPv6 has no tcp6
            for line in _read(f"{proc}/{pid}/net/{table}").split("\n")[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTEN:
                    found.append((int(fields[1].rpartition(":")[2], 16), fields[9]))
    return found


def _sockets(pid: int, proc: str) -> set[str]:
    """The inodes of the sockets that the process holds."""
    found = set()
    for name in os.listdir(f"{proc}/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            link = os.readlink(f"{proc}/{pid}/fd/{name}")
            if link.startswith("socket:["):
                found.add(link[len("socket:[") : -1])
    return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
