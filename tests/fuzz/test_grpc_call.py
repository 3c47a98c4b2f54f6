# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gRPC port as a host reads it with the standard library: header blocks, frames of HTTP/2 from a real socket, and cluster states in wire format."""

from __future__ import annotations

import random
import socket
import struct
import threading
from dataclasses import dataclass

import hpack as peer
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import load
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_call import call
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.hpack import LIST_BYTES, TABLE_BYTES, Decoder, HpackError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import wire_messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure
from ansible_collections.skywalking.banyandb.tests.unit import http2_peer
from ansible_collections.skywalking.banyandb.tests.unit.peers import STATE, recorded

from .inputs import TOKENS, Fuzzer, spoilt
from .test_grpc_client import wire

FIELDS = (
    (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0"), ("grpc-status", "16"), ("grpc-message", "%E5%90%8D a%"),
    ("server", "x" * 200), ("a", ""), ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
)  # fmt: skip
VIEWS = [recorded(port)[STATE] for port in ("data", "liaison-public", "liaison-internal")]
LARGEST = 60_000
# Errors of blocks that the standard allows.
LIMITS = ("a header block of more than", "headers of more than", "a number of more than")


def blocks(random: random.Random) -> list[bytes]:
    """Return the blocks of one connection, some of them spoilt."""
    encoder = peer.Encoder()
    found = []
    for _ in range(random.randrange(1, 4)):
        if random.random() < 0.1:
            encoder.header_table_size = random.choice((0, 50, 4096))
        block = encoder.encode([random.choice(FIELDS) for _ in range(random.randrange(6))], huffman=random.random() < 0.7)
        if random.random() < 0.1:
            block = random.randbytes(random.randrange(30))
        elif random.random() < 0.05:
            block += random.choice((b"\xbe", b"\x40\x00" + b"\x7f\x81\x1e" + b"v" * 4000, b"\x82")) * random.choice((1, 100, 2000))
        elif random.random() < 0.6:
            block = spoilt(random, [block], 100_000)
        found.append(block)
    return found


def test_a_header_block_is_read_or_is_refused_and_costs_little(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for made in fuzz.inputs(blocks):
            ours, theirs = Decoder(), peer.Decoder(max_header_list_size=1 << 24)
            outcome = "decoded"
            for block in made:
                try:
                    fields = ours.decode(block)
                except HpackError as error:
                    assert len(str(error)) < 100
                    outcome = "refused"
                    if not str(error).startswith(LIMITS):
                        with pytest.raises(peer.HPACKError):
                            theirs.decode(block)
                    break
                assert sum(len(name) + len(value) + 32 for name, value in fields) <= LIST_BYTES
                assert sum(len(name) + len(value) + 32 for name, value in ours._entries) == ours._bytes <= TABLE_BYTES
                assert [tuple(field) for field in theirs.decode(block, raw=True)] == fields
            fuzz.came(outcome)


@dataclass(frozen=True)
class Said:
    """What a server sends. ``good``: the answers of both questions, unchanged."""

    data: bytes
    good: bool


def answers(random: random.Random) -> list[bytes]:
    """Return the frames of good answers to two questions."""
    encoder = peer.Encoder()
    frames = [http2_peer.settings((random.choice((3, 4, 5, 6)), 20_000))]
    for stream in (1, 3):
        body = http2_peer.message(random.choice(VIEWS)[: random.choice((0, 3, 5000))])
        pieces = sorted(random.randrange(len(body) + 1) for _ in range(random.randrange(3)))
        head = encoder.encode(http2_peer.OK)
        at = random.randrange(len(head) + 1)
        if random.random() < 0.5:
            frames.append(http2_peer.frame(http2_peer.HEADERS, 0, stream, head[:at]))
            frames.append(http2_peer.frame(http2_peer.CONTINUATION, http2_peer.END_HEADERS, stream, head[at:]))
        else:
            frames.append(http2_peer.frame(http2_peer.HEADERS, http2_peer.END_HEADERS, stream, head))
        for start, end in zip([0, *pieces], [*pieces, len(body)], strict=True):
            frames.append(http2_peer.frame(http2_peer.DATA, 0, stream, body[start:end]))
        ends = http2_peer.END_HEADERS | http2_peer.END_STREAM
        status = random.choice((http2_peer.WELL, http2_peer.WELL, http2_peer.WELL, (("grpc-status", "7"), ("grpc-message", "no"))))
        frames.append(http2_peer.frame(http2_peer.HEADERS, ends, stream, encoder.encode(status)))
    return frames


def any_frame(random: random.Random) -> bytes:
    payload = random.choice((random.choice(TOKENS)[:200], random.randbytes(random.randrange(40)), b"\0\0\0\0\2\x08\1", b"", bytes(4), bytes(8)))
    if random.random() < 0.2:
        payload = struct.pack(">HI", random.randrange(8), random.choice((0, 1, 16_383, 16_384, 65_535, 1 << 24, (1 << 31) - 1, 1 << 31)))
    size = len(payload) if random.random() < 0.9 else random.choice((0, 1, 16_384, 16_385, 16_777_215, 60_001))
    kind, flags = random.choice((*range(10), 99)), random.choice((0, 1, 4, 5, 8, 9, 0x20, 0x2D, 255))
    return size.to_bytes(3, "big") + bytes((kind, flags)) + random.choice((0, 0, 1, 1, 1, 2, 3, 5, 1 << 31)).to_bytes(4, "big") + payload


def said(random: random.Random) -> Said:
    """Return good answers; or answers with frames added, lost, repeated or moved; or spoilt bytes."""
    frames = answers(random)
    kind = random.random()
    if kind < 0.1:
        return Said(b"".join(frames), True)
    if kind < 0.2:
        frames = frames[:1]
    if kind < 0.7:
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(frames) + 1)
            change = random.randrange(5)
            if change < 3:
                frames.insert(at, any_frame(random))
            elif at < len(frames):
                piece = frames.pop(at)
                if change == 3:
                    frames.insert(random.randrange(len(frames) + 1), piece)
        return Said(b"".join(frames), False)
    return Said(spoilt(random, [b"".join(frames)], 200_000), False)


def test_any_bytes_from_a_port_are_an_answer_or_a_typed_failure(fuzz: Fuzzer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        sent: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return  # end of the test
                with connection:
                    try:
                        connection.sendall(sent[-1])
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass
                    except OSError:
                        continue  # the client closed the connection

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with fuzz.reproducible():
            for made in fuzz.inputs(said):
                sent.append(made.data)
                answer = call(Node("it", address), [("a.B/C", b"?"), ("a.B/D", b"x" * 70_000)], 600.0, largest=LARGEST)
                if isinstance(answer, Failure):
                    assert answer.kind in REMEDY and answer.message.startswith(f"{address}: ") and answer.message.endswith(REMEDY[answer.kind])
                    assert len(answer.message) < 400 and answer.message.isprintable()
                    assert not made.good or answer.kind in ("auth", "unavailable"), answer
                    fuzz.came(answer.kind)
                else:
                    assert len(answer) == 2 and all(len(each) <= LARGEST for each in answer)
                    fuzz.came("answered")


def has_unknown_fields(data: bytes) -> bool:
    message = load()["banyandb.database.v1.GetClusterStateResponse"].FromString(data)
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return bool(message.ByteSize() != size)


def states(random: random.Random) -> bytes:
    return wire(random) if random.random() < 0.3 else spoilt(random, VIEWS, 50_000)


def test_a_cluster_state_is_the_view_that_protobuf_reads_or_is_refused(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for data in fuzz.inputs(states):
            try:
                ours = wire_messages.view(data)
            except ValueError as error:
                assert 0 < len(str(error)) < 4000
                if "of wire type" not in str(error):  # proto3 has no groups, and protobuf reads over them
                    with pytest.raises(ValueError):
                        view_decoder()(data)
                fuzz.came("refused")
                continue
            try:
                theirs = view_decoder()(data)
            except ValueError:
                fuzz.came("read, although protobuf refuses a text that the view does not need")
                continue
            if has_unknown_fields(data):
                # Protobuf leaves out a table or a label with an unknown field in it. No server sends one.
                assert theirs.tables.keys() <= ours.tables.keys()
                fuzz.came("read, with unknown fields")
            else:
                assert theirs == ours
                fuzz.came("read")
