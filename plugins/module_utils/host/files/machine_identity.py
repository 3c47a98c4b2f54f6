# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the identifiers of this machine. Standard library only, Python 3.9+."""

from __future__ import annotations

import os

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_PID_NAMESPACE = "/proc/self/ns/pid"
_PRODUCT_UUID = "/sys/class/dmi/id/product_uuid"


def machine_identity() -> dict[str, str]:
    """Return ``machine_id``, ``boot_id``, ``pid_namespace`` and ``product_uuid``. An identifier that this host does not have is empty.

    Clones of one image share the machine-id. Each boot of a kernel has a new boot id, but containers share a kernel; the PID namespace distinguishes
    containers. Two machines resumed from one snapshot share these three identifiers; the product UUID distinguishes such machines.
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
