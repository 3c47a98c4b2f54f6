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
    "Makefile",
    "changelogs/fragments/*.yml",
    "docs/*.md",
    "extensions/molecule/**/*.j2",
    "extensions/molecule/**/*.md",
    "extensions/molecule/**/*.yaml",
    "extensions/molecule/**/*.yml",
    "playbooks/**/*.yml",
    "plugins/**/*.py",
    "roles/**/*.md",
    "roles/**/*.yml",
)
FILES = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})

# A pattern, in any case of letters -> what to write in its place.
PLAINER = {
    r"who sees whom|sees? each other": "cluster view; node A sees node B",
    r"(is|are|was|were|be|been) away": "unreachable (host), not responding (server)",
    r"(do|does|did) not answer": "is not responding, is unreachable",
    r"nobody named|named? (it |them )?for removal": "not listed in banyandb_remove",
    r"put(s|ting)? (it |them |this host |the hosts? )?back": "roll back, restore",
    r"cure[sd]?|curing|mend(s|ed|ing)?": "repair",
    r"lets? (everyone|clients|them|it|others) in|keeps? (everyone|clients|them|it) away": "open or block the port",
    r"lets? go of|do(es)? without": "stop using",
    r"(is|are) through": "loaded",
    r"as (it|they) (is|are|was|were)": "unchanged, stale",
    r"(held|holds?|holding) up": "blocked by, delayed by",
    r"told|says? of (itself|themselves|it)": "reports",
    r"foreign": "not written by this collection",
    r"a share|a while|a turn|their turn|its turn": "20 %, 30 s, one wave",
    r"rests? on": "evidence",
    r"another way": "changed: X is A, expected B",
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


def test_the_list_finds_its_words() -> None:
    assert found("Nothing here.\nIt was put back as it was.") == [
        "2: put back -> roll back, restore",
        "2: as it was -> unchanged, stale",
    ]
