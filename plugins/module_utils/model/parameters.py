# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check parameters that several modules have. Standard library only, Python 3.9+."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST_SECONDS = 86400


def require_seconds(params: Mapping[str, Any], least: Mapping[str, float]) -> None:
    """Check that each parameter in ``least`` is a time of at least so many seconds. ``least``: option -> seconds.

    Raises ValueError that names the option.
    """
    for option, shortest in least.items():
        if not shortest <= params[option] <= LONGEST_SECONDS:
            raise ValueError(f"{option} is {params[option]}: expected seconds, at least {shortest:g} and at most {LONGEST_SECONDS}")
