# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the server's messages and methods as protobuf classes at run time.

Ansible sends a module as an archive of Python files, so a module can use neither ``.proto`` files nor generated code. FILES has the content of
``protos/`` as Python values. A unit test compiles ``protos/`` and compares both in both directions. Wire format: section 4 of the contract.

An import of this module never fails: without protobuf, ``PROTOBUF_IMPORT_ERROR`` has the traceback, and ``load()`` must not be called. Works with
protobuf 4.25 and later.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

PROTOBUF_IMPORT_ERROR: str | None = None
try:
    from google.protobuf import timestamp_pb2
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass
except ImportError:
    PROTOBUF_IMPORT_ERROR = traceback.format_exc()

TIMESTAMP = "google.protobuf.Timestamp"

# (name, number, type). The type is as in a .proto file, with full names of messages and enums.
Field = tuple[str, int, str]


@dataclass(frozen=True)
class ProtoFile:
    """One .proto file of package ``package``.

    ``enums``: name -> its values in order, numbered from 0. A nested enum has the name ``Message.Enum``.
    ``methods``: ``Service/Method`` -> (request, response). Names are of this package; ``stream`` before a name means a stream.
    """

    package: str
    imports: tuple[str, ...] = ()
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    messages: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    methods: Mapping[str, tuple[str, str]] = field(default_factory=dict)


