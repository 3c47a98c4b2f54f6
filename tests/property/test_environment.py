# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment and the labels of any node reach its server unchanged, or a refusal has their name."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import (
    BadEnvironment,
    digests,
    environment_file,
    normalised,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel, labels_flag, labels_read

from .draw import Choices, made

SPECIAL = ('"', "\\", '\\"', "$HOME", "`id`", "\\\\", "\\n", "#", ";", "'", "=", "%h", "\t", " ", "${", "é")


def environment(choices: Choices) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for number in range(choices.below(4)):
        name = f"BYDB_{number}" if choices.byte() < 240 else choices.value(0)
        text = "".join(choices.pick(SPECIAL) for _ in range(choices.below(6))) + choices.text()
        result[name] = choices.value(1) if choices.byte() > 220 else text
    return result


def read_as_systemd(text: str) -> dict[str, str]:
    """systemd.exec(5), EnvironmentFile=, for lines of NAME="value": within quotes, a backslash before one of " \\ ` $
    makes that character literal; before any other character the backslash stays.
    """
    variables = {}
    assert text == "" or text.endswith("\n")
    for line in text.split("\n")[:-1]:
        name, _, rest = line.partition("=")
        value, at = "", 1
        assert rest[0] == '"'
        while rest[at] != '"':
            if rest[at] == "\\" and rest[at + 1] in '"\\`$':
                at += 1
            value += rest[at]
            at += 1
        assert at == len(rest) - 1
        variables[name] = value
    return variables


@given(made(100, environment))
def test_systemd_reads_every_value_back(given_environment: dict[Any, Any]) -> None:
    try:
        text = environment_file(given_environment)
    except BadEnvironment as error:
        assert len(str(error)) < 1000
        return
    assert read_as_systemd(text) == normalised(given_environment)
    assert {name: value for name, value in given_environment.items() if isinstance(value, str)}.items() <= read_as_systemd(text).items()
    assert text.encode().decode() == text
    assert digests(given_environment) == {name: hashlib.sha256(value.encode()).hexdigest() for name, value in read_as_systemd(text).items()}


@given(made(40, lambda choices: choices.wild_text() + choices.text()))
def test_a_value_that_is_refused_is_not_shown(secret: str) -> None:
    value = f"hunter2{secret}"
    try:
        assert read_as_systemd(environment_file({"PASSWORD": value})) == {"PASSWORD": value}
    except BadEnvironment as error:
        assert "PASSWORD" in str(error) and "hunter2" not in str(error)


def labels(choices: Choices) -> dict[Any, Any]:
    return {
        (choices.text() if choices.byte() < 230 else choices.value(0)): choices.text() if choices.byte() < 200 else choices.value(1)
        for _ in range(choices.below(4))
    }


def read_as_the_server(flag: str) -> dict[str, str]:
    """api/common/id.go, ParseNodeFlags: items of a comma list, each split at its only =, both sides trimmed."""
    parts = [part.split("=") for part in flag.split(",")]
    return {part[0].strip(): part[1].strip() for part in parts if len(part) == 2}


def said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(made(60, labels))
def test_the_server_reads_every_label_back(given_labels: dict[Any, Any]) -> None:
    try:
        flag = labels_flag(given_labels)
    except BadLabel as error:
        assert str(error).startswith("node label") and len(str(error)) < 1000
        return
    assert read_as_the_server(flag) == {said(key): said(value) for key, value in given_labels.items()} == labels_read(given_labels)
    # The flag passes through an environment file.
    assert read_as_systemd(environment_file({"BYDB_NODE_LABELS": flag})) == {"BYDB_NODE_LABELS": flag}
