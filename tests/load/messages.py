# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages and methods of protos/. The client compiles them at its start."""

from __future__ import annotations

import functools
import pathlib
import tempfile
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).parents[2] / "protos"


def compiled(protos: pathlib.Path) -> Any:
    """Return a descriptor pool with all .proto files of a folder. Raises RuntimeError when protoc rejects one."""
    files = sorted(str(file.relative_to(protos)) for file in protos.rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "descriptors"
        words = ["protoc", f"-I{protos}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={target}"]
        if protoc.main([*words, *files]):
            raise RuntimeError(f"protoc rejects the files in {protos}: see its words above")
        found = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    return pool


@functools.cache
def pool() -> Any:
    """Return the descriptor pool of this project."""
    return compiled(PROTOS)


@functools.cache
def message(name: str) -> Any:
    """Return the class of a message by its full name without ``banyandb.``, such as ``measure.v1.WriteRequest``."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(f"banyandb.{name}"))


@functools.cache
def method(path: str) -> Any:
    """Return (path, request class, answer class) of ``package.Service/Method``. The package has no ``banyandb.``."""
    service, _, name = path.partition("/")
    found = pool().FindServiceByName(f"banyandb.{service}").methods_by_name[name]
    return (
        f"/banyandb.{path}",
        message_factory.GetMessageClass(found.input_type),
        message_factory.GetMessageClass(found.output_type),
    )
