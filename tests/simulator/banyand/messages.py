# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Message classes of protos/, built from the descriptors in the same archive.

`pack.py` compiles protos/ with protoc to one descriptor set. Classes that are built from descriptors at start work with any
version of the protobuf runtime. Generated modules do not.
"""

from __future__ import annotations

import pkgutil

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from .wire import INTERNAL, Status

DESCRIPTORS = "descriptors.binpb"


def _load():
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(pkgutil.get_data("banyand", DESCRIPTORS))
    for file in files.file:
        pool.Add(file)
    return pool


_pool = _load()


def _message(name):
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


Node = _message("banyandb.database.v1.Node")
RouteTable = _message("banyandb.database.v1.RouteTable")
GetCurrentNodeRequest = _message("banyandb.database.v1.GetCurrentNodeRequest")
GetCurrentNodeResponse = _message("banyandb.database.v1.GetCurrentNodeResponse")
GetClusterStateResponse = _message("banyandb.database.v1.GetClusterStateResponse")
GetAPIVersionResponse = _message("banyandb.common.v1.GetAPIVersionResponse")
GetMaxRevisionResponse = _message("banyandb.cluster.v1.GetMaxRevisionResponse")
HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")

_role = _pool.FindEnumTypeByName("banyandb.database.v1.Role")
META = _role.values_by_name["ROLE_META"].number
DATA = _role.values_by_name["ROLE_DATA"].number
LIAISON = _role.values_by_name["ROLE_LIAISON"].number
SERVING = HealthCheckResponse.DESCRIPTOR.enum_types_by_name["ServingStatus"].values_by_name["SERVING"].number


# Only a liaison that stores or finds data needs these classes. The module makes them at their first use.
_WHEN_USED = {
    "GetKeyRevisionsRequest": "banyandb.cluster.v1.GetKeyRevisionsRequest",
    "GetKeyRevisionsResponse": "banyandb.cluster.v1.GetKeyRevisionsResponse",
    "DataPoint": "banyandb.measure.v1.DataPoint",
    "Group": "banyandb.common.v1.Group",
    "GroupCreateRequest": "banyandb.database.v1.GroupRegistryServiceCreateRequest",
    "GroupCreateResponse": "banyandb.database.v1.GroupRegistryServiceCreateResponse",
    "GroupGetRequest": "banyandb.database.v1.GroupRegistryServiceGetRequest",
    "GroupGetResponse": "banyandb.database.v1.GroupRegistryServiceGetResponse",
    "GroupListResponse": "banyandb.database.v1.GroupRegistryServiceListResponse",
    "GroupInspectRequest": "banyandb.database.v1.GroupRegistryServiceInspectRequest",
    "GroupInspectResponse": "banyandb.database.v1.GroupRegistryServiceInspectResponse",
    "DataInfo": "banyandb.database.v1.DataInfo",
    "Measure": "banyandb.database.v1.Measure",
    "MeasureCreateRequest": "banyandb.database.v1.MeasureRegistryServiceCreateRequest",
    "MeasureCreateResponse": "banyandb.database.v1.MeasureRegistryServiceCreateResponse",
    "MeasureGetRequest": "banyandb.database.v1.MeasureRegistryServiceGetRequest",
    "MeasureGetResponse": "banyandb.database.v1.MeasureRegistryServiceGetResponse",
    "QueryRequest": "banyandb.measure.v1.QueryRequest",
    "WriteRequest": "banyandb.measure.v1.WriteRequest",
    "WriteResponse": "banyandb.measure.v1.WriteResponse",
}


def __getattr__(name):
    if name not in _WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = _message(_WHEN_USED[name])
    return made


def decode(kind, data):
    """Return the message of a kind (a class of this module). Raises Status when the bytes are not such a message."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise Status(INTERNAL, f"cannot read a {kind.DESCRIPTOR.name}") from None


def as_json(message):
    """Return the JSON form of a message as the server's gateway writes it: camelCase, 64-bit integers as strings, with empty fields."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        return message.ToJsonString()
    return {field.json_name: _field_json(message, field) for field in message.DESCRIPTOR.fields}


def _field_json(message, field):
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: as_json(item) if hasattr(item, "DESCRIPTOR") else item for key, item in sorted(value.items())}
    if field.label == field.LABEL_REPEATED:
        return [_value_json(field, item) for item in value]
    if field.message_type is not None and not message.HasField(field.name):
        return None
    return _value_json(field, value)


def _value_json(field, value):
    if field.message_type is not None:
        return as_json(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return str(value) if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else value
