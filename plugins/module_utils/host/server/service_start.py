# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, restarts and stops a server of this host, and waits until its process listens. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.journal_excerpt import lines_since
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_process import port_holder, silent_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import CommandFailed, Service, run, services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.journal_line import decisive, excerpt

#: Default number of journal lines in a failure.
JOURNAL_LINES = 20
# Maximum length of a reason in characters, because a summary also needs room for the hosts and the journalctl command.
_MOST = 150


class NotReady(Exception):
    """A server did not start, or did not stop. ``reason``: one line. ``log``: command that shows the journal, or empty. ``journal``: lines."""

    def __init__(self, reason: str, log: str = "", journal: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}. Log: {log}." if log else reason)
        self.reason = reason
        self.log = log
        self.journal = list(journal)

    def to_mapping(self) -> dict[str, Any]:
        """Return the result of a module that reports the failure and succeeds."""
        return {"failure": {"reason": self.reason, "log": self.log}, "journal": self.journal}

    def to_failure(self, verbosity: int) -> dict[str, Any]:
        """Return the result of a module that fails. Ansible prints a failed result completely, so the journal is included only with ``-v``."""
        return {"msg": message(self), **({"journal": self.journal} if verbosity and self.journal else {})}


@dataclass(frozen=True)
class Readiness:
    """Result of a start. ``seconds``: time from the start command until the process listened on all ports. ``service``: state at this time."""

    changed: bool
    seconds: float
    service: Service

    def to_mapping(self) -> dict[str, Any]:
        """Return the values for the result of a module."""
        return {
            "seconds": self.seconds,
            "main_pid": self.service.main_pid,
            "started_at": self.service.started_at,
            "started_us": self.service.started_us,
        }


def known(name: str) -> Service:
    """Return the state of the service. Raises NotReady if systemd does not know the unit, and HostStateError."""
    found = services([name])[name]
    if not found.exists:
        raise NotReady(f"{name}: systemd does not know this unit. Write the unit with the role skywalking.banyandb.node")
    return found


def foreseen(service: Service, restart: bool) -> tuple[bool, dict[str, str]]:
    """Return whether come_up() would start the service, and the difference in Ansible's diff format."""
    changed = restart or service.active_state not in ("active", "reloading")
    before = f"{service.active_state if service.exists else 'absent'}\n"
    return changed, {"before": before, "after": ("active, restarted\n" if restart else "active\n") if changed else before}


def come_up(name: str, restart: bool, ports: Sequence[int], timeout: float, journal_lines: int = JOURNAL_LINES) -> Readiness:
    """Start or restart the service, and wait until its main process listens on all ``ports``.

    ``timeout``: seconds from the end of the systemctl command. A process that ends during the wait is an error at once. Without ``restart``, a
    running service keeps running, and the function waits for its ports. Raises NotReady and HostStateError.
    """
    before = known(name)
    order = _Order(name, before.invocation, time.time(), journal_lines)
    began = time.monotonic()
    changed, _difference = foreseen(before, restart)
    if changed:
        _systemctl("restart" if restart else "start", order)
    service = services([name])[name]
    deadline = time.monotonic() + timeout
    while True:
        silent = silent_ports(service.main_pid, ports) if service.main_pid else list(ports)
        if service.main_pid and not silent:
            return Readiness(changed, round(time.monotonic() - began, 3), service)
        if not service.main_pid or not os.path.exists(f"/proc/{service.main_pid}"):
            raise order.failed("did not start", _end(services([name])[name]))
        if time.monotonic() >= deadline:
            raise order.failed(f"runs, and does not listen on {', '.join(map(str, silent))} after {timeout:g} s", "", _holders(silent))
        time.sleep(0.05)


def stop(name: str, journal_lines: int = JOURNAL_LINES) -> bool:
    """Stop the service and wait until its process has ended. systemd kills a process that does not end. Return whether the service was running.

    Raises NotReady and HostStateError.
    """
    active = services([name])[name].active_state not in ("inactive", "failed", "")
    if active:
        _systemctl("stop", _Order(name, "", time.time(), journal_lines))
    return active


@dataclass(frozen=True)
class _Order:
    """A command to systemd. ``before``: previous invocation of the unit. ``began_at``: time in seconds since the epoch."""

    unit: str
    before: str
    began_at: float
    journal_lines: int

    def failed(self, what: str, fallback: str, more: str = "") -> NotReady:
        """Return the failure: ``what`` happened, the decisive message of the journal, and ``more``. ``fallback`` replaces a missing message."""
        name = self.unit[: -len(".service")] if self.unit.endswith(".service") else self.unit
        lines = lines_since(self.unit, self.began_at, self.before)
        said = decisive(lines)
        mark = '"' if said else ""
        reason = fitted(f"{name} {what}: {mark}", said or fallback, f"{mark}{more}", _MOST) if said or fallback else f"{name} {what}{more}"
        return NotReady(reason, f"journalctl -u {name}", excerpt(lines, self.journal_lines))


def _systemctl(command: str, order: _Order) -> None:
    try:
        run(["systemctl", command, "--", order.unit])
    except CommandFailed as error:
        raise order.failed("did not stop" if command == "stop" else "did not start", error.said) from error


def _end(service: Service) -> str:
    how = {"exited": "exited with status", "killed": "was killed by signal", "dumped": "dumped core on signal"}
    return f"it {how[service.exit_code]} {service.exit_status}" if service.exit_code in how else f"it ended ({service.result or 'no result'})"


def _holders(ports: Sequence[int]) -> str:
    held = [f"{port} is held by {holder}" for port in ports for holder in [port_holder(port)] if holder]
    return f"; {'; '.join(held)}" if held else ""
