# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first line of a module's documentation shows whether the module may change with the next release."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

MODULES = sorted((Path(__file__).resolve().parents[3] / "plugins" / "modules").glob("*.py"))
PUBLIC = {"topology", "cluster_state_info", "node_info", "srv_info"}


def first_line(path: Path) -> str:
    (text,) = [
        statement.value.value
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and statement.targets[0].id == "DOCUMENTATION"
    ]
    description = yaml.safe_load(text)["description"]
    return description if isinstance(description, str) else description[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_that_is_not_public_says_that_it_is_internal(path: Path) -> None:
    assert first_line(path).startswith("Internal ") is (path.stem not in PUBLIC)
