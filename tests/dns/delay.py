# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy that adds a delay to a DNS server. It reads only the message id and runs in a separate process, so a measurement through
the proxy measures the client.

``python -m tests.dns.delay UPSTREAM PORT ADDRESS PORT SECONDS`` runs until stdin ends.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections import deque
from types import TracebackType

from tests.conftest import ROOT

# Holds more than a burst of answers, for any default of the machine.
BUFFER = 1 << 22


class DelayingProxy:
    """Serve UDP on ``address``:``port`` and forward each answer of ``upstream`` after ``seconds``."""

    def __init__(self, upstream: tuple[str, int], address: str, port: int, seconds: float) -> None:
        words = [*upstream, address, port, seconds]
        self._command = [sys.executable, "-m", "tests.dns.delay", *map(str, words)]

    def __enter__(self) -> DelayingProxy:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._process.stdout is not None and self._process.stdout.readline() == b"ready\n", "the delaying proxy did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()


def serve(upstream: tuple[str, int], listen: tuple[str, int], seconds: float) -> None:
    """Forward questions until stdin ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        for each in (front, back):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            each.setblocking(False)
        front.bind(listen)
        back.connect(upstream)
        print("ready", flush=True)
        # Clients may use the same id at the same time, so each question gets a new id here.
        asked: dict[bytes, tuple[bytes, tuple[str, int]]] = {}
        late: deque[tuple[float, bytes, tuple[str, int]]] = deque()
        number = 0
        while True:
            wait = max(0.0, late[0][0] - time.monotonic()) if late else None
            readable, _, _ = select.select([front, back, sys.stdin], [], [], wait)
            if sys.stdin in readable:
                return
            if front in readable:
                question, asker = front.recvfrom(65535)
                number = (number + 1) % 0x10000
                own = number.to_bytes(2, "big")
                asked[own] = question[:2], asker
                back.send(own + question[2:])
            if back in readable:
                answer = back.recv(65535)
                theirs, asker = asked.pop(answer[:2])
                late.append((time.monotonic() + seconds, theirs + answer[2:], asker))
            while late and late[0][0] <= time.monotonic():
                _due, answer, asker = late.popleft()
                front.sendto(answer, asker)


if __name__ == "__main__":
    to, to_port, address, port, late_by = sys.argv[1:]
    serve((to, int(to_port)), (address, int(port)), float(late_by))
