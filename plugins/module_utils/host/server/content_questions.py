# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries a liaison for groups and for the points of each data node, and a data node for properties. Standard library only, Python 3.9+."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import METRICS_PATH, HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import (
    Counts,
    Group,
    counts_from,
    groups_from,
    properties_from,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure

Found = TypeVar("Found")

GROUPS_PATH = "/api/v1/group/schema/lists"
CONTENT_PATH = "/api/v1/group/content/"
# Seconds to retry. Measured: after the death of a data node the liaison answers 500 until the node is evictable (2 to 11 s). It answers 503 until its
# schema client has noticed that the node is not responding (10 s between two health checks).
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Answer:
    """Content of the cluster. ``groups``: the user groups. ``counts``: group -> node -> segments, for groups without properties."""

    groups: list[Group]
    counts: Counts


def content(client: HttpClient) -> Answer | Failure:
    """Return the content of all groups from a liaison, or the failure of a query."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    groups = _asked(client, GROUPS_PATH, groups_from, deadline)
    if isinstance(groups, Failure):
        return groups
    counts = {}
    for group in groups:
        if not group.has_properties:
            found = _asked(client, CONTENT_PATH + urllib.parse.quote(group.name, safe=""), counts_from, deadline)
            if isinstance(found, Failure):
                return found
            counts[group.name] = found
    return Answer(groups, counts)


def properties(client: HttpClient) -> dict[str, int] | Failure:
    """Return group -> number of property documents, or the failure of the query. ``client``: client of a data node's metrics."""
    return client.ask(METRICS_PATH, lambda body: properties_from(body.decode()))


def _asked(client: HttpClient, path: str, read: Callable[[Any], Found], deadline: float) -> Found | Failure:
    """Query until the server is available, or until ``deadline`` (seconds of the monotonic clock)."""
    while True:
        found = client.ask(path, lambda body: read(json.loads(body)))
        if not isinstance(found, Failure) or found.kind != ErrorKind.UNAVAILABLE or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE_SECONDS)
