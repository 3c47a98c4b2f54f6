# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a gRPC port, decoded without protobuf: recorded answers of the real server, and messages by hand."""

from __future__ import annotations

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster import messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import wire_messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import RouteTable, View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.wire_messages import field, fields, identity, view
from ansible_collections.skywalking.banyandb.tests.unit.peers import NODE, RECORDED, REVISION, STATE, recorded


@pytest.mark.parametrize("port", ["data", "liaison-public", "liaison-internal"])
def test_a_recorded_view_is_the_view_of_protobuf(port):
    answer = recorded(port)[STATE]
    assert view(answer) == view_decoder()(answer)


def test_the_recorded_views_over_grpc_and_over_http_have_the_same_content():
    """The recordings are of one cluster at different starts, so dates and labels have changed."""

    def names(found):
        return {
            name: ([node._replace(created_at="", labels=()) for node in table.registered], set(table.active), table.evictable)
            for name, table in found.tables.items()
        }

    for grpc_port, http_port in (("data", "data-17913"), ("liaison-public", "liaison-17913"), ("liaison-internal", "liaison-18913")):
        over_http = View.from_mapping(json.loads((RECORDED / f"cluster-state-{http_port}.json").read_text()))
        over_grpc = view(recorded(grpc_port)[STATE])
        assert names(over_grpc).keys() == names(over_http).keys()
        for name, (registered, active, evictable) in names(over_http).items():
            found = names(over_grpc)[name]
            assert sorted(found[0]) == sorted(registered) and (found[1], found[2]) == (active, evictable)


@pytest.mark.parametrize("port", ["data", "liaison-public", "liaison-internal"])
def test_a_recorded_node_is_read(port):
    node = wire_messages.current_node(recorded(port)[NODE])
    assert node == identity(fields(recorded(port)[NODE])[0][1])
    assert node.node_name and node.grpc_address and node.created_at.endswith("Z")
    assert (
        wire_messages.revision(recorded(port)[REVISION])
        == messages.parse("banyandb.cluster.v1.GetMaxRevisionResponse", recorded(port)[REVISION]).max_mod_revision
    )


def test_an_empty_answer_is_a_view_without_tables():
    assert view(b"") == View()
    assert view(field(1, b"")) == View({"": RouteTable()})
    assert view(field(2, field(1, b"unknown")) + b"\x08\x01") == View()


def test_the_fields_of_a_node_are_read():
    entry = field(1, b"type") + field(2, b"hot")
    node = field(1, field(1, b"group") + field(2, b"d1:17912")) + field(2, b"\x01\x02\x07") + field(3, b"d1:1") + field(6, entry)
    assert identity(node + field(5, b"\x08\x80\xa8\xd6\xb9\x07\x10\xc0\x84\x3d")).to_mapping() == {
        "node_name": "d1:17912",
        "grpc_address": "d1:1",
        "roles": ["ROLE_META", "ROLE_DATA", "7"],
        "labels": {"type": "hot"},
        "created_at": "2033-05-18T03:33:20.001Z",
    }


def test_a_role_is_a_number_of_32_bits():
    negative = field(2, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\x81\x80\x80\x80\x10" + b"\xff\xff\xff\xff\x07")
    assert identity(negative).roles == ("-1", "ROLE_META", "2147483647")
    table = field(1, field(1, b"t") + field(2, field(1, negative)))
    assert view(table) == view_decoder()(table)


def test_a_field_that_occurs_again_replaces_a_text_and_extends_a_message():
    node = field(3, b"first") + field(3, b"last") + field(1, field(2, b"name")) + field(1, field(1, b"group"))
    assert (identity(node).grpc_address, identity(node).node_name) == ("last", "name")


def timestamp(seconds, nanos):
    return field(5, Timestamp(seconds=seconds, nanos=nanos).SerializeToString())


@pytest.mark.parametrize(
    ("seconds", "nanos", "date"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (1, 1, "1970-01-01T00:00:01.000000001Z"),
        (1, 1000, "1970-01-01T00:00:01.000001Z"),
        (1, 120_000_000, "1970-01-01T00:00:01.120Z"),
        (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400, 0, "2000-02-29T00:00:00Z"),
        (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
        (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_date_has_the_form_of_the_servers_json(seconds, nanos, date):
    assert identity(timestamp(seconds, nanos)).created_at == date


@pytest.mark.parametrize(("seconds", "nanos"), [(-62_135_596_801, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)])
def test_a_timestamp_that_is_no_date_is_refused(seconds, nanos):
    with pytest.raises(ValueError, match="no date"):
        identity(timestamp(seconds, nanos))


@pytest.mark.parametrize(
    ("message", "status"),
    [(b"", "UNKNOWN"), (b"\x08\x01", "SERVING"), (b"\x08\x02", "NOT_SERVING"), (b"\x08\x03", "SERVICE_UNKNOWN"), (b"\x08\x09", "UNKNOWN")],
)
def test_a_health_is_read(message, status):
    assert wire_messages.health(message) == status


def test_a_revision_is_a_signed_number():
    assert wire_messages.revision(b"\x08\x07") == 7
    assert wire_messages.revision(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") == -1
    assert wire_messages.revision(b"") == 0


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x08", "a number without an end"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a number without an end"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a number without an end"),
        (b"\x0b", "a field of wire type 3"),
        (b"\x0a\x05ab", "ends after its message"),
        (b"\x09\x00", "ends after its message"),
        (b"\x00\x00", "a field with the number 0"),
        (b"\x80\x80\x80\x80\x10\x00", "a field with the number 536870912"),
    ],
)
def test_what_is_no_protobuf_is_refused(message, said):
    with pytest.raises(ValueError, match=said):
        fields(message)


@pytest.mark.parametrize(
    "answer", [field(1, field(1, b"\xff")), field(1, field(2, field(2, b"\xff"))), field(1, field(2, field(1, field(3, b"\xff"))))]
)
def test_a_text_that_is_not_utf_8_is_refused(answer):
    with pytest.raises(ValueError):
        view(answer)


def test_an_answer_without_a_node_is_refused():
    with pytest.raises(ValueError, match="without a node"):
        wire_messages.current_node(b"")


def test_fields_of_a_type_that_no_message_here_has_are_passed_over():
    message = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8)
    assert fields(message) == [(1, 150), (2, b"hi")]
    assert fields(b"\xf8\xff\xff\xff\x0f\x01") == [(536_870_911, 1)]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 70_000])
def test_a_field_is_read_as_it_was_written(size):
    assert fields(field(3, b"x" * size) + field(15, b"")) == [(3, b"x" * size), (15, b"")]
