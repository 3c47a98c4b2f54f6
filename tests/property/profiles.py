# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Number of examples of the property tests and inputs of the fuzzers: the variable BANYANDB_TEST_PROFILE selects a profile.

``dev`` is for a quick manual run, ``ci`` for `make test`, ``deep`` for `make test-deep`.
BANYANDB_FUZZ_INPUTS overrides the inputs of a fuzzer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Profile:
    """``examples`` of each property, ``inputs`` of each fuzzer. Without ``random`` they are the same in each run, so a failure
    comes from a change of the code.
    """

    name: str
    examples: int
    inputs: int
    random: bool


PROFILES = {
    profile.name: profile
    for profile in (Profile("dev", 200, 200, True), Profile("ci", 10_000, 2_000, False), Profile("deep", 100_000, 100_000, True))
}


def chosen() -> Profile:
    """Return the profile in the environment. Raises ValueError for an unknown profile."""
    name = os.environ.get("BANYANDB_TEST_PROFILE", "dev")
    inputs = os.environ.get("BANYANDB_FUZZ_INPUTS", "")
    if name not in PROFILES:
        raise ValueError(f"BANYANDB_TEST_PROFILE is {name!r}: expected one of {', '.join(PROFILES)}")
    if inputs and not (inputs.isascii() and inputs.isdigit() and int(inputs) >= 1):
        raise ValueError(f"BANYANDB_FUZZ_INPUTS is {inputs!r}: expected a number from 1")
    profile = PROFILES[name]
    return replace(profile, inputs=int(inputs)) if inputs else profile
