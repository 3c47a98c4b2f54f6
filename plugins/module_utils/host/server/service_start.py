# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, restart and stop a server of this host, and wait until its own process listens.

Standard library only, Python 3.9+.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.journal_excerpt import lines_since
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_process import port_holder, silent_ports
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import CommandFailed, Service, run, services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.journal_line import decisive, excerpt

#: Lines of the journal that a failure keeps.
JOURNAL_LINES = 20
# Of a reason, in characters, so that a summary has room for the hosts and the command that shows the journal.
_MOST = 150


class NotReady(Exception):
    """A server did not start, or did not stop. ``reason``: one line; ``log``: the command that shows the rest, or nothing; ``journal``: lines."""

    def __init__(self, reason: str, log: str = "", journal: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}. Log: {log}." if log else reason)
        self.reason = reason
        self.log = log
        self.journal = list(journal)

    def to_mapping(self) -> dict[str, Any]:
        """What a module returns that reports the failure in place of failing."""
        return {"failure": {"reason": self.reason, "log": self.log}, "journal": self.journal}

    def to_failure(self, verbosity: int) -> dict[str, Any]:
        """What a module returns that fails. Ansible prints a failed result as a whole, so the journal is there with ``-v`` only."""
        return {"msg": str(self), **({"journal": self.journal} if verbosity and self.journal else {})}


@dataclass(frozen=True)
class Readiness:
    """``seconds`` from the order to start until all ports listened; ``service`` as it was then."""

    changed: bool
    seconds: float
    service: Service

    def to_mapping(self) -> dict[str, Any]:
        """What modules return of it."""
        return {
            "seconds": self.seconds,
            "main_pid": self.service.main_pid,
            "started_at": self.service.started_at,
            "started_us": self.service.started_us,
        }


def known(name: str) -> Service:
    """The service as it is. Raises NotReady where systemd has no such unit, and HostStateError."""
    found = services([name])[name]
    if not found.exists:
        raise NotReady(f"{name}: systemd does not know this unit. Write the unit with the role skywalking.banyandb.node")
    return found


def foreseen(service: Service, restart: bool) -> tuple[bool, dict[str, str]]:
    """Whether come_up() would start it, and the difference that this makes, as Ansible shows it."""
    changed = restart or service.active_state not in ("active", "reloading")
    before = f"{service.active_state if service.exists else 'absent'}\n"
    return changed, {"before": before, "after": ("active, started anew\n" if restart else "active\n") if changed else before}


def come_up(name: str, restart: bool, ports: Sequence[int], timeout: float, journal_lines: int = JOURNAL_LINES) -> Readiness:
    """Start the service (or restart it) and wait until its own process listens on all ``ports``.

    ``timeout`` is in seconds from the end of systemctl's own work. A process that ends meanwhile is an error at
    once, not at the timeout. A service that already runs is not started again, but waited for all the same.
    Raises NotReady and HostStateError.
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
    """Stop the service and wait until its process is gone, which systemd kills when it does not go. Returns whether there was one to stop.

    Raises NotReady and HostStateError.
    """
    active = services([name])[name].active_state not in ("inactive", "failed", "")
    if active:
        _systemctl("stop", _Order(name, "", time.time(), journal_lines))
    return active


@dataclass(frozen=True)
class _Order:
    """An order to systemd: the unit, the invocation that ran before, when the order was given (seconds since the epoch), lines to keep."""

    unit: str
    before: str
    began_at: float
    journal_lines: int

    def failed(self, what: str, otherwise: str, more: str = "") -> NotReady:
        """Return the failure: ``what`` happened, the decisive message of the journal or else ``otherwise``, and ``more``."""
        name = self.unit[: -len(".service")] if self.unit.endswith(".service") else self.unit
        lines = lines_since(self.unit, self.began_at, self.before)
        said = decisive(lines)
        mark = '"' if said else ""
        reason = fitted(f"{name} {what}: {mark}", said or otherwise, f"{mark}{more}", _MOST) if said or otherwise else f"{name} {what}{more}"
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
