# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HPACK: the examples of RFC 7541, appendix C, and blocks that are invalid or too long."""

from __future__ import annotations

import time

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import hpack
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.hpack import LIST_BYTES, Decoder, HpackError, huffman, integer, literal

FIRST_REQUEST = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
SECOND_REQUEST = [*FIRST_REQUEST, ("cache-control", "no-cache")]
THIRD_REQUEST = [
    (":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"), ("custom-key", "custom-value"),
]  # fmt: skip
DATE, LATER = "Mon, 21 Oct 2013 20:13:21 GMT", "Mon, 21 Oct 2013 20:13:22 GMT"
PLACE = ("location", "https://www.example.com")
COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
FIRST_RESPONSE = [(":status", "302"), ("cache-control", "private"), ("date", DATE), PLACE]
SECOND_RESPONSE = [(":status", "307"), *FIRST_RESPONSE[1:]]
THIRD_RESPONSE = [
    (":status", "200"), ("cache-control", "private"), ("date", LATER), PLACE, ("content-encoding", "gzip"), ("set-cookie", COOKIE),
]  # fmt: skip
# A dynamic table of 256 bytes, as appendices C.5 and C.6 have it.
TABLE_256 = "3fe101"

# Appendix -> blocks of one connection, each with its fields, and the bytes of the dynamic table afterwards.
EXAMPLES = {
    "C.2.1": [("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [("custom-key", "custom-header")], 55)],
    "C.2.2": [("040c2f73616d706c652f70617468", [(":path", "/sample/path")], 0)],
    "C.2.3": [("100870617373776f726406736563726574", [("password", "secret")], 0)],
    "C.2.4": [("82", [(":method", "GET")], 0)],
    "C.3": [
        ("828684410f7777772e6578616d706c652e636f6d", FIRST_REQUEST, 57),
        ("828684be58086e6f2d6361636865", SECOND_REQUEST, 110),
        ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD_REQUEST, 164),
    ],
    "C.4": [
        ("828684418cf1e3c2e5f23a6ba0ab90f4ff", FIRST_REQUEST, 57),
        ("828684be5886a8eb10649cbf", SECOND_REQUEST, 110),
        ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD_REQUEST, 164),
    ],
    "C.5": [
        (
            f"{TABLE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e"
            "6578616d706c652e636f6d",
            FIRST_RESPONSE,
            222,
        ),
        ("4803333037c1c0bf", SECOND_RESPONSE, 222),
        (
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f5049"
            "5541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
            THIRD_RESPONSE,
            215,
        ),
    ],
    "C.6": [
        (
            f"{TABLE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            FIRST_RESPONSE,
            222,
        ),
        ("4883640effc1c0bf", SECOND_RESPONSE, 222),
        (
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f"
            "9587316065c003ed4ee5b1063d5007",
            THIRD_RESPONSE,
            215,
        ),
    ],
}


def texts(fields):
    return [(name.decode(), value.decode()) for name, value in fields]


@pytest.mark.parametrize("appendix", EXAMPLES)
def test_the_examples_of_the_standard_are_decoded(appendix):
    decoder = Decoder()
    for block, fields, size in EXAMPLES[appendix]:
        assert texts(decoder.decode(bytes.fromhex(block))) == fields
        assert decoder._bytes == size


@pytest.mark.parametrize(
    ("value", "prefix", "encoded"),
    [(10, 5, b"\x0a"), (1337, 5, b"\x1f\x9a\x0a"), (42, 8, b"\x2a"), (126, 7, b"\x7e"), (127, 7, b"\x7f\x00"), (255, 7, b"\x7f\x80\x01")],
)
def test_integers_are_those_of_the_standard(value, prefix, encoded):
    """The first three are the examples of appendix C.1."""
    assert integer(value, prefix) == encoded


def test_literals_are_those_of_the_standard():
    assert literal(4, "/sample/path") == bytes.fromhex(EXAMPLES["C.2.2"][0][0])
    assert literal("password", "secret", secret=True) == bytes.fromhex(EXAMPLES["C.2.3"][0][0])
    assert literal(31, "a", secret=True) == b"\x1f\x10\x01a"


def test_a_literal_has_no_text_beyond_ascii():
    with pytest.raises(ValueError):
        literal("username", "jürgen")


def test_the_static_table_has_the_fields_of_the_standard():
    fields = texts(Decoder().decode(bytes(0x80 | index for index in range(1, 62))))
    assert len(fields) == 61
    assert [fields[index - 1] for index in (1, 3, 7, 8, 14, 15, 16, 31, 58, 61)] == [
        (":authority", ""), (":method", "POST"), (":scheme", "https"), (":status", "200"), (":status", "500"), ("accept-charset", ""),
        ("accept-encoding", "gzip, deflate"), ("content-type", ""), ("user-agent", ""), ("www-authenticate", ""),
    ]  # fmt: skip


