# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a plugin for ansible-doc, read without an import of the plugin."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml


def plugin_texts(path: Path) -> dict[str, Any]:
    """Return DOCUMENTATION (read as YAML, or None) and the other texts of a plugin, from its Python file or from its YAML file."""
    if path.suffix == ".yml":
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return found
    names = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = statement.value.value
    return {**names, "DOCUMENTATION": yaml.safe_load(str(names.get("DOCUMENTATION", "null")))}
