# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells this machine from all others. Standard library only, Python 3.9+."""

from __future__ import annotations

import os

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_PID_NAMESPACE = "/proc/self/ns/pid"
_PRODUCT_UUID = "/sys/class/dmi/id/product_uuid"


def machine_identity() -> dict[str, str]:
    """Return ``machine_id``, ``boot_id``, ``pid_namespace`` and ``product_uuid``, each empty where this host does not have it.

    The machine-id alone does not tell: clones of one image share it. The boot id is drawn at each boot of a kernel, which containers share; the
    PID namespace tells these apart. A machine that was resumed twice from one snapshot shares all three, and differs by its product UUID.
    """
    try:
        pid_namespace = os.readlink(_PID_NAMESPACE)
    except OSError:
        pid_namespace = ""
    return {
        "machine_id": _first_line(_MACHINE_ID),
        "boot_id": _first_line(_BOOT_ID),
        "pid_namespace": pid_namespace,
        "product_uuid": _first_line(_PRODUCT_UUID).lower(),
    }


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.readline().strip()
    except OSError:
        return ""
