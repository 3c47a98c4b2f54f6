# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts are in plain English: they have no word of the list for which there is a plainer one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Every file that a user reads, and the plugins. Tests may quote what no message may say.
PATTERNS = (
    "*.md",
    "CHANGELOG.rst",
    "Makefile",
    "changelogs/changelog.yaml",
    "changelogs/fragments/*.yml",
    "docs/*.md",
    "docs/docsite/**/*.rst",
    "docs/site/*.md",
    "docs/site/*.py",
    "extensions/**/*.py",
    "extensions/molecule/**/*.j2",
    "extensions/molecule/**/*.md",
    "extensions/molecule/**/*.yaml",
    "extensions/molecule/**/*.yml",
    "galaxy.yml",
    "meta/*.yml",
    "playbooks/**/*.yml",
    "plugins/**/*.py",
    "roles/**/*.md",
    "roles/**/*.yml",
)
FILES = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})

# A pattern, in any case of letters -> what to write in its place. The patterns leave out names of variables and return values, such as `differs`.
# "old" beside "new" is plain, so no pattern has it; write "stale" for a view or a file that is not up to date.
PLAINER = {
    r"who sees whom|sees? each other": "cluster view; node A sees node B",
    r"(is|are|was|were|be|been) away": "unreachable (host), not responding (server)",
    r"(do|does|did) not answer": "is not responding, is unreachable",
    r"nobody named|named? (it |them )?for removal": "not listed in banyandb_remove",
    r"put(s|ting)? (it |them |this host |the hosts? )?back|go(es|ing)? back|went back|the way back": "roll back, restore, return to",
    r"cure[sd]?|curing|mend(s|ed|ing)?|heal(s|ed|ing)? (an?|the|this|that|it|them|every|each|all)": "repair",
    r"lets? (everyone|clients|them|it|others) in|keeps? (everyone|clients|them|it) away|clos(e[sd]?|ing) to everyone": "open or block the port",
    r"lets? go of|do(es|ing)? without": "stop using",
    r"(is|are|was|were) through|(is|are|was|were|be|been|being|has|have|had|not) taken": "loaded",
    r"as (it|they) (is|are|was|were)": "unchanged, stale",
    r"(held|holds?|holding) up": "blocked by, delayed by",
    r"told|says? of (itself|themselves|it)": "reports",
    r"foreign": "not written by this collection",
    r"a share|a while|a turn|their turn|its turn": "20 %, 30 s, one wave",
    r"rests? on": "evidence",
    r"another way|(what|that|which|else|whose \w+|they|it|may|can|must|times|ports|settings) differs?|differs? (from|between|within)": (
        "changed: X is A, expected B"
    ),
    r"in our place|somebody|someone( else)?|gives? (\w+ ){1,3}up": "name the file, the actor, the action",
    r"anew": "again",
    r"otherwise": "name the case",
    r"whom|whoever|whatever|nobody('s)?": "name the actor",
    r"went wrong|goes wrong": "failed",
    r"all the same|in place of": "still, instead of",
}
WORDS = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): instead for pattern, instead in PLAINER.items()}


def found(text: str) -> list[str]:
    """``line: word -> what to write`` for each word of the list in ``text``."""
    return [
        f"{number}: {match.group()} -> {instead}"
        for number, line in enumerate(text.splitlines(), start=1)
        for word, instead in WORDS.items()
        for match in word.finditer(line)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_has_no_word_that_has_a_plainer_one(path: Path) -> None:
    assert found(path.read_text(encoding="utf-8")) == []


def test_a_finding_has_the_line_the_word_and_the_plainer_word() -> None:
    assert found("Nothing here.\nIt was put back as it was.") == [
        "2: put back -> roll back, restore, return to",
        "2: as it was -> unchanged, stale",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The run goes back to the file.",
        "Heal the cluster.",
        "The ports are closed to everyone.",
        "The change was taken.",
        "The change is through.",
        "The run changes what differs.",
        "The file differs from the inventory.",
        "Doing without DNS.",
        "A file of somebody else.",
        "Give the host up.",
    ],
)
def test_the_list_finds_each_form_of_its_words(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize("text", ["differs: false", 'host["differs"]', "The old version and the new one.", "The playbook `heal` repairs the view."])
def test_the_list_leaves_out_names_and_plain_words(text: str) -> None:
    assert found(text) == []
