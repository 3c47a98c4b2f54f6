# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order the addresses of one host for connection attempts (RFC 8305). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

# Seconds before the next attempt starts in parallel to an attempt without a response (RFC 8305, section 5).
ATTEMPT_DELAY = 0.25


def interleaved(answers: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the answers of getaddrinfo() with alternating address families (RFC 8305, section 4).

    The family of the first answer stays first. The order within a family stays as the system's policy has it (RFC 6724).
    """
    families: dict[Any, list[tuple[Any, ...]]] = {}
    for answer in answers:
        families.setdefault(answer[0], []).append(answer)
    return [answer for turn in zip_longest(*families.values()) for answer in turn if answer is not None]
