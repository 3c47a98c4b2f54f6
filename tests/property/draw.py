# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples from one string of bytes each: the code reads the bytes as choices.

Hypothesis draws one value for an example, so 10,000 examples of a whole cluster take seconds. Hypothesis shrinks the bytes
towards zero, so choice zero is always the simplest. Hypothesis prints the object made from the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

# Text that YAML, JSON, a shell, a comment or a regular expression may misread.
TRAPS = (
    "no", "yes", "on", "off", "y", "n", "~", "null", "Null", "true", "FALSE", "1e3", ".5", "1_000", "0x1F", "0o17", "0b1", "017", "-0", "+1",
    ".inf", ".NaN", "1:30", "190:20:30", "2026-01-31", "=", "<<", "*", "*a", "&a", "!!binary", "!x", "|", ">", "%", "@", "`", "-", "--", "---",
    "...", "?", ":", ",", "[", "]", "{", "}", "[]", "{}", "#", "'", '"', "\\", "\\n", "\\u0041", "\\ud83d", "/", "//", "$", "${x}", "%s", "{0}",
    "<a>", "é", "ß", "ı", "İ", "名", "ｎｏ", "العربية", "😀", "👩🏽", "𝒳", "a̐", "nodes:", "a: b", "a #b", "- a", "? a", "# held back: ",
    "# held back: {}", "nodes: []", '"a"', "'a'", "it's", 'say "no"', "a\\", "{{ x }}", "a  b",
)  # fmt: skip

PRINTABLE = tuple(character for character in map(chr, range(0x110000)) if character.isprintable())
# Forbidden characters of names: white space, controls, byte order marks, lone surrogates.
UNPRINTABLE = tuple("\0\a\b\t\n\v\f\r\x1b\x7f\x80\x85\xa0\xad\u200b\u200e\u2028\u2029\u3000\ud800\udfff\ue000\ufeff\uffff\U0010ffff")


class Choices:
    """Choices from a string of bytes; zeros after its end."""

    def __init__(self, data: bytes) -> None:
        self._rest = iter(data)

    def byte(self) -> int:
        return next(self._rest, 0)

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit`` - 1."""
        number = self.byte()
        while limit > 256:
            number, limit = number * 256 + self.byte(), limit // 256 + 1
        return number % limit if limit else 0

    def pick(self, values: Sequence[T]) -> T:
        if len(values) > 256:
            return values[(self.byte() * 65536 + self.byte() * 256 + self.byte()) % len(values)]
        return values[self.byte() % len(values)]

    def once_in(self, number: int) -> bool:
        return self.byte() % number == number - 1

    def some(self, values: Sequence[T]) -> list[T]:
        """Return any of up to 8 values."""
        bits = self.byte()
        return [value for index, value in enumerate(values) if bits >> index & 1]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        left, result = list(values), []
        while left:
            result.append(left.pop(self.byte() % len(left)))
        return result

    def text(self) -> str:
        """Return printable text: plain, one trap, two traps, or any characters."""
        kind = self.below(4)
        if kind == 0:
            return f"n{self.below(10)}"
        if kind == 3:
            return "".join(self.pick(PRINTABLE) for _ in range(self.below(9)))
        return "".join(self.pick(TRAPS) for _ in range(kind))

    def name(self) -> str:
        """Return a legal entry name."""
        return self.text().strip() or "x"

    def wild_text(self) -> str:
        """Return any text."""
        text = self.text()
        return text + self.pick(UNPRINTABLE) + self.text() if self.once_in(4) else text

    def value(self, depth: int = 2) -> Any:
        """Return any value of YAML, JSON or an Ansible variable."""
        kind = self.below(12 if depth else 9)
        if kind < 3:
            return self.wild_text()
        if kind == 9:
            return [self.value(depth - 1) for _ in range(self.below(4))]
        if kind >= 10:
            return {self.wild_text() if self.byte() % 8 else self.value(0): self.value(depth - 1) for _ in range(self.below(4))}
        return (None, True, False, self.byte() - 128, self.byte() / 7, 16 ** (self.byte() * 64))[kind - 3]


def made(size: int, build: Callable[[Choices], T]) -> st.SearchStrategy[T]:
    """Return a strategy of the objects that ``build`` makes from ``size`` bytes."""
    return st.binary(min_size=size, max_size=size).map(lambda data: build(Choices(data)))


class Statements(list[Callable[..., None]]):
    """Checks of the same examples, each a decorated function. They share one property, because most of the time of an
    example goes into making it. Hypothesis reports each check that fails.
    """

    def __call__(self, statement: Callable[..., None]) -> Callable[..., None]:
        self.append(statement)
        return statement

    def hold(self, *example: Any) -> None:
        for statement in self:
            statement(*example)
