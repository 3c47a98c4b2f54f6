# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a process and its children longer time slices, for a time when more processes want to run than the machine has processors.

The processor caches hold another process's data at the start of each slice. Measured with four gates at a time on two processors:
slices of up to 20 ms instead of the kernel's 1.4 ms saved 16 % of the processor time and of the wall time of four scenarios.
The policy `batch` alone saved 6 % (one run each).
"""

from __future__ import annotations

import ctypes
import os
import struct

SECONDS = 0.02

# sched_setattr(2): glibc has no function for it before 2.41.
_SYSCALL = {"x86_64": 314, "aarch64": 274}
# struct sched_attr: size, policy, flags, nice, priority, runtime (the slice's length, from Linux 6.12 on), deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def take_long_turns() -> None:
    """Set the time slice of the calling process and of the children it starts later. A kernel without this feature changes nothing."""
    number = _SYSCALL.get(os.uname().machine)
    if number is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_BATCH, 0, nice, 0, int(SECONDS * 1e9), 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
