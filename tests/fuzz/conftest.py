# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give each test its inputs. Print the number of inputs and the outcomes at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..property.profiles import chosen
from .inputs import Fuzzer, fuzzer

INPUTS = "fuzzer inputs"


def pytest_configure() -> None:
    try:
        chosen()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Iterator[Fuzzer]:
    made = fuzzer(request.node.name)
    print(f"BANYANDB_FUZZ_SEED={made.seed}")
    yield made
    request.node.user_properties.append((INPUTS, [made.name, made.seed, made.ran, made.tally]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ()) if report.when == "teardown"]
    reports += [report for report in terminalreporter.stats.get("", ()) if report.when == "teardown"]
    for report in reports:
        for name, value in report.user_properties:
            if name == INPUTS:
                test, seed, ran, tally = value
                came = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(tally.items(), key=lambda item: -item[1]))
                terminalreporter.write_line(f"{INPUTS}: {ran:,} in {test} (seed {seed}): {came}")
