# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes header blocks of HTTP/2 (HPACK, RFC 7541). No input or output. Standard library only, Python 3.9+.

Every size is limited, so a header block of a hostile server costs little memory and time.
"""

from __future__ import annotations

# Largest dynamic table, in bytes of RFC 7541, section 4.1. This is the default of SETTINGS_HEADER_TABLE_SIZE.
TABLE_BYTES = 4096
# Largest header block, and largest list of its decoded fields (RFC 9113, section 6.5.2). A BanyanDB server sends about 200 bytes.
LIST_BYTES = 65_536
# An entry of a table or a list counts so many bytes more than its name and its value (RFC 7541, section 4.1).
_ENTRY_BYTES = 32
# Octets of an integer after its first octet. Four octets have numbers to 268,435,455, and no size here is greater.
_MOST_OCTETS = 4

# Appendix A: one field of the static table each line, from index 1. A blank separates name and value.
_STATIC_TEXT = b"""\
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
_STATIC = [(name, value) for name, _blank, value in (line.partition(b" ") for line in _STATIC_TEXT.splitlines())]
# Appendix B: the length of the code of each symbol from 0 to 256, as a letter: A is 5 bits, Z is 30 bits. The lengths alone define the codes,
# because codes of equal length are consecutive in the order of the symbols, and each length continues the length before it.
_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX"
    "PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
)
_SHORTEST, _EOS = 5, 256
# Code with a leading 1 -> symbol. _codes() fills the table at the first Huffman-coded string.
_CODES: dict[int, int] = {}


class HpackError(ValueError):
    """The header block is invalid or too long. The connection can have no further header block (RFC 9113, section 4.3)."""


class Decoder:
    """Decodes the header blocks of one connection, in their order. The dynamic table has at most TABLE_BYTES bytes."""

    def __init__(self) -> None:
        self._entries: list[tuple[bytes, bytes]] = []  # newest first
        self._bytes = 0
        self._most = TABLE_BYTES

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Return the fields (name, value) of a complete header block. Raises HpackError."""
        if len(block) > LIST_BYTES:
            raise HpackError(f"a header block of more than {LIST_BYTES} bytes")
        found: list[tuple[bytes, bytes]] = []
        at = size = 0
        while at < len(block):
            first = block[at]
            if first & 0xE0 == 0x20:  # section 6.3
                most, at = _number(block, at, 5)
                if found or most > TABLE_BYTES:
                    raise HpackError(f"a dynamic table of {most} bytes after {len(found)} fields")
                self._most = most
                self._evict(0)
                continue
            if first & 0x80:  # section 6.1
                index, at = _number(block, at, 7)
                name, value = self._entry(index)
            else:  # section 6.2
                index, at = _number(block, at, 6 if first & 0x40 else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                if first & 0x40:
                    self._add(name, value)
            size += len(name) + len(value) + _ENTRY_BYTES
            if size > LIST_BYTES:
                raise HpackError(f"headers of more than {LIST_BYTES} bytes")
            found.append((name, value))
        return found

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if 1 <= index <= len(_STATIC):
            return _STATIC[index - 1]
        if 1 <= index <= len(_STATIC) + len(self._entries):
            return self._entries[index - len(_STATIC) - 1]
        raise HpackError(f"field {index} of tables that have {len(_STATIC) + len(self._entries)}")

    def _add(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value) + _ENTRY_BYTES
        self._evict(size)
        if size <= self._most:  # a larger field empties the table (section 4.4)
            self._entries.insert(0, (name, value))
            self._bytes += size

    def _evict(self, size: int) -> None:
        """Remove the oldest entries until the table has room for ``size`` bytes, or is empty."""
        while self._entries and self._bytes + size > self._most:
            name, value = self._entries.pop()
            self._bytes -= len(name) + len(value) + _ENTRY_BYTES


def integer(value: int, prefix: int, pattern: int = 0) -> bytes:
    """Return ``value`` in the integer representation (section 5.1). ``pattern``: the bits before the ``prefix`` bits."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([pattern | value])
    encoded = [pattern | most]
    value -= most
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def literal(name: int | str, value: str, secret: bool = False) -> bytes:
    """Return a field that no table stores. ``name``: lower case, or an index of the static table. Raises ValueError for text other than ASCII.

    ``secret``: no proxy may store the field either (section 7.1.3).
    """
    pattern = 0x10 if secret else 0x00
    start = integer(name, 4, pattern) if isinstance(name, int) else bytes([pattern]) + _text(name)
    return start + _text(value)


def _text(value: str) -> bytes:
    """Return a string literal without Huffman coding (section 5.2)."""
    data = value.encode("ascii")
    return integer(len(data), 7) + data


def _number(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """Return the integer at ``at`` and the place after it."""
    most = (1 << prefix) - 1
    value = block[at] & most
    at += 1
    if value < most:
        return value, at
    for shift in range(0, 7 * _MOST_OCTETS, 7):
        if at == len(block):
            raise HpackError("a number without an end")
        octet = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        if not octet & 0x80:
            return value, at
    raise HpackError(f"a number of more than {_MOST_OCTETS + 1} octets")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """Return the string at ``at`` and the place after it."""
    if at == len(block):
        raise HpackError("a field without its value")
    coded = block[at] & 0x80
    size, at = _number(block, at, 7)
    end = at + size
    if end > len(block):
        raise HpackError("a string that ends after its block")
    data = block[at:end]
    return huffman(data) if coded else data, end


def huffman(data: bytes) -> bytes:
    """Return the string that ``data`` has in the Huffman code (section 5.2). Raises HpackError."""
    codes = _codes()
    decoded = bytearray()
    code = 1
    for octet in data:
        for shift in (7, 6, 5, 4, 3, 2, 1, 0):
            code = code << 1 | octet >> shift & 1
            symbol = codes.get(code)
            if symbol is not None:
                if symbol == _EOS:
                    raise HpackError("a Huffman-coded string with the symbol EOS")
                decoded.append(symbol)
                code = 1
    # The padding has less than 8 bits, which are all 1.
    if code > 0xFF or code & (code + 1):
        raise HpackError("a Huffman-coded string with an invalid end")
    return bytes(decoded)


def _codes() -> dict[int, int]:
    if not _CODES:
        found, code, length = {}, 0, 0
        for bits, symbol in sorted((ord(letter) - ord("A") + _SHORTEST, symbol) for symbol, letter in enumerate(_LENGTHS)):
            code <<= bits - length
            length = bits
            found[1 << bits | code] = symbol
            code += 1
        _CODES.update(found)  # in one step: other threads may read the table
    return _CODES
