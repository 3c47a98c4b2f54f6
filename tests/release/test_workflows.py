# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows test every ansible-core that the collection supports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.rglob("*.yml"))
# ansible-core, the oldest first -> the Pythons of the controller that its ansible-test lists. Read in 2.19.14, 2.20.10 and 2.21.5.
PYTHONS = {
    "stable-2.19": {"3.11", "3.12", "3.13"},
    "stable-2.20": {"3.12", "3.13", "3.14"},
    "newest": {"3.12", "3.13", "3.14"},
    "devel": {"3.12", "3.13", "3.14"},
}


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load((GITHUB / "workflows" / name).read_text(encoding="utf-8"))["jobs"]


def values(document: object, key: str) -> Iterator[str]:
    """Yield the values of every ``key`` in a YAML document."""
    if isinstance(document, dict):
        if key in document:
            yield document[key]
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from values(part, key)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.relative_to(GITHUB).as_posix())
def test_every_action_is_of_this_tree_or_pinned_to_a_major_version(path: Path) -> None:
    for action in values(yaml.safe_load(path.read_text(encoding="utf-8")), "uses"):
        if action.startswith("./"):
            assert (ROOT / action / "action.yml").is_file()
        else:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", action)


@pytest.mark.parametrize("job", ["units", "sanity"])
def test_units_and_sanity_run_on_every_ansible_core_from_the_oldest_to_devel(job: str) -> None:
    tested = jobs("tests.yml")[job]["strategy"]["matrix"]["include"]
    assert {each["ansible"] for each in tested} == set(PYTHONS)
    assert all(each["python"] in PYTHONS[each["ansible"]] for each in tested)
    oldest = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert oldest == f">={next(iter(PYTHONS)).removeprefix('stable-')}.0"


def test_every_target_of_the_workflow_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = jobs("tests.yml")["targets"]["strategy"]["matrix"]["target"]
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
