# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of a module or a filter shows whether the plugin may change with the next release."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.docs.plugin_texts import plugin_texts

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
PUBLIC = {"topology", "cluster_state_info", "node_info", "srv_info"}


FOUND = [path for kind in ("modules", "filter") for path in sorted((PLUGINS / kind).glob("*.py")) if plugin_texts(path)["DOCUMENTATION"]]


def test_every_module_is_looked_at() -> None:
    assert {path.stem for path in FOUND} > PUBLIC
    assert [path.stem for path in (PLUGINS / "modules").glob("*.py") if path not in FOUND] == []


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_plugin_that_is_not_public_says_that_it_is_internal(path: Path) -> None:
    found = plugin_texts(path)["DOCUMENTATION"]
    description = found["description"]
    first = description if isinstance(description, str) else description[0]
    assert first.startswith("Internal ") is (path.stem not in PUBLIC)
    # `ansible-doc --list`, the reference and the changelog show only the short description.
    assert found["short_description"].startswith("Internal: ") is (path.stem not in PUBLIC)
