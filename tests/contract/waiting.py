# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait for facts with a deadline, and check that a fact stays true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.02
"""Seconds between two polls: far below every time that the tests distinguish."""

SOON = 20.0
"""Seconds to wait for a fact that is due at once: far beyond every time of the server except its poll of 30 s. The limit finds a server that
hangs and measures nothing. A test that measures compares two times of the same test.
"""

T = TypeVar("T")


class NotInTime(AssertionError):
    """A fact did not become true before its deadline."""


class DidNotHold(AssertionError):
    """A fact did not stay true."""


def until(fact: Callable[[], T], within: float, what: str) -> float:
    """Poll ``fact`` until it is true, at most for ``within`` seconds. Return the seconds.

    A fact that raises OSError (no process listens) is not true yet. Raises NotInTime with the last value.
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
    """Poll ``fact`` for ``seconds`` seconds. Raises DidNotHold when it is not true."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        if not fact():
            raise DidNotHold(f"no longer true after {passed:.2f} s of {seconds} s: {what}")
        time.sleep(PAUSE)
