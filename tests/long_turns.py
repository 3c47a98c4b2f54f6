# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Longer turns on the processor for a process and all that it starts, for when many more want to run than there are processors.

Each turn begins with caches that are another's. With four gates at a time on two processors, turns of up to 20 ms in place of the kernel's
1.4 ms took 16 % of the processor time of four scenarios away, and as much of their wall time; the policy `batch` alone 6 % (one run each).
"""

from __future__ import annotations

import ctypes
import os
import struct

SECONDS = 0.02

# sched_setattr(2): glibc has no function for it before 2.41.
_SYSCALL = {"x86_64": 314, "aarch64": 274}
# struct sched_attr: size, policy, flags, nice, priority, runtime (the length of a turn, from Linux 6.12 on), deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def take_long_turns() -> None:
    """For the calling process and what it starts from now on. Where the kernel does not know that, all stays as it is."""
    number = _SYSCALL.get(os.uname().machine)
    if number is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_BATCH, 0, nice, 0, int(SECONDS * 1e9), 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