def test_the_lengths_of_the_huffman_code_make_a_complete_code():
    lengths = [ord(letter) - ord("A") + 5 for letter in hpack._LENGTHS]
    assert len(lengths) == 257
    assert sum(1 << (30 - length) for length in lengths) == 1 << 30


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        ("", b""),
        ("07", b"0"),
        ("1f", b"a"),
        ("f8", b"&"),
        ("fffe1f", b"\\"),
        ("ffc7", b"\0"),
        ("fffffff3", b"\n"),
        ("fffffffb", b"\x16"),
        ("fffffbbf", b"\xff"),
    ],
)
def test_huffman_codes_are_those_of_appendix_b(coded, text):
    assert huffman(bytes.fromhex(coded)) == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "invalid end"),  # 8 bits of padding
        (b"\x07\xff", "invalid end"),  # 11 bits of padding
        (b"\x00", "invalid end"),  # padding with 0
        (b"\xff\xff\xff\xff", "EOS"),
    ],
)
def test_a_huffman_string_with_a_wrong_end_is_refused(data, said):
    with pytest.raises(HpackError, match=said):
        huffman(data)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("80", "field 0 of tables"),
        ("be", "field 62 of tables that have 61"),
        ("7f00", "field 63 of tables"),
        ("0f2f00", "field 62"),
        ("ff", "a number without an end"),
        ("ff80", "a number without an end"),
        ("ff8080808000", "a number of more than 5 octets"),
        ("ffffffffff7f", "a number of more than 5 octets"),
        ("40", "a field without its value"),
        ("4001", "ends after its block"),
        ("400161", "a field without its value"),
        ("40016105", "ends after its block"),
        ("40016185ff", "ends after its block"),
        ("40016181ff", "invalid end"),
        ("3fe21f", "a dynamic table of 4097 bytes"),
        ("8220", "a dynamic table of 0 bytes after 1 fields"),
    ],
)
def test_an_invalid_block_is_refused(block, said):
    with pytest.raises(HpackError, match=said):
        Decoder().decode(bytes.fromhex(block))


def test_two_updates_of_the_table_may_start_a_block():
    decoder = Decoder()
    assert texts(decoder.decode(b"\x40\x01a\x01b")) == [("a", "b")]
    assert texts(decoder.decode(b"\x20\x3f\xe1\x1f\x82")) == [(":method", "GET")]
    with pytest.raises(HpackError, match="field 62"):
        decoder.decode(b"\xbe")  # the first update has emptied the table


def test_a_field_that_is_larger_than_the_table_empties_the_table():
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x01b")
    decoder.decode(b"\x40\x01c" + integer(5000, 7) + b"x" * 5000)
    assert (decoder._entries, decoder._bytes) == ([], 0)


def test_the_table_keeps_the_newest_fields_within_its_size():
    decoder = Decoder()
    for number in range(1000):
        decoder.decode(b"\x40\x03%03d\x04%04d" % (number, number))
    assert decoder._bytes == 39 * (4096 // 39)
    assert texts(decoder.decode(b"\xbe\xbf")) == [("999", "0999"), ("998", "0998")]


def test_a_table_that_has_the_new_size_exactly_keeps_its_fields():
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x01b")
    assert texts(decoder.decode(b"\x3f\x03\xbe")) == [("a", "b")]  # 34 bytes
    with pytest.raises(HpackError, match="field 62"):
        decoder.decode(b"\x3f\x02\xbe")


def test_a_field_that_fills_the_table_exactly_is_stored():
    decoder = Decoder()
    decoder.decode(b"\x40\x01a" + integer(4063, 7) + b"x" * 4063)
    assert decoder._bytes == 4096
    assert len(decoder.decode(b"\xbe")) == 1
    decoder.decode(b"\x40\x01a" + integer(4064, 7) + b"x" * 4064)
    assert decoder._bytes == 0


def test_a_list_of_exactly_the_limit_is_decoded():
    first = b"\x00\x01a" + integer(65_536 - 33 - 33, 7) + b"x" * (65_536 - 33 - 33)
    assert len(Decoder().decode(first + b"\x00\x01a\x00")) == 2
    with pytest.raises(HpackError, match="headers of more than"):
        Decoder().decode(first + b"\x00\x01a\x01b")
    with pytest.raises(HpackError, match="headers of more than"):
        Decoder().decode(b"\x82" * LIST_BYTES)
    with pytest.raises(HpackError, match="a header block of more than"):
        Decoder().decode(b"\x82" * (LIST_BYTES + 1))


def test_a_long_block_is_refused_before_it_is_read():
    with pytest.raises(HpackError, match="a header block of more than 65536 bytes"):
        Decoder().decode(bytes(LIST_BYTES + 1))


def test_a_short_block_with_many_long_fields_is_refused():
    """One octet stands for 4,000 bytes of the dynamic table, so a block of 60 KB would become 240 MB."""
    decoder = Decoder()
    decoder.decode(b"\x40\x01a" + integer(4000, 7) + b"x" * 4000)
    with pytest.raises(HpackError, match="headers of more than 65536 bytes"):
        decoder.decode(b"\xbe" * 60_000)
    assert len(decoder.decode(b"\xbe" * 16)) == 16


def test_a_block_of_the_largest_size_is_decoded_in_little_time():
    decoder = Decoder()
    began = time.process_time()
    assert len(decoder.decode(b"\x00\x01a\x00" * (LIST_BYTES // 33 - 1))) == LIST_BYTES // 33 - 1
    with pytest.raises(HpackError):
        decoder.decode(b"\x00\x01a" + integer(60_000, 7, 0x80) + b"\x00" * 60_000)
    assert time.process_time() - began < 5
