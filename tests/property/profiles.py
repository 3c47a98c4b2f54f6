# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the property tests and the fuzzers run: the variable BANYANDB_TEST_PROFILE chooses.

``dev`` is for a quick run by hand, ``ci`` is what `make test` runs, ``deep`` what `make test-deep` runs.
BANYANDB_FUZZ_INPUTS sets the inputs of a fuzzer alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Profile:
    """``examples`` of each property, ``inputs`` of each fuzzer. Without ``random`` they are the same each time: what stops a change is
    the change."""

    name: str
    examples: int
    inputs: int
    random: bool


PROFILES = {
    profile.name: profile
    for profile in (Profile("dev", 200, 200, True), Profile("ci", 10_000, 2_000, False), Profile("deep", 100_000, 100_000, True))
}


def chosen() -> Profile:
    """The profile that the environment names. Raises ValueError for one that does not exist."""
    name = os.environ.get("BANYANDB_TEST_PROFILE", "dev")
    inputs = os.environ.get("BANYANDB_FUZZ_INPUTS", "")
    if name not in PROFILES:
        raise ValueError(f"BANYANDB_TEST_PROFILE is {name!r}: expected one of {', '.join(PROFILES)}")
    if inputs and not (inputs.isascii() and inputs.isdigit() and int(inputs) >= 1):
        raise ValueError(f"BANYANDB_FUZZ_INPUTS is {inputs!r}: expected a number from 1")
    profile = PROFILES[name]
    return replace(profile, inputs=int(inputs)) if inputs else profile
