# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures at a liaison: the registry, write and query services of its public port, and the service for other liaisons.

Simplified: a query returns the points of a time range with all their tags and fields, in the order of time.
"""

from __future__ import annotations

import asyncio

from . import messages
from .holdings import INSPECT, inspect_request
from .log import log
from .metrics import LIAISON_GRPC, Metrics
from .pending import Pending
from .points import digest, measure_root, record, records, repeated, split_head, with_head
from .registry import GROUP, OWN_GROUPS, OWN_REVISION
from .sending import Sender
from .store import INDEX, QUERY, query_request
from .tasks import background
from .wire import INVALID_ARGUMENT, NOT_FOUND, UNKNOWN, Status, streaming

_MEASURE_KEY = "measure/"
_DAY = 2  # UNIT_DAY
_UNIT_SECONDS = (0, 3600, 86400)  # the index is the unit of an interval
_ACCEPT = "/simulator.Liaison/Accept"
_STREAMS = 'total_stream_{}{{method="write",service="measure"}}'
# Seconds for the series of a batch, and tries of these calls and of a query (the real server's retry policy).
_INDEX_TIMEOUT, _ATTEMPTS = 15.0, 4
# Number of points that a query without a limit returns.
_LIMIT = 100
_SUCCEED, _INTERNAL_ERROR, _INVALID_TIMESTAMP = "STATUS_SUCCEED", "STATUS_INTERNAL_ERROR", "STATUS_INVALID_TIMESTAMP"


def _nanoseconds(timestamp):
    return timestamp.seconds * 1_000_000_000 + timestamp.nanos


class _Measure:
    """The parts of a measure that each point needs."""

    def __init__(self, data):
        self.schema = messages.decode(messages.Measure, data)
        self.name = self.schema.metadata.name.encode()
        self.key = digest(self.name)
        places = {tag.name: (family, place) for family, spec in enumerate(self.schema.tag_families) for place, tag in enumerate(spec.tags)}
        self.entity = [places[name] for name in self.schema.entity.tag_names]

    def entity_values(self, value):
        return [value.tag_families[family].tags[place].SerializeToString() for family, place in self.entity]

    def record(self, value, series, version):
        """Return the record of a DataPointValue."""
        point = messages.DataPoint(timestamp=value.timestamp, sid=int.from_bytes(series, "big"), version=version)
        for family, spec in zip(value.tag_families, self.schema.tag_families):
            found = point.tag_families.add(name=spec.name)
            for tag, tag_spec in zip(family.tags, spec.tags):
                found.tags.add(key=tag_spec.name, value=tag)
        for field, field_spec in zip(value.fields, self.schema.fields):
            point.fields.add(name=field_spec.name, value=field)
        return record(self.key, series, _nanoseconds(value.timestamp), version, point.SerializeToString())


class Measures:
    """flags: see flags.py. name: of this liaison. registry: see registry.py. liaisons, data_nodes: their Peers."""

    def __init__(self, flags, name, registry, liaisons, data_nodes):
        self.name, self.registry = name, registry
        self.liaisons, self.data_nodes = Sender(liaisons), Sender(data_nodes)
        self.write_timeout, self.query_timeout = flags["measure-write-timeout"], flags["dst-broadcast-timeout"]
        self.pending = Pending(measure_root(flags), name, flags["measure-flush-timeout"], self.data_nodes, self._data_nodes_of)
        self.groups = {group.metadata.name: group.resource_opts for group in map(own_group, OWN_GROUPS)}
        self.measures = {}
        self.learning = None
        self.metrics = Metrics(LIAISON_GRPC)

    def services(self):
        """Return the services of the public port."""
        group, measure = "/banyandb.database.v1.GroupRegistryService/", "/banyandb.database.v1.MeasureRegistryService/"
        return {
            group + "Create": self.create_group,
            group + "Get": self.get_group,
            group + "List": self.list_groups,
            group + "Inspect": self.inspect_group,
            measure + "Create": self.create_measure,
            measure + "Get": self.get_measure,
            "/banyandb.measure.v1.MeasureService/Write": self.write,
            "/banyandb.measure.v1.MeasureService/Query": self.query,
        }

    def internal_services(self):
        """Return the services of the port for other liaisons."""
        return {_ACCEPT: self.accept}

    # The registry

    async def create_group(self, request, metadata):
        group = messages.decode(messages.GroupCreateRequest, request).group
        if not group.metadata.name or not group.resource_opts.shard_num:
            raise Status(UNKNOWN, "group name is empty or shardNum is invalid")

        def encode(revision):
            group.metadata.mod_revision = revision
            for stamp in (group.created_at, group.updated_at):
                stamp.FromNanoseconds(revision)
            return group.SerializeToString()

        revision = await self.registry.create(GROUP + group.metadata.name, encode)
        return messages.GroupCreateResponse(mod_revision=revision).SerializeToString()

    async def get_group(self, request, metadata):
        name = messages.decode(messages.GroupGetRequest, request).group
        return messages.GroupGetResponse(group=await self._find_group(name)).SerializeToString()

    async def list_groups(self, request, metadata):
        await self.registry.refresh()
        groups = [messages.decode(messages.Group, data) for key, (_, data) in self.registry.objects.items() if key.startswith(GROUP)]
        return messages.GroupListResponse(group=[*map(own_group, OWN_GROUPS), *groups]).SerializeToString()

    async def inspect_group(self, request, metadata):
        """Return what every active data node holds of a group. An active node that is not responding fails the call (measured)."""
        group = await self._find_group(messages.decode(messages.GroupInspectRequest, request).group)
        name, rule = group.metadata.name, group.resource_opts.segment_interval
        answer = messages.GroupInspectResponse(group=group)
        prefix = f"{_MEASURE_KEY}{name}/"
        answer.schema_info.measures.extend(sorted(key[len(prefix) :] for key in self.registry.objects if key.startswith(prefix)))
        if rule.num:
            for data in await self._ask_all(INSPECT, inspect_request(name, _UNIT_SECONDS[rule.unit] * rule.num)):
                answer.data_info.append(messages.decode(messages.DataInfo, data))
        for _ in self.liaisons.names():
            answer.liaison_info.add()
        return answer.SerializeToString()

    async def _find_group(self, name):
        """Return the group. Raises Status."""
        found = [group for group in map(own_group, OWN_GROUPS) if group.metadata.name == name]
        return found[0] if found else messages.decode(messages.Group, await self.registry.find(GROUP + name))

    async def create_measure(self, request, metadata):
        measure = messages.decode(messages.MeasureCreateRequest, request).measure
        await self.registry.find(GROUP + measure.metadata.group)

        def encode(revision):
            measure.metadata.mod_revision = revision
            return measure.SerializeToString()

        revision = await self.registry.create(f"{_MEASURE_KEY}{measure.metadata.group}/{measure.metadata.name}", encode)
        return messages.MeasureCreateResponse(mod_revision=revision).SerializeToString()

    async def get_measure(self, request, metadata):
        name = messages.decode(messages.MeasureGetRequest, request).metadata
        data = await self.registry.find(f"{_MEASURE_KEY}{name.group}/{name.name}")
        return messages.MeasureGetResponse(measure=messages.decode(messages.Measure, data)).SerializeToString()

    async def _group(self, name):
        """Return the group's resource options. Raises Status."""
        if name not in self.groups:
            await self.registry.find(GROUP + name)
            self._keep_groups()
        return self.groups[name]

    def _keep_groups(self):
        """Give places to the shards of all groups, also of groups without points."""
        for key, (_, data) in self.registry.objects.items():
            if key.startswith(GROUP) and key[len(GROUP) :] not in self.groups:
                self.groups[key[len(GROUP) :]] = messages.decode(messages.Group, data).resource_opts

    def _learn(self):
        """Learn the groups of other processes when points arrive. The real server learns them at once."""
        if self.learning is None or self.learning.done():
            self.learning = background(self._refresh())

    async def _refresh(self):
        await self.registry.refresh()
        self._keep_groups()

    async def _measure(self, group, name):
        """Return the measure. Raises Status."""
        if (group, name) not in self.measures:
            self.measures[group, name] = _Measure(await self.registry.find(f"{_MEASURE_KEY}{group}/{name}"))
        return self.measures[group, name]

    def _place(self, group, shard):
        """Return the place of a shard among the shards of all groups, in the order of their names (measured on the disks of data nodes)."""
        return sum(options.shard_num for name, options in self.groups.items() if name < group) + shard

    def _data_nodes_of(self, group, shard):
        return self.data_nodes.pick(self._place(group, shard), self.groups[group].replicas + 1)

    # Writing

    @streaming
    async def write(self, requests, metadata):
        self.metrics.count(_STREAMS.format("started"))
        try:
            return await self._write(await requests())
        finally:
            self.metrics.count(_STREAMS.format("finished"))

    async def _write(self, requests):
        self._learn()
        schema, replies, owned = None, [], {}
        for data in requests:
            request = messages.decode(messages.WriteRequest, data)
            if request.HasField("metadata"):
                schema = request.metadata
            elif schema is None:
                raise Status(UNKNOWN, "metadata is required for the first request of gRPC stream")
            reply = messages.WriteResponse(message_id=request.message_id, metadata=schema)
            reply.status = await self._place_point(schema, request, reply, owned)
            replies.append(reply)
        outcomes = await asyncio.gather(*(self._hand_over(owner, *owned[owner][:2]) for owner in owned))
        for outcome, (_, _, waiting) in zip(outcomes, owned.values()):
            for reply in waiting:
                reply.status = outcome
        return [reply.SerializeToString() for reply in replies]

    async def _place_point(self, schema, request, reply, owned):
        """Add a point to the points for the liaison that owns its shard. owned: owner -> (group, {shard: records}, replies)."""
        value = request.data_point
        if value.timestamp.nanos % 1_000_000:
            return _INVALID_TIMESTAMP
        try:
            options = await self._group(schema.group)
            measure = await self._measure(schema.group, schema.name)
        except Status as status:
            log("error", "LIAISON-GRPC", "failed to navigate to the write target", error=status.message)
            return _INTERNAL_ERROR
        values = measure.entity_values(value)
        series = digest(measure.name, *values)
        shard = int.from_bytes(series, "big") % options.shard_num
        for owner in self.liaisons.pick(self._place(schema.group, shard)):
            _, shards, waiting = owned.setdefault(owner, (schema.group, {}, []))
            shards.setdefault(shard, []).append(measure.record(value, series, value.version or request.message_id))
            waiting.append(reply)
            return _SUCCEED
        log("error", "LIAISON-GRPC", "failed to pick an available node", error="no nodes available")
        return _INTERNAL_ERROR

    async def _hand_over(self, owner, group, shards):
        """Pass points to the liaison that owns their shards and return the status for the answer."""
        batches = {shard: b"".join(found) for shard, found in shards.items()}
        head = {"group": group, "shards": [[shard, len(data)] for shard, data in batches.items()]}
        request = with_head(head, b"".join(batches.values()))
        if owner == self.name:
            await self.accept(request, {})
            return _SUCCEED
        if not await self.liaisons.accepts(owner):
            return _INTERNAL_ERROR
        try:
            await self.liaisons.call(owner, _ACCEPT, request, self.write_timeout, _ATTEMPTS)
        except Status as status:
            log("error", "LIAISON-GRPC", "node returns error", node=owner, error=status.message)
            self.liaisons.failed(owner, status)
            return _INTERNAL_ERROR
        return _SUCCEED

    async def accept(self, request, metadata):
        """Take points of shards that this liaison owns: hold them in memory and send their series to the data nodes of the shards."""
        head, data = split_head(request)
        group, start, nodes = head["group"], 0, set()
        self._learn()
        await self._group(group)
        for shard, length in head["shards"]:
            self.pending.add(group, shard, data[start : start + length])
            start += length
            nodes.update(self._data_nodes_of(group, shard))
        for node in sorted(nodes):
            try:
                await self.data_nodes.call(node, INDEX, b"", _INDEX_TIMEOUT, _ATTEMPTS)
            except Status as status:
                # The liaison acknowledges the points although this call failed.
                log("error", "MEASURE", "failed to publish series index to node", node=node, error=status.message)
        return b""

    # Querying

    async def query(self, request, metadata):
        query = messages.decode(messages.QueryRequest, request)
        if not query.HasField("time_range") or len(query.groups) != 1:
            raise Status(INVALID_ARGUMENT, "expected one group and a time range")
        begin, end = _nanoseconds(query.time_range.begin), _nanoseconds(query.time_range.end)
        try:
            await self._group(query.groups[0])
            measure = await self._measure(query.groups[0], query.name)
        except Status as status:
            if status.code != NOT_FOUND:
                raise
            raise Status(UNKNOWN, f"fail to get execution context for measure {query.name}: measure doesn't exist") from None
        last = query.offset + (query.limit or _LIMIT)
        answers = await self._ask_all(QUERY, query_request(query.groups[0], measure.key, begin, end, last))
        found = {}
        for answer in answers:
            for _, series, moment, version, body, _ in records(answer):
                known = found.get((moment, series))
                if known is None or known[0] < version:
                    found[moment, series] = version, body
        return b"".join(repeated(found[key][1]) for key in sorted(found)[query.offset : last])

    async def _ask_all(self, path, request):
        """Return the answers of all data nodes that are active and registered. One failure fails the query. Raises Status."""
        peers = self.data_nodes.peers
        names = [name for name in peers.active if name in peers.registered]
        if not names:
            raise Status(UNKNOWN, "broadcast errors: no active nodes")
        calls = [self.data_nodes.call(name, path, request, self.query_timeout, _ATTEMPTS) for name in names]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        failures = []
        for name, answer in zip(names, answers):
            if isinstance(answer, Status):
                self.data_nodes.failed(name, answer)
                failures.append(f"failed to publish message to {name}: {answer.message}")
            elif isinstance(answer, BaseException):
                raise answer
        if failures:
            raise Status(UNKNOWN, "broadcast errors: " + "; ".join(failures))
        return answers


def own_group(item):
    """Return the Group of one of the server's own groups. item: see OWN_GROUPS."""
    group = messages.Group(catalog=item["catalog"])
    group.metadata.name, group.metadata.mod_revision = item["name"], OWN_REVISION
    group.resource_opts.shard_num, group.resource_opts.replicas = 1, item["replicas"]
    for rule, days in ((group.resource_opts.segment_interval, item["interval"]), (group.resource_opts.ttl, item["ttl"])):
        if days:
            rule.unit, rule.num = _DAY, days
    for stamp in (group.created_at, group.updated_at):
        stamp.FromNanoseconds(OWN_REVISION)
    return group
