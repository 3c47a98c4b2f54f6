# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball has the files that a user of the collection needs, and no others."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import yaml

PERMITTED = re.compile(
    r"""
      (README|CODE_OF_CONDUCT|MAINTAINERS|SECURITY)\.md | CHANGELOG\.rst | LICENSE | (MANIFEST|FILES)\.json
    | changelogs/changelog\.yaml
    | docs/(?!development)[a-z-]+\.md
    | docs/docsite/([a-z-]+\.yml | rst/[a-z_]+\.rst)
    | meta/(runtime\.yml | execution-environment\.yml | ee-requirements\.txt)
    | playbooks/([a-z_]+/)*[\w.-]+
    | roles/[a-z_]+/(README\.md | (defaults | files | handlers | meta | tasks | templates | vars)/([a-z_]+/)*[\w.-]+)
    | plugins/([a-z_]+/)+\w+\.(py | yml)
    """,
    re.VERBOSE,
)
NEEDED = ("README.md", "LICENSE", "SECURITY.md", "CODE_OF_CONDUCT.md", "meta/execution-environment.yml", "changelogs/changelog.yaml")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_the_tarball_holds_permitted_files_only(released_files: dict[Path, str]) -> None:
    assert [str(path) for path in released_files if not PERMITTED.fullmatch(path.as_posix())] == []


def test_each_directory_of_the_tarball_holds_a_file(tarball: Path, released_files: dict[Path, str]) -> None:
    with tarfile.open(tarball) as archive:
        directories = {Path(member.name) for member in archive if member.isdir()}
    assert len(directories) > 20
    assert directories - {parent for path in released_files for parent in path.parents} == set()


def test_the_tarball_holds_every_file_that_users_need(released_files: dict[Path, str], source_files: list[Path]) -> None:
    code = {path for path in source_files if path.parts[0] in ("meta", "playbooks", "plugins", "roles")}
    assert len(code) > 100
    assert (code | {Path(name) for name in NEEDED}) - set(released_files) == set()


def test_galaxy_shows_the_addresses_of_the_project(released_files: dict[Path, str]) -> None:
    found = json.loads(released_files[Path("MANIFEST.json")])["collection_info"]
    assert (found["namespace"], found["name"], found["license_file"], found["dependencies"]) == ("skywalking", "banyandb", "LICENSE", {})
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["issues"] == f"{found['repository']}/issues"
    for name in ("repository", "documentation", "homepage", "issues"):
        assert urlsplit(found[name]).scheme == "https"


def test_every_file_names_the_same_repository(source: Path, source_files: list[Path]) -> None:
    repository = yaml.safe_load((source / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    pages = [source / path for path in source_files if path.suffix in (".md", ".rst", ".yml", ".py")]
    named = {name for page in pages for name in re.findall(r"https://github\.com/[\w-]+/[\w-]*banyandb-ansible", page.read_text(encoding="utf-8"))}
    assert named == {repository}
    links = yaml.safe_load((source / "docs/docsite/links.yml").read_text(encoding="utf-8"))
    assert f"https://github.com/{links['edit_on_github']['repository']}" == repository


def test_ansible_core_before_2_19_refuses_the_collection(released_files: dict[Path, str]) -> None:
    assert yaml.safe_load(released_files[Path("meta/runtime.yml")])["requires_ansible"] == ">=2.19.0"


def test_the_changelog_is_in_the_tarball_as_soon_as_a_version_is_released(released_files: dict[Path, str]) -> None:
    releases = yaml.safe_load(released_files[Path("changelogs/changelog.yaml")])["releases"]
    assert (Path("CHANGELOG.rst") in released_files) == bool(releases)


def test_every_link_in_a_released_page_leads_to_a_released_file(released_files: dict[Path, str]) -> None:
    pages = {path: text for path, text in released_files.items() if path.suffix == ".md"}
    there = {path.as_posix() for path in released_files}
    links = {(str(page), (page.parent / target).as_posix()) for page, text in pages.items() for target in LINK.findall(text)}
    assert len(links) > 5
    assert [(page, target) for page, target in sorted(links) if resolved(target) not in there] == []


def resolved(target: str) -> str:
    """Return the path without ``..``."""
    parts: list[str] = []
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def test_the_documentation_site_lists_every_guide(released_files: dict[Path, str]) -> None:
    guides = {path.as_posix() for path in released_files if path.parent == Path("docs")}
    page = released_files[Path("docs/docsite/rst/guides.rst")]
    assert set(re.findall(r"/blob/main/(docs/[\w-]+\.md)>", page)) == guides
