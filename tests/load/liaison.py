# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One liaison from a client's side: the registry, writes and queries of its public port."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from .messages import message, method

GROUPS, MEASURES = "database.v1.GroupRegistryService/", "database.v1.MeasureRegistryService/"
REGISTRY_TIMEOUT = 10.0
SHARDS, REPLICAS = 4, 1
FAMILY, SERIES, NUMBER, FIELD = "default", "series", "number", "value"
SUCCEED = "STATUS_SUCCEED"
LIMIT = 1_000_000
"""Above the number of points of any query of this client. A query without a limit returns 100."""

OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    # The client uses a liaison again within a second of its return.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


@dataclasses.dataclass(frozen=True)
class Point:
    """A point to write. ``number`` is unique and above 0; ``time`` in milliseconds; the pair of series and time is unique."""

    number: int
    time: int
    series: str


def why(error: grpc.RpcError) -> str:
    """Return the error of a failed call as text."""
    return f"{error.code().name}: {error.details()}"


async def _is_there(question: Awaitable[Any]) -> bool:
    try:
        await question
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return True


async def _unless_there(creation: Awaitable[None]) -> None:
    try:
        await creation
    except grpc.RpcError as error:
        # Another client has made the object first.
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise


class Liaison:
    """``address``: host:port. ``group`` and ``measure``: names of the target. ``replicas``: of a group that this client makes.
    ``user``: name and password; a liaison without users ignores them.

    ``ca``: file of CAs for TLS; None never uses TLS. After a change of the file, new calls use a new connection. While the file exists, a call
    after a refused call changes between TLS and no TLS, since the liaison may have changed. Its calls raise grpc.RpcError.
    """

    def __init__(
        self,
        address: str,
        group: str,
        measure: str,
        replicas: int = REPLICAS,
        user: tuple[str, str] | None = None,
        ca: pathlib.Path | None = None,
    ) -> None:
        self.address, self.group, self.measure, self.replicas, self._ca = address, group, measure, replicas, ca
        self._user = tuple(zip(("username", "password"), user, strict=True)) if user else ()
        self._secure = ca is not None and ca.exists()
        # Text of the CAs, empty without TLS -> channel. Calls of an earlier channel end by themselves.
        self._channels: dict[bytes, grpc.aio.Channel] = {}

    @property
    def _channel(self) -> grpc.aio.Channel:
        trusted = self._ca.read_bytes() if self._secure and self._ca else b""
        if trusted not in self._channels:
            self._channels[trusted] = (
                grpc.aio.secure_channel(self.address, grpc.ssl_channel_credentials(trusted), options=OPTIONS)
                if trusted
                else grpc.aio.insecure_channel(self.address, options=OPTIONS)
            )
        return self._channels[trusted]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    def _change_after(self, error: grpc.RpcError, used: grpc.aio.Channel) -> None:
        """Change between TLS and no TLS if the liaison was not reached through the present channel.

        Many calls fail together. Only the first failure changes the channel.
        """
        if error.code() == grpc.StatusCode.UNAVAILABLE and self._ca and self._ca.exists() and used is self._channel:
            self._secure = not self._secure

    # The registry

    async def make_group(self) -> None:
        """Make the group when it is missing."""
        if not await self.has_group():
            await _unless_there(self.create_group())

    async def make_measure(self) -> None:
        """Make the measure when it is missing."""
        if not await self.knows_measure():
            await _unless_there(self.create_measure())

    async def has_group(self) -> bool:
        return await _is_there(self._ask(GROUPS + "Get", REGISTRY_TIMEOUT, group=self.group))

    async def knows_measure(self) -> bool:
        return await _is_there(self.measure_revision())

    async def measure_revision(self) -> int:
        """Return the measure's revision on this liaison. Raises NOT_FOUND when the liaison does not know the measure."""
        answer = await self._ask(MEASURES + "Get", REGISTRY_TIMEOUT, metadata=self._metadata())
        revision: int = answer.measure.metadata.mod_revision
        return revision

    async def create_group(self) -> None:
        """Raises ALREADY_EXISTS when the group exists."""
        day, week = ({"unit": "UNIT_DAY", "num": number} for number in (1, 7))
        options = {"shard_num": SHARDS, "replicas": self.replicas, "segment_interval": day, "ttl": week}
        group = {"metadata": {"name": self.group}, "catalog": "CATALOG_MEASURE", "resource_opts": options}
        await self._ask(GROUPS + "Create", REGISTRY_TIMEOUT, group=group)

    async def create_measure(self) -> None:
        """Raises ALREADY_EXISTS when the measure exists."""
        tags = [{"name": SERIES, "type": "TAG_TYPE_STRING"}, {"name": NUMBER, "type": "TAG_TYPE_INT"}]
        field = {
            "name": FIELD,
            "field_type": "FIELD_TYPE_INT",
            "encoding_method": "ENCODING_METHOD_GORILLA",
            "compression_method": "COMPRESSION_METHOD_ZSTD",
        }
        measure = {
            "metadata": {"group": self.group, "name": self.measure},
            "tag_families": [{"name": FAMILY, "tags": tags}],
            "fields": [field],
            "entity": {"tag_names": [SERIES]},
        }
        await self._ask(MEASURES + "Create", REGISTRY_TIMEOUT, measure=measure)

    # Points

    async def write(self, points: Iterable[Point], timeout: float, answered: Callable[[int, str], None]) -> None:
        """Write points and call ``answered(number, status)`` for each answer. The answers come after the last point."""
        path, request, answer = method("measure.v1.MeasureService/Write")
        channel = self._channel
        write = channel.stream_stream(path, request.SerializeToString, answer.FromString)
        metadata = self._metadata()
        stream = write((self._request(point, metadata) for point in points), timeout=timeout, metadata=self._user)
        try:
            async for reply in stream:
                answered(reply.message_id, reply.status)
        except grpc.RpcError as error:
            self._change_after(error, channel)
            raise

    async def query(self, begin: int, end: int, timeout: float) -> set[tuple[str, int]]:
        """Return the points of the times [begin, end), in milliseconds: (series, number)."""
        times = message("model.v1.TimeRange")()
        times.begin.FromMilliseconds(begin)
        times.end.FromMilliseconds(end)
        tags = message("model.v1.TagProjection")()
        tags.tag_families.add(name=FAMILY, tags=[SERIES, NUMBER])
        answer = await self._ask(
            "measure.v1.MeasureService/Query",
            timeout,
            groups=[self.group],
            name=self.measure,
            time_range=times,
            tag_projection=tags,
            limit=LIMIT,
        )
        found = set()
        for point in answer.data_points:
            values = {tag.key: tag.value for family in point.tag_families for tag in family.tags}
            found.add((values[SERIES].str.value, values[NUMBER].int.value))
        return found

    async def _ask(self, path: str, timeout: float, **request: Any) -> Any:
        full, request_class, answer = method(path)
        channel = self._channel
        call = channel.unary_unary(full, request_class.SerializeToString, answer.FromString)
        try:
            return await call(request_class(**request), timeout=timeout, metadata=self._user)
        except grpc.RpcError as error:
            self._change_after(error, channel)
            raise

    def _metadata(self) -> Any:
        return message("common.v1.Metadata")(group=self.group, name=self.measure)

    @staticmethod
    def _request(point: Point, metadata: Any) -> Any:
        request = message("measure.v1.WriteRequest")(metadata=metadata, message_id=point.number)
        value = request.data_point
        value.timestamp.FromMilliseconds(point.time)
        value.version = point.number
        tags = value.tag_families.add().tags
        tags.add().str.value = point.series
        tags.add().int.value = point.number
        value.fields.add().int.value = point.number
        return request
