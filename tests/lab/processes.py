# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the processes of the lab and end only these.

A host has three processes: a shell that runs systemd-nspawn (and runs it again when the host reboots), systemd-nspawn, and the
host's init. All three have MARK=<directory of the host> in their environment. This module searches the processes instead of a file
with pids, so the result is right after any crash, and a reused pid cannot match.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MARK = "BANYANDB_LAB_HOST"


@dataclass(frozen=True)
class Process:
    """A process of a host. `start` is in clock ticks since boot (field 22 of /proc/<pid>/stat): pid and start name one process for ever."""

    pid: int
    start: int
    host: Path
    role: str
    """`shell`, `nspawn` or `init`."""


def find(below: Path) -> list[Process]:
    """Return the processes of all hosts with a directory below this one."""
    prefix = f"{MARK}={below}/".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            start = _start(int(entry))
            mark = next((v for v in _read(entry, "environ").split(b"\0") if v.startswith(prefix)), None)
            if mark is None:
                continue
            host = Path(mark.decode().split("=", 1)[1])
            role = _role(entry, host)
            if start != _start(int(entry)):
                continue
        except OSError:
            # The process has ended, or root may not look into it. The lab has no such process.
            continue
        if role is not None:
            found.append(Process(int(entry), start, host, role))
    return found


def kill(processes: Iterable[Process], seconds: float = 10) -> list[Process]:
    """SIGKILL each process and wait until it is gone. Return the processes that are still there after `seconds`.

    The kernel ends all processes of a host (its pid namespace) before the host's init is gone.
    """
    waiting: list[tuple[Process, int]] = []
    deadline = time.monotonic() + seconds
    try:
        for process in processes:
            descriptor = _open(process)
            if descriptor is not None:
                waiting.append((process, descriptor))
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return [process for process, descriptor in waiting if not _gone(descriptor, deadline - time.monotonic())]
    finally:
        for _process, descriptor in waiting:
            os.close(descriptor)


def wait_gone(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Wait until the processes end. Return the processes that are still there after `seconds`."""
    deadline = time.monotonic() + seconds
    left = []
    for process in processes:
        descriptor = _open(process)
        if descriptor is None:
            continue
        if not _gone(descriptor, deadline - time.monotonic()):
            left.append(process)
        os.close(descriptor)
    return left


def _open(process: Process) -> int | None:
    """Return a pidfd of exactly this process: the function opens the pidfd first and compares the start time after that."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    try:
        if _start(process.pid) == process.start:
            return descriptor
    except (FileNotFoundError, ProcessLookupError):
        pass
    os.close(descriptor)
    return None


def _gone(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _read(pid: str, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as stream:
        return stream.read()


def _start(pid: int) -> int:
    # The second field, the command in brackets, may contain blanks and brackets.
    return int(_read(str(pid), "stat").rsplit(b")", 1)[1].split()[19])


def _role(pid: str, host: Path) -> str | None:
    """Return the role, or None for a process that only inherited the mark, such as a program that a user started from a shell of the lab."""
    line = next(line for line in _read(pid, "status").splitlines() if line.startswith(b"NSpid:"))
    pids = line.split()[1:]
    if len(pids) == 2 and pids[1] == b"1":
        return "init"
    words = _read(pid, "cmdline").split(b"\0")
    if len(pids) > 1 or f"--directory={host}/root".encode() not in words:
        return None
    return "nspawn" if os.path.basename(words[0]) == b"systemd-nspawn" else "shell"
