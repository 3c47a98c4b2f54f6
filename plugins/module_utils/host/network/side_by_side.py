# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs slow functions in parallel with a time limit. Standard library only, Python 3.9+."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


def side_by_side(work: Callable[[Item], Any], items: Iterable[Item], workers: int, seconds: float) -> dict[Item, Any]:
    """Return item -> ``work(item)``, for the items that end within ``seconds``. ``workers``: number of parallel threads.

    ``work`` must not raise; the result would lack its item. The threads are daemons, because Python cannot interrupt a DNS query to a server that is
    not responding. The executors of the standard library would wait for the query at the end of the process.
    """
    todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Item, Any]] = queue.SimpleQueue()
    count = 0
    for item in items:
        todo.put(item)
        count += 1

    def run() -> None:
        while True:
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            done.put((item, work(item)))

    for _number in range(min(workers, count)):
        threading.Thread(target=run, daemon=True).start()
    ends = time.monotonic() + seconds
    results: dict[Item, Any] = {}
    while len(results) < count:
        try:
            item, result = done.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            break
        results[item] = result
    return results
