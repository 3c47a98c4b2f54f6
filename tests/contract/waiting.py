# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for facts with a deadline, and watching that a fact stays true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.02
"""Seconds between two looks: far below every time that the tests tell apart."""

SOON = 20.0
"""Seconds after which something that is due at once is given up: far beyond every time of the server's but its poll of 30 s. It tells what hangs
and measures nothing; where a time counts, it is compared with another one of the same test."""

T = TypeVar("T")


class NotInTime(AssertionError):
    """A fact that was waited for did not come true before its deadline."""


class DidNotHold(AssertionError):
    """A fact that should have stayed true did not."""


def until(fact: Callable[[], T], within: float, what: str) -> float:
    """Look at ``fact`` until it is true, for ``within`` seconds at most.

    A fact that cannot be looked at yet (OSError: nothing listens) is not true yet.
    Returns the seconds that it took. Raises NotInTime with what was seen last.
    """
    start = time.monotonic()
    while True:
        seen: object
        try:
            seen = fact()
        except OSError as error:
            seen = error
        else:
            if seen:
                return time.monotonic() - start
        if time.monotonic() - start > within:
            raise NotInTime(f"not within {within} s: {what}; seen last: {seen!r}")
        time.sleep(PAUSE)


def holds(fact: Callable[[], T], seconds: float, what: str) -> None:
    """Look at ``fact`` for ``seconds`` seconds. Raises DidNotHold as soon as it is not true."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        if not fact():
            raise DidNotHold(f"no longer true after {passed:.2f} s of {seconds} s: {what}")
        time.sleep(PAUSE)
