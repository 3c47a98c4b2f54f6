# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of messages equals protos/ and parses answers of real servers."""

from __future__ import annotations

import base64
import json
import runpy
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, json_format
from grpc_tools import protoc

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster import messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View

ROOT = Path(__file__).resolve().parents[3]
RECORDED = Path(__file__).resolve().parents[1] / "recorded"
GRPC = json.loads((RECORDED / "grpc-responses.json").read_text())

ANSWERS = {
    "GetCurrentNode": "banyandb.database.v1.GetCurrentNodeResponse",
    "GetClusterState": "banyandb.database.v1.GetClusterStateResponse",
    "GetAPIVersion": "banyandb.common.v1.GetAPIVersionResponse",
    "GetMaxRevision": "banyandb.cluster.v1.GetMaxRevisionResponse",
    "Health": "grpc.health.v1.HealthCheckResponse",
}
RECORDS = [(port, call, base64.b64decode(answer["ok"])) for port, calls in GRPC.items() for call, answer in calls.items() if "ok" in answer]


# For clients of the data (tests/load). The collection does not use them.
ABOUT_DATA = {
    "banyandb/common/v1/group.proto",
    "banyandb/database/v1/measure.proto",
    "banyandb/database/v1/registry.proto",
    "banyandb/measure/v1/measure.proto",
    "banyandb/model/v1/model.proto",
}


def compiled(tmp_path):
    """Return file name -> descriptor, as protoc reads protos/."""
    protos = ROOT / "protos"
    paths = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    out = tmp_path / "protos.bin"
    well_known = Path(protoc.__file__).parent / "_proto"
    assert protoc.main(["protoc", f"-I{protos}", f"-I{well_known}", f"--descriptor_set_out={out}", *paths]) == 0
    return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file}


def test_the_table_and_the_proto_files_describe_the_same_messages_enums_and_services(tmp_path):
    from_protos = compiled(tmp_path)
    from_table = {path: messages.describe(path, proto) for path, proto in messages.FILES.items()}
    assert {name: json_format.MessageToDict(file) for name, file in from_table.items()} == {
        name: json_format.MessageToDict(file) for name, file in from_protos.items() if name not in ABOUT_DATA
    }


@pytest.mark.parametrize(("port", "call", "data"), RECORDS, ids=[f"{port}-{call}" for port, call, _ in RECORDS])
def test_a_recorded_answer_decodes_without_rest_and_encodes_to_the_same_bytes(port, call, data):
    message = messages.parse(ANSWERS[call], data)
    without_unknown = type(message)()
    without_unknown.CopyFrom(message)
    without_unknown.DiscardUnknownFields()
    assert without_unknown == message
    assert message.SerializeToString(deterministic=True) == data


@pytest.mark.parametrize("port", ["liaison-public", "liaison-internal", "data"])
def test_a_view_from_grpc_equals_the_view_from_the_same_answer_as_json(port):
    data = base64.b64decode(GRPC[port]["GetClusterState"]["ok"])
    message = messages.parse(ANSWERS["GetClusterState"], data)
    as_json = json.loads(json_format.MessageToJson(message))
    assert view_decoder()(data) == View.from_mapping(as_json)


def test_each_distinct_node_is_decoded_once_for_all_views():
    data = base64.b64decode(GRPC["liaison-public"]["GetClusterState"]["ok"])
    decode = view_decoder()
    first, second = decode(data), decode(data)
    assert first.tables["tire2"].registered[0].node_name == "node3:17912"
    for table in first.tables:
        for a, b in zip(first.tables[table].registered, second.tables[table].registered, strict=True):
            assert a is b


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x0a\x05\x0a",  # an incomplete map entry
        b"\x0a\x07\x0a\x01x\x12\x02\x0a\x05",  # an incomplete table
        b"\x0a\x09\x0a\x01x\x12\x04\x0a\x02\xff\xff",  # a node that is not a message
        b"\x0a\x0a\x0a\x01x\x12\x05\x0a\x03\x1a\x01\xff",  # an address that is not UTF-8
        b"\x0a\x11\x0a\x01x\x12\x0c\x0a\x0a\x2a\x08\x08\x80\x80\x80\x80\x80\x80\x04",  # a date out of range
    ],
)
def test_bytes_that_are_no_cluster_state_raise_value_error(data):
    with pytest.raises(ValueError):
        view_decoder()(data)


def test_a_role_that_is_not_known_yet_stands_as_its_number():
    node = messages.load()["banyandb.database.v1.Node"]
    state = messages.load()["banyandb.database.v1.GetClusterStateResponse"]()
    state.route_tables["tire1"].registered.append(node(roles=[2, 9]))
    view = view_decoder()(state.SerializeToString())
    assert view.tables["tire1"].registered[0].roles == ("ROLE_DATA", "9")


def test_the_module_imports_without_protobuf_and_says_what_failed(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("google.protobuf")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert "google.protobuf" in runpy.run_path(messages.__file__)["PROTOBUF_IMPORT_ERROR"]
