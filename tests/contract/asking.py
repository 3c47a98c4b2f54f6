# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask servers: the cluster state and other pages by HTTP, everything by gRPC; and parse a view."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import pathlib
from typing import Any

import grpc
from google.protobuf import message_factory

from tests.load.messages import compiled

PATIENCE = 5.0
"""Seconds for one question."""


class NotServing(OSError):
    """The server answered with another HTTP status than 200."""


@dataclasses.dataclass(frozen=True)
class Table:
    """One route table with sorted lists of node names."""

    registered: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    evictable: tuple[str, ...] = ()


def page(address: str, port: int, path: str, user: tuple[str, str] | None = None) -> str:
    """Return the body of ``path``. ``user``: name and password.

    Raises NotServing for a status other than 200, OSError without an answer.
    """
    headers = {"Authorization": f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"} if user else {}
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise NotServing(f"{address}:{port}{path}: {answer.status} {body}")
        return body
    except http.client.HTTPException as error:
        raise NotServing(f"{address}:{port}{path}: {error!r}") from error
    finally:
        connection.close()


def state(address: str, port: int = 17913) -> dict[str, Any]:
    """Return the cluster state from the server's JSON."""
    answer: dict[str, Any] = json.loads(page(address, port, "/api/v1/cluster/state"))
    return answer


def tables(answer: dict[str, Any]) -> dict[str, Table]:
    """Return the route tables of a cluster state by their names."""
    return {
        name: Table(
            tuple(sorted(node["metadata"]["name"] for node in table["registered"])),
            tuple(sorted(table["active"])),
            tuple(sorted(table["evictable"])),
        )
        for name, table in answer["routeTables"].items()
    }


class Calls:
    """The services of our protos, read from their .proto files into a separate descriptor pool."""

    def __init__(self, protos: pathlib.Path) -> None:
        self._pool = compiled(protos)

    def answer(self, path: str) -> Any:
        """Return the message class of the answer to ``path`` (service/method)."""
        return message_factory.GetMessageClass(self._method(path).output_type)

    def ask(self, address: str, port: int, path: str, user: tuple[str, str] | None = None, **fields: Any) -> Any:
        """Call ``path`` once, over a channel of its own. ``user``: name and password. ``fields``: of the request. Raises grpc.RpcError."""
        metadata = tuple(zip(("username", "password"), user, strict=True)) if user else None
        request = message_factory.GetMessageClass(self._method(path).input_type)
        with grpc.insecure_channel(f"{address}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            ask = channel.unary_unary(f"/{path}", request.SerializeToString, self.answer(path).FromString)
            return ask(request(**fields), timeout=PATIENCE, metadata=metadata)

    def _method(self, path: str) -> Any:
        service, method = path.split("/")
        return self._pool.FindServiceByName(service).methods_by_name[method]
