# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the running process of a server from /proc: its program, environment, listening sockets and file watches.

Standard library only, Python 3.9+. /proc shows the program and the environment of the start; the times of files do not. A listening socket must
belong to the process, so TLS or a different process on the port does not matter.
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES

#: Prefixes of variables that only our environment files set. An extra variable therefore means that the file has changed since the start.
_OURS = ("BYDB_", "BANYANDB_")
_LISTEN = "0A"  # of /proc/net/tcp: TCP_LISTEN


def restart_reasons(
    service: Service,
    environment: Mapping[str, str] | None,
    program: str | None,
    target: str | None,
    proc: str = "/proc",
) -> list[RestartReason]:
    """Return why the running process needs a restart. Return an empty list if it needs none, or if no process runs. Raises HostStateError.

    ``environment``: wanted variable -> SHA-256 of its value. ``program``: path that the unit starts. ``target``: file to which the path must lead.
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
        return []  # the process has ended, so the next start uses the current files
    except OSError as error:
        raise cannot_read(f"{proc}/{service.main_pid}", error) from error
    return reasons


def silent_ports(pid: int, ports: Iterable[int], proc: str = "/proc") -> list[int]:
    """Return the ports of ``ports`` on which this process has no listening TCP socket. Raises HostStateError."""
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
    """Return all ports on which this process has a listening TCP socket. Raises HostStateError."""
    try:
        sockets = _sockets(pid, proc)
        return sorted({port for port, inode in _listeners(pid, proc) if inode in sockets})
    except (FileNotFoundError, ProcessLookupError):
        return []
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def environment_of(pid: int, proc: str = "/proc") -> dict[str, str]:
    """Return the environment with which this process started, or an empty mapping if the process has ended. Raises HostStateError."""
    try:
        return _environment(pid, proc)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def kind_of(pid: int, proc: str = "/proc") -> str:
    """Return the kind of node that this process runs, which is the sub-command of its program. Return an empty text for another program.

    Raises HostStateError.
    """
    try:
        return next((word for word in _read(f"{proc}/{pid}/cmdline").split("\0") if word in ROLES), "")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def watches(pid: int, path: str, proc: str = "/proc") -> bool:
    """Return whether this process has an inotify watch on the file of ``path`` (proc(5), fdinfo). Raises HostStateError.

    Return False if the process has ended.
    """
    try:
        mark = f"ino:{os.stat(path).st_ino:x} "
        for descriptor in os.listdir(f"{proc}/{pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError):  # closed since listdir()
                lines = _read(f"{proc}/{pid}/fdinfo/{descriptor}").splitlines()
                if any(line.startswith("inotify ") and mark in line for line in lines):
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error
    return False


def port_holder(port: int, proc: str = "/proc") -> str:
    """Return the process that listens on the port as ``<name> (pid <n>)``, or an empty text. Use the result only in messages."""
    with contextlib.suppress(OSError):
        inodes = {inode for found, inode in _listeners("self", proc) if found == port}
        for pid in filter(str.isdigit, os.listdir(proc)):
            with contextlib.suppress(OSError):
                if inodes & _sockets(int(pid), proc):
                    return f"{_read(f'{proc}/{pid}/comm').strip()} (pid {pid})"
    return ""


def _environment_reasons(service: Service, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[RestartReason]:
    elsewhere = set()  # the operator's drop-ins set these variables, so they are no reason for a restart
    for path in service.environment_files[1:]:
        with contextlib.suppress(OSError):
            elsewhere |= set(re.findall(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=", _read(path), re.MULTILINE))
    other = sorted(name for name, value in wanted.items() if name not in elsewhere and (name not in found or digest(found[name]) != value))
    left_over = sorted(name for name in found if name.startswith(_OURS) and name not in wanted and name not in elsewhere | service.environment_names)
    reasons = {Reason.ENVIRONMENT_CHANGED: other, Reason.ENVIRONMENT_LEFT_OVER: left_over}
    return [RestartReason(reason, tuple(names)) for reason, names in reasons.items() if names]


def _program_reasons(service: Service, program: str, target: str, proc: str) -> list[RestartReason]:
    """Return the reasons for a restart because of the program.

    /proc/<pid>/exe shows a compiled program. For a script (the program comes after its interpreter in the command line) the kernel keeps only the
    path of the call. The path leads to the script of the start, unless a link has changed since the start.
    """
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
    """Return the time of the last change of a link in the path, in seconds since the epoch; 0 without a link."""
    changed, path = 0.0, program
    while path != os.path.dirname(path):
        with contextlib.suppress(FileNotFoundError):
            if os.path.islink(path):
                changed = max(changed, os.lstat(path).st_ctime)
        path = os.path.dirname(path)
    return changed


def _started(service: Service) -> float:
    """Return the start time of the process in seconds since the epoch."""
    return time.time() - (time.monotonic() - service.started_us / 1e6)


def _environment(pid: int, proc: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in _read(f"{proc}/{pid}/environ").split("\0") if pair)
    return {name: value for name, _separator, value in pairs}


def _listeners(pid: int | str, proc: str) -> list[tuple[int, str]]:
    """Return (port, inode) of every listening TCP socket in the network namespace of the process."""
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a host without IPv6 has no tcp6
            for line in _read(f"{proc}/{pid}/net/{table}").split("\n")[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTEN:
                    found.append((int(fields[1].rpartition(":")[2], 16), fields[9]))
    return found


def _sockets(pid: int, proc: str) -> set[str]:
    """Return the inodes of the sockets of the process."""
    found = set()
    for name in os.listdir(f"{proc}/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since listdir()
            link = os.readlink(f"{proc}/{pid}/fd/{name}")
            if link.startswith("socket:["):
                found.add(link[len("socket:[") : -1])
    return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
