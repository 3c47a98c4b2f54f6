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
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError, cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest

#: Variables that only our environment files set, so that one too many means that the file was another one then.
_OURS = ("BYDB_", "BANYANDB_")
_NOISE = re.compile(r'"level":"debug"|^\s+(-\w, )?--\w|^(Usage|Flags|Global Flags):|\[flags\]$|[\u2550-\u256c\u2588]')
_LISTEN = "0A"  # of /proc/net/tcp: TCP_LISTEN
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Result,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestamp,ExecMainStartTimestampMonotonic,NRestarts,EnvironmentFiles,Environment"
)


@dataclass(frozen=True)
class Service:
    """A unit as systemd tells it. ``started_us`` is of the monotonic clock, in microseconds: it names one start."""

    name: str
    exists: bool
    active_state: str
    sub_state: str
    enabled: str
    need_daemon_reload: bool
    main_pid: int
    started_at: str
    started_us: int
    restarts: int
    result: str
    exit_code: str
    exit_status: int
    environment_files: tuple[str, ...]
    environment_names: frozenset[str]


def services(names: Sequence[str], systemctl: str = "systemctl") -> dict[str, Service]:
    """All the services by one call of systemctl. Raises HostStateError (``no_systemd``)."""
    if not names:
        return {}
    text = _run([systemctl, "show", "--property=" + _PROPERTIES, "--", *names])
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
) -> list[RestartReason]:
    """Return why the running process is not the one that a start would give now; nothing when it is, or none runs.

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


def listening_ports(pid: int, proc: str = "/proc") -> list[int]:
    """Return all ports on which this process itself has a listening TCP socket. Raises HostStateError."""
    try:
        sockets = _sockets(pid, proc)
        return sorted({port for port, inode in _listeners(pid, proc) if inode in sockets})
    except (FileNotFoundError, ProcessLookupError):
        return []
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def environment_of(pid: int, proc: str = "/proc") -> dict[str, str]:
    """Return the environment that this process was started with; nothing of a process that is gone. Raises HostStateError."""
    try:
        return _environment(pid, proc)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


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


class NotReady(Exception):
    """The service was started and did not come up; the message holds its state and its last words."""


@dataclass(frozen=True)
class Readiness:
    """``seconds`` from the order to start until all ports listened; ``service`` as it was then."""

    changed: bool
    seconds: float
    service: Service

    def to_mapping(self) -> dict[str, Any]:
        """What modules tell of it."""
        return {
            "seconds": self.seconds,
            "main_pid": self.service.main_pid,
            "started_at": self.service.started_at,
            "started_us": self.service.started_us,
        }


def known(name: str) -> Service:
    """The service as it is. Raises NotReady where systemd has no such unit, and HostStateError."""
    found = services([name])[name]
    if not found.exists:
        raise NotReady(f"{name} is not known to systemd on this host: write its unit first (role node, entry point main)")
    return found


def foreseen(service: Service, restart: bool) -> tuple[bool, dict[str, str]]:
    """Whether come_up() would start it, and the difference that this makes, as Ansible shows it."""
    changed = restart or service.active_state not in ("active", "reloading")
    before = f"{service.active_state if service.exists else 'absent'}\n"
    return changed, {"before": before, "after": ("active, started anew\n" if restart else "active\n") if changed else before}


def come_up(name: str, restart: bool, ports: Sequence[int], timeout: float, journal_lines: int = 20) -> Readiness:
    """Start the service (or restart it) and wait until its own process listens on all ``ports``.

    ``timeout`` is in seconds from the end of systemctl's own work. A process that ends meanwhile is an error at
    once, not at the timeout. A service that already runs is not started again, but waited for all the same.
    Raises NotReady and HostStateError.
    """
    before = known(name)
    began, began_at = time.monotonic(), time.time()
    changed, _difference = foreseen(before, restart)
    if changed:
        _systemctl(["restart" if restart else "start", "--", name], name, began_at, journal_lines)
    service = services([name])[name]
    deadline = time.monotonic() + timeout
    while True:
        silent = silent_ports(service.main_pid, ports) if service.main_pid else list(ports)
        if service.main_pid and not silent:
            return Readiness(changed, round(time.monotonic() - began, 3), service)
        if not service.main_pid or not os.path.exists(f"/proc/{service.main_pid}"):
            raise NotReady(_ended(services([name])[name], began_at, journal_lines))
        if time.monotonic() >= deadline:
            raise NotReady(_silent(services([name])[name], silent, timeout, began_at, journal_lines))
        time.sleep(0.05)


def read_units_again() -> None:
    """Have systemd read its unit files again. Raises HostStateError."""
    _run(["systemctl", "daemon-reload"])


def stop(name: str, journal_lines: int = 20) -> bool:
    """Stop the service and wait until its process is gone, which systemd kills when it does not go. Returns whether there was one to stop.

    Raises NotReady and HostStateError.
    """
    active = services([name])[name].active_state not in ("inactive", "failed", "")
    if active:
        _systemctl(["stop", "--", name], name, time.time(), journal_lines)
    return active


def _systemctl(arguments: Sequence[str], name: str, began_at: float, journal_lines: int) -> None:
    try:
        _run(["systemctl", *arguments])
    except HostStateError as error:
        raise NotReady(f"{error}\n{_last_words(name, began_at, journal_lines)}") from error


def _ended(service: Service, began_at: float, journal_lines: int) -> str:
    how = {"exited": "exited with status", "killed": "was killed by signal", "dumped": "dumped core on signal"}
    return (
        f"{service.name} ended while it started: it {how.get(service.exit_code, 'ended,')} {service.exit_status} "
        f"({_state(service)}).\n{_last_words(service.name, began_at, journal_lines)}"
    )


def _silent(service: Service, ports: Sequence[int], timeout: float, began_at: float, journal_lines: int) -> str:
    held = [f"{port} is held by {holder}" for port in ports for holder in [port_holder(port)] if holder]
    return (
        f"{service.name} runs ({_state(service)}) and does not listen on {', '.join(map(str, ports))} after {timeout:g} s"
        + (f"; {'; '.join(held)}" if held else "")
        + f".\n{_last_words(service.name, began_at, journal_lines)}"
    )


def _state(service: Service) -> str:
    return f"ActiveState={service.active_state}, SubState={service.sub_state}, Result={service.result}"


def telling(journal: str, lines: int) -> list[str]:
    """The last ``lines`` of a journal that say something: debug messages, and the 200 lines of flags that the server
    prints when it refuses its configuration, would bury the one line that matters."""
    return [line for line in journal.splitlines() if line.strip() and not _NOISE.search(line)][-lines:]


def _last_words(name: str, since: float, lines: int) -> str:
    read = [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=cat",
        "--lines=1000",
        f"--since=@{int(since)}",  # journalctl takes whole seconds; one too early, for a process that ends at once
        f"--unit={name}",
    ]
    try:
        _run(["journalctl", "--sync"])  # else the very last lines, the ones that matter, may not be there yet
        text = "\n".join(telling(_run(read), lines))
    except HostStateError as error:
        return f"(its journal cannot be read: {error})"
    return f"Its last lines in the journal:\n{text}" if text else f"Its journal says nothing; see: journalctl -u {name}"


def _run(command: Sequence[str]) -> str:
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
        raise HostStateError("no_systemd", f"{' '.join(command)} failed with status {done.returncode}: {said}")
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
    )


def _utc(timestamp: str) -> str:
    """``Sat 2026-11-21 10:14:26 UTC`` -> ``2026-11-21T10:14:26Z``; empty when there was no start."""
    found = re.match(r"\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", timestamp)
    return f"{found.group(1)}T{found.group(2)}Z" if found else ""


def _environment_reasons(service: Service, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[RestartReason]:
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
    reasons = {Reason.ENVIRONMENT_CHANGED: other, Reason.ENVIRONMENT_LEFT_OVER: left_over}
    return [RestartReason(reason, tuple(names)) for reason, names in reasons.items() if names]


def _program_reasons(service: Service, program: str, target: str, proc: str) -> list[RestartReason]:
    """A compiled program is named by /proc/<pid>/exe. Of a script (the program stands behind its interpreter in the
    command line) the kernel keeps only the path it was called by; it is what that leads to now, unless the link was
    changed after the start."""
    directory = f"{proc}/{service.main_pid}"
    arguments = _read(f"{directory}/cmdline").split("\0")
    wanted = os.path.realpath(target)
    if program not in arguments[1:4]:
        running = os.readlink(f"{directory}/exe")
    elif _changed_at(program) > _started(service):
        return [RestartReason(Reason.PROGRAM_REPLACED)]
    else:
        running = os.path.realpath(program)
    return [] if running == wanted else [RestartReason(Reason.PROGRAM_CHANGED, running=running, wanted=wanted)]


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
