# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands, progress lines and locks for all parts of the lab."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .errors import LabError

POLL_SECONDS = 0.05


def say(text: str) -> None:
    """Print a progress line to stderr. stdout has only data (JSON, YAML)."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str], stdin: str | None = None, timeout: float = 60, check: bool = True) -> str:
    """Run a command and return its stdout.

    Raises LabError with the command and the end of its output when the command fails (with `check`), is not installed,
    or takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(list(command), input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise LabError(f"'{command[0]}' is not installed. Run 'python -m tests.lab setup' as root.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"'{' '.join(command)}' did not end within {timeout:.0f} s.") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"'{' '.join(command)}' failed with exit code {done.returncode}: {tail(said) or '(no output)'}")
    return done.stdout


def tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def wait_until(fact: Callable[[], bool], seconds: float) -> bool:
    """Poll until `fact` returns true. Return false when it is still false after `seconds`."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextlib.contextmanager
def lock(path: Path, seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on a file. The kernel releases the lock when the process ends.

    The file stays: after a removal two processes could lock two files with the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor):
            holder = os.pread(descriptor, 100, 0).decode() or "another command"
            say(f"waiting for {holder}, which holds {path}")
            if not wait_until(lambda: _try_lock(descriptor), seconds):
                raise LabError(f"{path}: {holder} still holds the lock after {seconds:.0f} s. Wait for that process or end it, then try again.")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file atomically. Replace a symlink and never follow it, because hosts can write to their disks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.lab")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    draft.replace(path)


def mounts_below(path: Path) -> list[str]:
    """Return the mount points at or below a path, innermost first."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        for line in stream:
            point = line.split()[1].encode().decode("unicode_escape")
            if point == str(path) or point.startswith(f"{path}/"):
                found.append(point)
    return found[::-1]
