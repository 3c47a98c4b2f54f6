# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of variables in the pages have the defaults of the argument specifications, and so do the defaults of the roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.action import srv_nodes
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout import rollout_limits

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
# An empty value, which a page explains in words.
EMPTY: tuple[Any, ...] = ("", [], {})
NONE = object()


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SPECIFIED: dict[str, list[Any]] = {}
for _path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
    for _entry in load(_path)["argument_specs"].values():
        for _name, _option in _entry["options"].items():
            SPECIFIED.setdefault(_name, []).append(_option.get("default", NONE))


def read(text: str) -> Any:
    """Return the value that a cell has; a text in words is a text."""
    plain = text.replace("`", "").strip()
    try:
        return yaml.safe_load(plain)
    except yaml.YAMLError:
        return plain


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield page, variable and the cell with its default, for each table of variables."""
    for page in PAGES:
        columns: list[str] = []
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
            if columns and cells:
                names = re.findall(r"`(banyandb_\w+)`", cells[0])
                text = cells[columns.index("default")]
                # Two variables in one row have two defaults, or one text for both.
                parts = text.split(", ") if len(names) == text.count(",") + 1 else [text] * len(names)
                yield from ((str(page.relative_to(ROOT)), name, part) for name, part in zip(names, parts, strict=True))
            else:
                columns = cells if cells[:2] == ["variable", "default"] else []


ROWS = list(rows())


def test_the_search_finds_the_tables() -> None:
    assert {page for page, _name, _text in ROWS} >= {"docs/dns.md", "docs/inventory.md", "roles/node/README.md", "roles/topology/README.md"}
    assert len(ROWS) > 90


def test_every_entry_point_of_every_role_has_the_same_default() -> None:
    assert [name for name, found in SPECIFIED.items() if any(value != found[0] for value in found)] == []


@pytest.mark.parametrize(("page", "name", "text"), ROWS, ids=[f"{page}: {name}" for page, name, _text in ROWS])
def test_a_page_has_the_default_of_the_specification(page: str, name: str, text: str) -> None:
    default = SPECIFIED[name][0]
    if default is NONE:
        # The roles compute the default: a number alone would be false in some cases.
        assert not isinstance(read(text), (bool, int, float, list, dict))
    elif default not in EMPTY:
        assert read(text) == default or read(text) == read(str(default))
    else:
        assert isinstance(read(text), (str, type(None))) or read(text) == default


@pytest.mark.parametrize("role", [path.parts[-3] for path in sorted(ROOT.glob("roles/*/defaults/main.yml"))])
def test_the_defaults_of_a_role_are_those_of_the_specification(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml")
    constant = {name: value for name, value in defaults.items() if name in SPECIFIED and not str(value).lstrip().startswith("{{")}
    assert constant
    assert {name: (value, SPECIFIED[name][0]) for name, value in constant.items() if value != SPECIFIED[name][0]} == {}


def test_the_page_several_clusters_has_every_variable_that_is_the_same_for_all_hosts_of_a_cluster() -> None:
    text = (ROOT / "docs" / "several-clusters.md").read_text(encoding="utf-8")
    expected = {*rollout_limits.VARIABLES, *srv_nodes.VARIABLES, "banyandb_discovery_mode", "banyandb_topology_source"}
    assert {name for name in expected if f"`{name}`" not in text} == set()
