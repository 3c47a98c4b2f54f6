# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the figures were taken on, in words."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """Processor, memory, kernel and versions, in one line."""
    processor = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return (
        f"{os.cpu_count()} cores ({processor}), {memory / 1024 / 1024:.0f} GiB of memory, Linux {platform.release()}, "
        f"Python {platform.python_version()}, ansible-core {version('ansible-core')}"
    )


def load() -> float:
    """How many processes wanted a core in the last minute; a figure taken above the number of cores is a poor one."""
    return os.getloadavg()[0]
