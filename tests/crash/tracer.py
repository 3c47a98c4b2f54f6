# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program under ptrace(2) and stop it between two chosen system calls on the files of one directory.

The tracer counts only calls that change something there or open something. The numbers of calls therefore do not depend on the rest of
the program (imports, network, threads). As a program, the tracer is an interpreter for Ansible:

python -m tests.crash.tracer DIRECTORY NUMBER WHEN REPORT -- PROGRAM [ARGUMENT...]

kills PROGRAM at that moment (NUMBER -1: never), writes the calls to REPORT, and ends as PROGRAM ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BEFORE, HALF, AFTER = "before", "half", "after"
WHEN = (BEFORE, HALF, AFTER)
"""Before a call; when half of a write's bytes are in the file; after a call."""

# Requests, options and events of ptrace(2), <linux/ptrace.h>.
TRACEME, CONT, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
# Stops are distinct; follow fork, vfork, clone, exec; stop where the filter says so; all processes die with the tracer.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
WALL = 0x40000000
INFO = struct.Struct("=B3xIQQ7Q")  # kind of stop, architecture, ip, sp, number and arguments
EXIT, FILTERED = 2, 3
STOP_AT_EXIT, STOP_BY_FILTER = signal.SIGTRAP | 0x80, signal.SIGTRAP | 7 << 8
# seccomp(2) and its filter, <linux/seccomp.h> and <linux/filter.h>.
SET_SECCOMP, MODE_FILTER, TRACE, ALLOW = 22, 2, 0x7FF00000, 0x7FFF0000
STATEMENT = struct.Struct("=HBBI")
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06

# Call -> its paths in the order of the arguments: d a descriptor, p a path, a a descriptor and a path below it.
CALLS = {
    "open": "p", "creat": "p", "openat": "a", "close": "d", "flock": "d",
    "write": "d", "pwrite64": "d", "writev": "d", "pwritev": "d", "sendfile": "d", "copy_file_range": "..d",
    "fallocate": "d", "truncate": "p", "ftruncate": "d", "fsync": "d", "fdatasync": "d",
    "chmod": "p", "fchmod": "d", "fchmodat": "a", "chown": "p", "fchown": "d", "fchownat": "a",
    "rename": "pp", "renameat": "aa", "renameat2": "aa", "link": "pp", "linkat": "aa", "symlink": "pp", "symlinkat": "pa",
    "unlink": "p", "unlinkat": "a",
}  # fmt: skip
NUMBERS = {
    "x86_64": {
        "write": 1, "open": 2, "close": 3, "pwrite64": 18, "writev": 20, "sendfile": 40, "flock": 73, "fsync": 74, "fdatasync": 75,
        "truncate": 76, "ftruncate": 77, "rename": 82, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91,
        "chown": 92, "fchown": 93, "openat": 257, "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266,
        "fchmodat": 268, "fallocate": 285, "pwritev": 296, "renameat2": 316, "copy_file_range": 326,
    },
    "aarch64": {
        "flock": 32, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45, "ftruncate": 46, "fallocate": 47,
        "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56, "close": 57, "write": 64, "writev": 66, "pwrite64": 68,
        "pwritev": 70, "sendfile": 71, "fsync": 82, "fdatasync": 83, "renameat2": 276, "copy_file_range": 285,
    },
}  # fmt: skip
# The new part in each name of a temporary file or a backup.
NEW = re.compile(r"[0-9a-f]{16}|\d{4}-\d\d-\d\dT[\d:.]+Z")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)


@dataclass(frozen=True)
class Moment:
    """When to stop: at the call of this number (from 0); for AFTER, this number of seconds later."""

    call: int
    when: str = BEFORE
    seconds: float = 0.0


@dataclass
class Traced:
    """The trace: the calls begun, as ``rename .topology.yml.*.tmp topology.yml`` (``.`` is the directory), the calls that are
    done, and the final status of waitpid(2).
    """

    calls: list[str] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    status: int = 0

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


def run(
    program: Callable[[], None], directory: str | None, moment: Moment | None = None, stopped: Callable[[int, Traced], None] | None = None
) -> Traced:
    """Run ``program`` in a child. At ``moment``, kill it, or call ``stopped`` with its process; ``stopped`` may kill it.

    ``program`` must not return. Without ``directory`` the program runs without interruption. The caller must have no other children.
    Raises OSError where ptrace is forbidden.
    """
    child = os.fork()
    if child == 0:
        if directory is not None:
            _ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            _stop_at(NUMBERS[platform.machine()].values())
        program()
        os._exit(70)
    if directory is None:
        return Traced(status=os.waitpid(child, 0)[1])
    return _Tracer(child, os.path.realpath(directory), moment, stopped or _kill).follow()


def _kill(process: int, _: Traced) -> None:
    os.kill(process, signal.SIGKILL)


