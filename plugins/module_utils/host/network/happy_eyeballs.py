# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects to the first address of a host that answers (RFC 8305). Standard library only, Python 3.9+.

A host with an IPv4 and an IPv6 address often answers on only one of them. In sequence, an address that does not respond would use the whole
time-out. The server tries addresses in parallel (gRPC's pick_first), so this module must do the same.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import time
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.address_order import ATTEMPT_DELAY, interleaved


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """Return a TCP connection to ``host``. ``deadline``: seconds of the monotonic clock. The time-out of the connection is the rest of this time.

    Raises socket.gaierror, ConnectionRefusedError if an address refuses and no address accepts, socket.timeout at the deadline, other OSErrors, and
    UnicodeError for a host name that IDNA cannot encode.
    """
    waiting = interleaved(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    race = _Race()
    with contextlib.closing(race):
        next_start = time.monotonic()
        while (waiting or race.under_way) and time.monotonic() < deadline:
            if waiting and time.monotonic() >= next_start:
                next_start = time.monotonic() + (ATTEMPT_DELAY if race.start(waiting.pop(0)) else 0.0)
            winner = race.wait(min(deadline, next_start if waiting else math.inf))
            if winner is not None:
                winner.settimeout(max(0.001, deadline - time.monotonic()))
                return winner
            if not race.under_way:
                next_start = time.monotonic()  # all attempts failed, so the next address starts at once
        raise race.failure()


class _Race:
    """Connection attempts in parallel. ``under_way``: descriptor -> socket that is connecting."""

    def __init__(self) -> None:
        self.under_way: dict[int, socket.socket] = {}
        self._failures: list[OSError] = []
        self._poll = select.poll()

    def start(self, answer: Any) -> bool:
        """Start an attempt for one answer of getaddrinfo(). Return whether the attempt is in progress."""
        family, kind, protocol, _name, where = answer
        attempt = None
        try:
            attempt = socket.socket(family, kind, protocol)
            attempt.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                attempt.connect(where)
        except OSError as error:  # such as an IPv6 address on a host without IPv6
            if attempt is not None:
                attempt.close()
            self._failures.append(error)
            return False
        self.under_way[attempt.fileno()] = attempt
        self._poll.register(attempt, select.POLLOUT)
        return True

    def wait(self, until: float) -> socket.socket | None:
        """Return the first connected socket. Return None if an attempt fails, or at ``until`` (seconds of the monotonic clock)."""
        if not self.under_way:
            return None
        for descriptor, _event in self._poll.poll(max(0, math.ceil((until - time.monotonic()) * 1000))):
            attempt = self.under_way.pop(descriptor)
            self._poll.unregister(descriptor)
            code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return attempt
            attempt.close()
            self._failures.append(OSError(code, os.strerror(code)))
        return None

    def failure(self) -> OSError:
        """Return the most useful failure. A refusal comes from the host; a time-out can come from anywhere."""
        refused = [error for error in self._failures if isinstance(error, ConnectionRefusedError)]
        if refused:
            return refused[0]
        return socket.timeout("timed out") if self.under_way or not self._failures else self._failures[0]

    def close(self) -> None:
        """Close all attempts in progress."""
        for attempt in self.under_way.values():
            attempt.close()
