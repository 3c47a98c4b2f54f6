# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are the lab's, and ending exactly those.

A host is three processes: a shell that runs systemd-nspawn (and again when the host reboots), systemd-nspawn, and the
host's init, which it starts. All carry MARK=<directory of the host> in the environment they were started with. That is
found by looking, not remembered in a file, so it holds after any crash; and a process id that was given to somebody
else in the meantime cannot match.
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
    """A process of a host. `start` is in clock ticks since boot (field 22 of /proc/<pid>/stat): with it, a pid means one process for good."""

    pid: int
    start: int
    host: Path
    role: str
    """`shell`, `nspawn` or `init`."""


def find(below: Path) -> list[Process]:
    """The processes of all hosts whose directory is below the given one."""
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
            # Gone meanwhile, or a process that root may not look into; none of ours is such.
            continue
        if role is not None:
            found.append(Process(int(entry), start, host, role))
    return found


def kill(processes: Iterable[Process], seconds: float = 10) -> list[Process]:
    """SIGKILL each and wait until it is gone. Returns those that were not within the given seconds.

    A host's init takes everything in the host with it: the kernel ends the whole pid namespace before init is gone.
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
    """Wait for processes to end by themselves. Returns those that did not."""
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
    """A handle on exactly this process: the start time is compared after the handle is held."""
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
    # The second field, the command in brackets, may hold blanks and brackets itself.
    return int(_read(str(pid), "stat").rsplit(b")", 1)[1].split()[19])


def _role(pid: str, host: Path) -> str | None:
    """None for what only inherited the mark, such as a program that a user started from a shell of the lab."""
    line = next(line for line in _read(pid, "status").splitlines() if line.startswith(b"NSpid:"))
    pids = line.split()[1:]
    if len(pids) == 2 and pids[1] == b"1":
        return "init"
    words = _read(pid, "cmdline").split(b"\0")
    if len(pids) > 1 or f"--directory={host}/root".encode() not in words:
        return None
    return "nspawn" if os.path.basename(words[0]) == b"systemd-nspawn" else "shell"
