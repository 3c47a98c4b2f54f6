# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes with the sub-command and the environment of a server. They only sleep."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server_process(kind: str, **environment: str) -> Iterator[int]:
    """Run ``<program> <kind>`` with this environment, and yield the process ID."""
    with subprocess.Popen(["/bin/sh", "-c", "read line", kind], env=environment, stdin=subprocess.PIPE) as process:
        # Popen returns before exec on some kernels, and /proc then shows the environment of this process or nothing.
        while Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[-2:-1] != [kind.encode()]:
            time.sleep(0.01)
        try:
            yield process.pid
        finally:
            process.kill()
