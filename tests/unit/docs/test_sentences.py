# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences of the pages are short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/site/*.md"), *ROOT.glob("roles/*/README.md")])
MOST_WORDS = 25

CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
# `make bench` writes these parts of docs/figures.md.
GENERATED = re.compile(r"^<!-- (\w+) -->\n.*?^<!-- end of \1 -->$", re.MULTILINE | re.DOTALL)
# A heading, an item of a list, or a row of a table starts a new text.
START = re.compile(r"^(?:#+|[-*]|\d+\.) +")
END_OF_SENTENCE = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]?(?:[A-Z0-9]|code\b))")


def blocks(page: str) -> Iterator[str]:
    """Yield the paragraphs, headings, items of lists and cells of tables of a page, without blocks of code."""
    lines: list[str] = []
    for line in [*GENERATED.sub("", CODE.sub("", page)).splitlines(), ""]:
        text = line.strip()
        if not text or text.startswith("|") or START.match(text):
            yield " ".join(lines)
            lines = []
        if text.startswith("|"):
            yield from re.split(r"(?<!\\)\|", text)
        elif text.startswith("#"):
            yield text.lstrip("# ")
        elif text:
            lines.append(START.sub("", text))


def sentences(block: str) -> list[str]:
    """Return the sentences of a block. Code is one word, and a link is its text."""
    text = re.sub(r"`[^`]*`", "code", block)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return END_OF_SENTENCE.split(re.sub(r"<!--.*?-->|\*\*", "", text))


def long_sentences(page: str) -> list[str]:
    """Return the sentences with too many words, each with its number of words."""
    counted = [(len(re.findall(r"\S*\w\S*", sentence)), sentence) for block in blocks(page) for sentence in sentences(block)]
    return [f"{words} words: {sentence}" for words, sentence in counted if words > MOST_WORDS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_short_sentences(page: Path) -> None:
    assert long_sentences(page.read_text(encoding="utf-8")) == []


def test_a_sentence_ends_with_its_block_and_at_a_full_stop() -> None:
    half = " ".join(["word"] * 13)
    whole = f"{half} {half}"
    for page in (whole, f"- {whole}", f"1. {half}\n   {half}", f"| a | {whole} |\n", f"{half} `some code` {half}"):
        assert len(long_sentences(page)) == 1, page
    for page in (
        f"{half}. `Code` {half}",
        f"**{half}.** Word {half}",
        f"{half} 8. Word {half}",
        f"{half}\n\n{half}",
        f"- {half}\n- {half}",
        f"| {half} | {half} |",
        f"# {half}\n{half}",
        f"```\n{whole}\n```",
    ):
        assert long_sentences(page) == [], page
