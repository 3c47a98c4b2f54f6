# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changelog lists every plugin, module and role with the version that added it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.skywalking.banyandb.tests.unit.docs.plugin_texts import plugin_texts

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("filter", "inventory", "lookup", "module")
RELEASES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]


def in_the_tree() -> set[tuple[str, str, str]]:
    """Return kind, name and version of everything that the collection has."""
    found = set()
    for kind in KINDS:
        folder = ROOT / "plugins" / ("modules" if kind == "module" else kind)
        texts = [(path.stem, plugin_texts(path)["DOCUMENTATION"]) for path in folder.glob("*") if path.suffix in (".py", ".yml")]
        found |= {(kind, name, str(text["version_added"])) for name, text in texts if text}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        specification = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        found.add(("role", path.parts[-3], str(specification["main"]["version_added"])))
    return found


def in_the_changelog() -> set[tuple[str, str, str]]:
    """Return kind, name and version of everything that the changelog lists."""
    found = set()
    for version, release in RELEASES.items():
        lists = {**release.get("plugins", {}), **release.get("objects", {}), "module": release.get("modules", [])}
        found |= {(kind, entry["name"], version) for kind, entries in lists.items() for entry in entries}
    return found


def test_the_changelog_lists_what_the_collection_has() -> None:
    # antsibull-changelog adds the plugins of a new version at its release.
    assert {entry for entry in in_the_tree() if entry[2] in RELEASES} == in_the_changelog()


def test_every_version_of_a_plugin_is_a_released_version_or_the_next_one() -> None:
    next_version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert {version for _kind, _name, version in in_the_tree()} <= {*RELEASES, next_version}


def test_the_page_lists_what_the_data_of_the_changelog_lists() -> None:
    page = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^- skywalking\.banyandb\.(\w+) - ", page, re.MULTILINE)) == sorted(
        name for _kind, name, _version in in_the_changelog()
    )
