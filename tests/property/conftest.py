# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every property as often as the profile demands, and count the runs."""

from __future__ import annotations

import functools
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from .profiles import PROFILES, chosen

EXAMPLES = "property examples"

for profile in PROFILES.values():
    # No deadline and no speed check: this may be a slow, shared machine.
    settings.register_profile(
        f"banyandb-{profile.name}",
        max_examples=profile.examples,
        deadline=None,
        derandomize=not profile.random,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


def pytest_configure() -> None:
    try:
        settings.load_profile(f"banyandb-{chosen().name}")
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Count the examples that passed. A property with fewer examples than the profile demands fails."""
    if not is_hypothesis_test(pyfuncitem.obj):
        return (yield)
    handle = pyfuncitem.obj.hypothesis
    inner = handle.inner_test
    passed = 0

    @functools.wraps(inner)
    def counting(*arguments: Any, **named: Any) -> None:
        nonlocal passed
        inner(*arguments, **named)
        passed += 1

    handle.inner_test = counting
    try:
        result = yield
    finally:
        handle.inner_test = inner
    assert passed >= chosen().examples, f"{passed} examples were run, the profile {chosen().name} expects {chosen().examples}"
    pyfuncitem.user_properties.append((EXAMPLES, passed))
    return result


def pytest_terminal_summary(terminalreporter: Any) -> None:
    passed = [count for report in terminalreporter.stats.get("passed", ()) for name, count in report.user_properties if name == EXAMPLES]
    if passed:
        terminalreporter.write_line(
            f"{EXAMPLES}: {sum(passed):,} in {len(passed)} properties, at least {min(passed):,} each (profile {chosen().name})"
        )