FILES: Mapping[str, ProtoFile] = {
    "banyandb/common/v1/common.proto": ProtoFile(
        "banyandb.common.v1",
        messages={
            "Metadata": (
                ("group", 1, "string"),
                ("name", 2, "string"),
                ("id", 3, "uint32"),
                ("create_revision", 4, "int64"),
                ("mod_revision", 5, "int64"),
            ),
        },
    ),
    "banyandb/common/v1/rpc.proto": ProtoFile(
        "banyandb.common.v1",
        messages={
            "APIVersion": (("version", 1, "string"), ("revision", 2, "string")),
            "GetAPIVersionRequest": (),
            "GetAPIVersionResponse": (("version", 1, "banyandb.common.v1.APIVersion"),),
        },
        methods={"Service/GetAPIVersion": ("GetAPIVersionRequest", "GetAPIVersionResponse")},
    ),
    "banyandb/database/v1/database.proto": ProtoFile(
        "banyandb.database.v1",
        imports=("banyandb/common/v1/common.proto", "google/protobuf/timestamp.proto"),
        enums={"Role": ("ROLE_UNSPECIFIED", "ROLE_META", "ROLE_DATA", "ROLE_LIAISON")},
        messages={
            "Node": (
                ("metadata", 1, "banyandb.common.v1.Metadata"),
                ("roles", 2, "repeated enum banyandb.database.v1.Role"),
                ("grpc_address", 3, "string"),
                ("http_address", 4, "string"),
                ("created_at", 5, TIMESTAMP),
                ("labels", 6, "map<string,string>"),
                ("property_repair_gossip_grpc_address", 7, "string"),
                ("property_schema_grpc_address", 8, "string"),
                ("property_schema_gossip_grpc_address", 9, "string"),
            ),
        },
    ),
    "banyandb/database/v1/rpc.proto": ProtoFile(
        "banyandb.database.v1",
        imports=("banyandb/database/v1/database.proto",),
        messages={
            "GetCurrentNodeRequest": (),
            "GetCurrentNodeResponse": (("node", 1, "banyandb.database.v1.Node"),),
            "RouteTable": (
                ("registered", 1, "repeated banyandb.database.v1.Node"),
                ("active", 2, "repeated string"),
                ("evictable", 3, "repeated string"),
            ),
            "GetClusterStateRequest": (),
            "GetClusterStateResponse": (("route_tables", 1, "map<string,banyandb.database.v1.RouteTable>"),),
        },
        methods={
            "NodeQueryService/GetCurrentNode": ("GetCurrentNodeRequest", "GetCurrentNodeResponse"),
            "ClusterStateService/GetClusterState": ("GetClusterStateRequest", "GetClusterStateResponse"),
        },
    ),
    "banyandb/cluster/v1/rpc.proto": ProtoFile(
        "banyandb.cluster.v1",
        messages={
            "GetMaxRevisionRequest": (),
            "GetMaxRevisionResponse": (("max_mod_revision", 1, "int64"),),
            "SchemaKey": (("kind", 1, "string"), ("group", 2, "string"), ("name", 3, "string")),
            "GetKeyRevisionsRequest": (("keys", 1, "repeated banyandb.cluster.v1.SchemaKey"),),
            "KeyRevision": (("key", 1, "banyandb.cluster.v1.SchemaKey"), ("mod_revision", 2, "int64"), ("present", 3, "bool")),
            "GetKeyRevisionsResponse": (("revisions", 1, "repeated banyandb.cluster.v1.KeyRevision"),),
        },
        methods={
            "NodeSchemaStatusService/GetMaxRevision": ("GetMaxRevisionRequest", "GetMaxRevisionResponse"),
            "NodeSchemaStatusService/GetKeyRevisions": ("GetKeyRevisionsRequest", "GetKeyRevisionsResponse"),
        },
    ),
    "grpc/health/v1/health.proto": ProtoFile(
        "grpc.health.v1",
        enums={"HealthCheckResponse.ServingStatus": ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")},
        messages={
            "HealthCheckRequest": (("service", 1, "string"),),
            "HealthCheckResponse": (("status", 1, "enum grpc.health.v1.HealthCheckResponse.ServingStatus"),),
        },
        methods={
            "Health/Check": ("HealthCheckRequest", "HealthCheckResponse"),
            "Health/Watch": ("HealthCheckRequest", "stream HealthCheckResponse"),
        },
    ),
}

# This form of the cluster state has each registered node as bytes, because a nested message and bytes are equal on the wire. Hundreds of views
# repeat the same few nodes, so ``views`` decodes each distinct node once. This is not a file of ``protos/``: no server knows this form.
LEAN_FILE = {
    "lean.proto": ProtoFile(
        "lean",
        messages={
            "RouteTable": (
                ("registered", 1, "repeated bytes"),
                ("active", 2, "repeated string"),
                ("evictable", 3, "repeated string"),
            ),
            "ClusterState": (("route_tables", 1, "map<string,lean.RouteTable>"),),
        },
    ),
}


@dataclass(frozen=True)
class Method:
    """One unary method. ``path``: name on the wire; ``request``: bytes of the request.

    ``decode``: takes the bytes of the answer, and raises ValueError for invalid bytes.
    """

    path: str
    request: bytes
    decode: Callable[[bytes], Any]


@cache
def load() -> Mapping[str, Any]:
    """Return full message name -> message class, for every message of FILES and LEAN_FILE."""
    pool = DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    names = [TIMESTAMP]
    for path, proto in {**FILES, **LEAN_FILE}.items():
        pool.AddSerializedFile(describe(path, proto).SerializeToString())
        names += [f"{proto.package}.{name}" for name in proto.messages]
    return {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in names}


def parse(name: str, data: bytes) -> Any:
    """Return the message with the full name ``name`` in ``data``. Raises ValueError."""
    try:
        return load()[name].FromString(data)
    except DecodeError as error:
        raise ValueError(f"{len(data)} bytes that are no {name} ({error})") from None


def method(path: str, decode: Callable[[bytes], Any] | None = None) -> Method:
    """Return the method ``package.Service/Method`` with an empty request.

    ``decode``: reads the answer; None reads the message of the declared type.
    """
    package, _dot, name = path.rpartition(".")
    response = next(proto.methods[name][1] for proto in FILES.values() if proto.package == package and name in proto.methods)
    return Method(f"/{path}", b"", decode or (lambda data: parse(f"{package}.{response}", data)))


def describe(path: str, proto: ProtoFile) -> FileDescriptorProto:
    """Return the descriptor that protoc would make for the file."""
    file = FileDescriptorProto(name=path, package=proto.package, syntax="proto3", dependency=proto.imports)
    messages: dict[str, DescriptorProto] = {}
    for name, fields in proto.messages.items():
        messages[name] = file.message_type.add(name=name)
        for field_ in fields:
            _add_field(messages[name], f".{proto.package}.{name}", field_)
    for name, values in proto.enums.items():
        outer, _dot, inner = name.rpartition(".")
        enum = (messages[outer] if outer else file).enum_type.add(name=inner)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    services: dict[str, Any] = {}
    for name, (request, response) in proto.methods.items():
        service, _slash, call = name.partition("/")
        if service not in services:
            services[service] = file.service.add(name=service)
        stream, _blank, output = response.rpartition(" ")
        described = services[service].method.add(name=call)
        described.input_type = f".{proto.package}.{request}"
        described.output_type = f".{proto.package}.{output}"
        if stream:
            described.server_streaming = True
    return file


def _add_field(message: DescriptorProto, scope: str, field_: Field) -> None:
    name, number, type_ = field_
    added = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    added.json_name = _camel(name)
    if type_.startswith("map<"):
        entry_name = _camel(f"_{name}_entry")
        key, _comma, value = type_[len("map<") : -1].partition(",")
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add_field(entry, f"{scope}.{entry_name}", ("key", 1, key))
        _add_field(entry, f"{scope}.{entry_name}", ("value", 2, value))
        type_ = f"repeated {scope[1:]}.{entry_name}"
    *modifiers, base = type_.split()
    if "repeated" in modifiers:
        added.label = FieldDescriptorProto.LABEL_REPEATED
    if "." not in base:
        added.type = FieldDescriptorProto.Type.Value(f"TYPE_{base.upper()}")
        return
    added.type = FieldDescriptorProto.TYPE_ENUM if "enum" in modifiers else FieldDescriptorProto.TYPE_MESSAGE
    added.type_name = f".{base}"


def _camel(snake: str) -> str:
    first, *rest = snake.split("_")
    return first + "".join(word.capitalize() for word in rest)
