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
from collections.abc import Iterable

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES

_LISTEN = "0A"  # of /proc/net/tcp: TCP_LISTEN


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
        return read_environment(pid, proc)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def kind_of(pid: int, proc: str = "/proc") -> str:
    """Return the kind of node that this process runs, which is the sub-command of its program. Return an empty text for another program.

    Raises HostStateError.
    """
    try:
        return next((word for word in read_file(f"{proc}/{pid}/cmdline").split("\0") if word in ROLES), "")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error


def watches(pid: int, path: str, proc: str = "/proc") -> bool:
    """Return whether this process has an inotify watch on the file of ``path``. Raises HostStateError."""
    return watch_count(pid, path, proc) > 0


def watch_count(pid: int, path: str, proc: str = "/proc") -> int:
    """Return how many inotify watches this process has on the file that ``path`` names now (proc(5), fdinfo). Raises HostStateError.

    Return 0 without the file, or if the process has ended.
    """
    found = 0
    try:
        mark = f"ino:{os.stat(path).st_ino:x} "
        for descriptor in os.listdir(f"{proc}/{pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError):  # closed since listdir()
                lines = read_file(f"{proc}/{pid}/fdinfo/{descriptor}").splitlines()
                found += sum(line.startswith("inotify ") and mark in line for line in lines)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError as error:
        raise cannot_read(f"{proc}/{pid}", error) from error
    return found


def port_holder(port: int, proc: str = "/proc") -> str:
    """Return the process that listens on the port as ``<name> (pid <n>)``, or an empty text. Use the result only in messages."""
    with contextlib.suppress(OSError):
        inodes = {inode for found, inode in _listeners("self", proc) if found == port}
        for pid in filter(str.isdigit, os.listdir(proc)):
            with contextlib.suppress(OSError):
                if inodes & _sockets(int(pid), proc):
                    return f"{read_file(f'{proc}/{pid}/comm').strip()} (pid {pid})"
    return ""


def read_environment(pid: int, proc: str) -> dict[str, str]:
    """Return the environment with which this process started. Raises OSError."""
    pairs = (pair.partition("=") for pair in read_file(f"{proc}/{pid}/environ").split("\0") if pair)
    return {name: value for name, _separator, value in pairs}


def _listeners(pid: int | str, proc: str) -> list[tuple[int, str]]:
    """Return (port, inode) of every listening TCP socket in the network namespace of the process."""
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a host without IPv6 has no tcp6
            for line in read_file(f"{proc}/{pid}/net/{table}").split("\n")[1:]:
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


def read_file(path: str) -> str:
    """Return the text of a file of /proc. Raises OSError."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