class _Tracer:
    def __init__(self, child: int, directory: str, moment: Moment | None, stopped: Callable[[int, Traced], None]) -> None:
        self.child, self.directory, self.moment, self.stopped = child, directory, moment, stopped
        self.names = {number: name for name, number in NUMBERS[platform.machine()].items()}
        self.seen = Traced()
        self.inside: dict[int, int] = {}

    def follow(self) -> Traced:
        os.waitpid(self.child, WALL)
        _ptrace(SETOPTIONS, self.child, OPTIONS)
        threads = {self.child}
        _ptrace(CONT, self.child)
        while True:
            thread, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if thread == self.child:
                    self.seen.status = status
                    return self.seen
                continue
            number = os.WSTOPSIG(status)
            counted = self._at_call(thread) if status >> 8 in (STOP_AT_EXIT, STOP_BY_FILTER) else False
            # A new thread begins with a stop, and events look like a SIGTRAP: neither is a signal for the program.
            mine = number in (STOP_AT_EXIT, signal.SIGTRAP) or (number == signal.SIGSTOP and thread not in threads)
            threads.add(thread)
            with suppress(ProcessLookupError):  # the thread was killed: waitpid reports its end
                _ptrace(SYSCALL if counted else CONT, thread, 0 if mine else number)

    def _at_call(self, thread: int) -> bool:
        """Handle the call that the thread begins or ends. Return whether to stop at its end too."""
        buffer = ctypes.create_string_buffer(128)
        try:
            _ptrace(GET_SYSCALL_INFO, thread, ctypes.addressof(buffer), len(buffer))
        except ProcessLookupError:
            return False
        kind, _, _, _, number, *arguments = INFO.unpack_from(buffer)
        if kind == EXIT and thread in self.inside:
            call = self.inside.pop(thread)
            self.seen.done.add(call)
            self._reached(call, AFTER)
        elif kind == FILTERED:
            paths = self._paths(thread, CALLS[self.names[number]], arguments)
            if paths:
                call = self.inside[thread] = len(self.seen.calls)
                self.seen.calls.append(" ".join([self.names[number], *paths]))
                self._reached(call, BEFORE)
                if self.moment == Moment(call, HALF):
                    self._write_half(thread, *arguments[:3])
                    self._reached(call, HALF)
                return True
        return False

    def _reached(self, call: int, when: str) -> None:
        if self.moment is None or (self.moment.call, self.moment.when) != (call, when):
            return
        if not self.moment.seconds:
            self.stopped(self.child, self.seen)
            return
        process = os.pidfd_open(self.child)
        later = threading.Timer(self.moment.seconds, signal.pidfd_send_signal, (process, signal.SIGKILL))
        later.daemon = True
        later.start()

    def _write_half(self, thread: int, descriptor: int, address: int, count: int) -> None:
        """Simulate an incomplete write: write the first half of the bytes at the position of the write."""
        given = Path(f"/proc/{thread}/fdinfo/{descriptor}").read_text()
        appends = int(given.split("flags:")[1].split()[0], 8) & os.O_APPEND
        with open(f"/proc/{thread}/fd/{descriptor}", "r+b") as file:
            place = os.fstat(file.fileno()).st_size if appends else int(given.split("pos:")[1].split()[0])
            os.pwrite(file.fileno(), self._memory(thread, address, count // 2), place)

    def _paths(self, thread: int, kinds: str, arguments: list[int]) -> list[str]:
        """Return the call's paths in the format of the report, or nothing when no path is in the directory."""
        given = iter(arguments)
        paths = []
        for kind in kinds:
            value = next(given)
            if kind == "d":
                paths.append(self._descriptor(thread, value))
            elif kind == "p":
                paths.append(os.path.join(self._descriptor(thread, -100), self._text(thread, value)))
            elif kind == "a":
                paths.append(os.path.join(self._descriptor(thread, value), self._text(thread, next(given))))
        if not any(path == self.directory or path.startswith(f"{self.directory}/") for path in paths):
            return []
        return [NEW.sub("*", os.path.relpath(path, self.directory)) for path in paths]

    @staticmethod
    def _descriptor(thread: int, number: int) -> str:
        """Return the path of an open file, or of the working directory for AT_FDCWD."""
        number = ctypes.c_int(number & 0xFFFFFFFF).value
        try:
            return os.readlink(f"/proc/{thread}/cwd" if number == -100 else f"/proc/{thread}/fd/{number}")
        except OSError:
            return ""

    def _text(self, thread: int, address: int) -> str:
        found = b""
        while b"\0" not in found:
            # Read only to the end of the page: the next page may not exist.
            found += self._memory(thread, address + len(found), 4096 - (address + len(found)) % 4096)
        return os.fsdecode(found.split(b"\0")[0])

    @staticmethod
    def _memory(thread: int, address: int, count: int) -> bytes:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), count, address)


def _stop_at(numbers: Iterable[int]) -> None:
    """Make this process stop only at these calls. All other calls keep their speed."""
    wanted = sorted(numbers)
    lines = [STATEMENT.pack(LOAD, 0, 0, 0)]
    lines += [STATEMENT.pack(EQUAL, len(wanted) - place, 0, number) for place, number in enumerate(wanted)]
    lines += [STATEMENT.pack(RETURN, 0, 0, ALLOW), STATEMENT.pack(RETURN, 0, 0, TRACE)]
    given = ctypes.create_string_buffer(b"".join(lines))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(given)))
    if _libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.addressof(program), 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}; the crash tests need root")


def _ptrace(request: int, thread: int, data: int = 0, address: int = 0) -> None:
    if _libc.ptrace(request, thread, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


def main(words: list[str]) -> None:
    directory, number, when, report = words[:4]
    program = words[5:]
    moment = Moment(int(number), when) if int(number) >= 0 else None
    traced = run(lambda: os.execvp(program[0], program), directory, moment)
    Path(report).write_text(json.dumps({"calls": traced.calls, "killed": traced.killed}))
    if traced.killed:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(os.waitstatus_to_exitcode(traced.status))


if __name__ == "__main__":
    main(sys.argv[1:])
