# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HPACK: the blocks of another encoder are decoded, and another decoder reads our blocks."""

from __future__ import annotations

from dataclasses import dataclass

import hpack as peer
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.hpack import Decoder, huffman, literal

from .draw import Choices, made

NAMES = (b":status", b":path", b"content-type", b"grpc-status", b"grpc-message", b"set-cookie", b"x", b"x-long" * 10, b"")
VALUES = (b"200", b"0", b"application/grpc", b"", b"a", b"\0\xff", b"%E5%90%8D", b"text " * 60, b"x" * 4000)
TABLES = (4096, 4096, 4096, 4095, 1000, 100, 32, 0)


@dataclass(frozen=True)
class Block:
    """One block of a connection. ``tables``: sizes of the dynamic table that the encoder takes before it."""

    fields: tuple[tuple[bytes, bytes, bool], ...]
    tables: tuple[int, ...]
    huffman: bool


def connection(choices: Choices) -> tuple[Block, ...]:
    """Return the blocks of one connection. Fields repeat, so that the encoder refers to its table."""

    def value() -> bytes:
        return choices.pick(VALUES) if choices.byte() < 200 else bytes(choices.byte() for _ in range(choices.below(20)))

    return tuple(
        Block(
            tuple((choices.pick(NAMES), value(), choices.once_in(8)) for _ in range(choices.below(7))),
            tuple(choices.pick(TABLES) for _ in range(max(0, choices.below(8) - 5))),
            choices.once_in(2),
        )
        for _ in range(choices.below(3) + 1)
    )


@given(made(100, connection))
def test_the_blocks_of_another_encoder_are_decoded(blocks: tuple[Block, ...]) -> None:
    encoder, decoder = peer.Encoder(), Decoder()
    for block in blocks:
        for size in block.tables:
            if size != encoder.header_table_size:  # the encoder forgets a change that the same size follows
                encoder.header_table_size = size
        coded = encoder.encode(
            [(peer.NeverIndexedHeaderTuple if secret else peer.HeaderTuple)(name, value) for name, value, secret in block.fields],
            huffman=block.huffman,
        )
        assert decoder.decode(coded) == [(name, value) for name, value, _secret in block.fields]
        assert decoder._bytes <= encoder.header_table_size


@given(st.binary(max_size=60))
def test_every_text_has_a_huffman_code(text: bytes) -> None:
    assert huffman(HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)) == text


def request(choices: Choices) -> list[tuple[int | str, str, bool]]:
    names: tuple[int | str, ...] = (1, 4, 31, 58, "te", "username", "x" * 130)
    return [
        (choices.pick(names), "".join(chr(32 + choices.below(95)) for _ in range(choices.below(300))), choices.once_in(2))
        for _ in range(choices.below(6))
    ]


@given(made(400, request))
def test_another_decoder_reads_our_literals(fields: list[tuple[int | str, str, bool]]) -> None:
    static = dict(enumerate(name for name, _value in peer.table.HeaderTable.STATIC_TABLE))
    block = b"\x20" + b"".join(literal(name, value, secret) for name, value, secret in fields)
    decoder = peer.Decoder()
    decoder.max_allowed_table_size = 0
    found = decoder.decode(block, raw=True)
    expected = [(static[name - 1] if isinstance(name, int) else name.encode(), value.encode()) for name, value, _secret in fields]
    assert [tuple(field) for field in found] == expected
    assert [field.indexable for field in found] == [not secret for _name, _value, secret in fields]
    assert Decoder().decode(block) == expected
