# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running process of a server of this host, as /proc tells: with what it was started, what it listens on, what it watches.

Standard library only, Python 3.9+. What a process was started with is read from /proc (its program, its
environment), not guessed from the times of files; that it listens is read from /proc too: the listening socket must
be its own, so neither TLS nor a stranger on the port can mislead.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import Service
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest

#: Variables that only our environment files set, so that one too many means that the file was another one then.
_OURS = ("BYDB_", "BANYANDB_")
_LISTEN = "0A"  # of /proc/net/tcp: TCP_LISTEN


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


def _environment_reasons(service: Service, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[RestartReason]:
    elsewhere = set()  # set by a drop-in of the operator's: its business, and no reason to restart at every run
    for path in service.environment_files[1:]:
        with contextlib.suppress(OSError):
            elsewhere |= set(re.findall(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=", _read(path), re.MULTILINE))
    other = sorted(name for name, value in wanted.items() if name not in elsewhere and (name not in found or digest(found[name]) != value))
    left_over = sorted(name for name in found if name.startswith(_OURS) and name not in wanted and name not in elsewhere | service.environment_names)
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
