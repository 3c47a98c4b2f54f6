# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs for the fuzzers: spoilt real samples, and random inputs. Every input has a number, by which it can be made again alone."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

from ..property.profiles import chosen

RECORDED = Path(__file__).resolve().parents[1] / "unit" / "recorded"

# Bytes with a meaning for some reader.
TOKENS = (
    b"", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n", b"\r", b"\t", b" ",
    b"\x85", b"\xe2\x80\xa8",
    b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b":", b": ", b",", b"- ", b"? ", b"# ", b"---\n", b"...\n",
    b"%YAML 9.9\n", b"&a ", b"*a",
    b"<<: *a", b"!!binary ", b"!!timestamp x", b"!!bool x", b"!!int x", b"!!python/object:os.system ", b"!!set ", b"!!omap ", b"!", b"| ",
    b">-\n", b"~", b"null", b"true", b"no",
    b"NaN", b"-Infinity", b"1e999", b"-0", b"0x", b"1" * 5000, b"-1", b"0", b"65536", b"18446744073709551616", b"9" * 40, b"1:30", b"[" * 2000,
    b'{"a":' * 2000, b"- " * 2000,
    b"a" * 70000, b"nodes:", b"nodes: []\n", b"name", b"grpc_address", b"# held back: ", b"routeTables", b"registered", b"HTTP/1.1 200 OK\r\n",
    b"\r\n\r\n",
    b"a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n", b"a: &a [*a]\n",
)  # fmt: skip

# Values at a place of another type.
ODD: Sequence[Any] = (
    None, True, False, 0, -1, 17912, 1.5, float("inf"), 10**30, 1 << 20000, "", " ", "a", "no", "1e3", "\0", "\ud800", "a" * 70000, "ü\u2028",
    [], {}, [[]], [{}], {"": None},
    ["a"], {"a": "b"}, {1: 2}, {None: []},
)  # fmt: skip


@dataclass
class Fuzzer:
    """Makes the inputs of one test. ``tally`` counts the outcomes."""

    name: str
    seed: int
    count: int
    only: int | None
    tally: dict[str, int] = field(default_factory=dict)
    number: int = -1
    input: object = None

    def random(self, number: int) -> random.Random:
        return random.Random(f"{self.seed} {self.name} {number}")

    def inputs(self, make: Callable[[random.Random], Any]) -> Iterator[Any]:
        """Yield ``count`` inputs."""
        for number in range(self.count) if self.only is None else [self.only]:
            self.number = number
            self.input = make(self.random(number))
            yield self.input

    def came(self, outcome: str) -> None:
        self.tally[outcome] = self.tally.get(outcome, 0) + 1

    @property
    def ran(self) -> int:
        return sum(self.tally.values())

    @contextmanager
    def reproducible(self) -> Iterator[None]:
        """Add the number of the input, and the command that repeats it, to an error. At the end, check that all inputs were run."""
        try:
            yield
        except BaseException as error:
            again = f"BANYANDB_FUZZ_SEED={self.seed} BANYANDB_FUZZ_ONLY={self.number}"
            error.add_note(f"{self.name}: input {self.number} of {self.count}; run the test again with {again}\n{shown(self.input)}")
            raise
        assert self.ran == (self.count if self.only is None else 1), f"{self.ran} inputs were run, expected {self.count}"


def fuzzer(name: str) -> Fuzzer:
    seed = os.environ.get("BANYANDB_FUZZ_SEED", "")
    only = os.environ.get("BANYANDB_FUZZ_ONLY", "")
    profile = chosen()
    fresh = random.SystemRandom().randrange(1 << 32) if profile.random else 0
    return Fuzzer(name, int(seed) if seed else fresh, profile.inputs, int(only) if only else None)


def spoilt(random: random.Random, samples: Sequence[bytes], most: int = 1 << 20) -> bytes:
    """Return a sample with a few bytes, pieces or lines changed, removed, repeated, moved, or mixed with another sample."""
    data = bytearray(random.choice(samples))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
        at, length = random.randrange(len(data) + 1), random.choice((1, 1, 2, 8, 30, 200))
        kind = random.randrange(9)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = random.randrange(256)
        elif kind == 2:
            data[at : at + random.choice((0, length))] = random.choice(TOKENS)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = data[at : at + length] * random.choice((1, 2, 50))
        elif kind == 6:
            data[at : at + length] = random.randbytes(length)
        elif kind == 7:
            other = random.choice(samples)
            start = random.randrange(len(other) + 1)
            data[at : at + length] = other[start : start + length]
        else:
            lines = bytes(data).split(b"\n")
            one = random.randrange(len(lines))
            lines.insert(random.randrange(len(lines) + 1), lines.pop(one) if random.random() < 0.5 else lines[one])
            data = bytearray(b"\n".join(lines))
    return bytes(data[:most])


def replaced(random: random.Random, value: Any, odd: Sequence[Any] = ODD) -> Any:
    """Return a deep copy of JSON-like data with a changed value, a missing key or an additional key."""
    if isinstance(value, Mapping) and value and random.random() < 0.85:
        key = random.choice(list(value))
        changed = {name: replaced(random, inner, odd) if name == key else inner for name, inner in value.items()}
        kind = random.random()
        if kind < 0.08:
            del changed[key]
        elif kind < 0.16:
            changed[random.choice(("", "name", "x", key.upper() if isinstance(key, str) else "k"))] = random.choice(odd)
        return changed
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        result = [*value[:at], replaced(random, value[at], odd), *value[at + 1 :]]
        return result * random.choice((1, 1, 1, 1, 2)) if random.random() < 0.1 else result
    return random.choice(odd)
