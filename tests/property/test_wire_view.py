# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster state in wire format: our decoder, protobuf, and the JSON of the HTTP port give the same view."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import load
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import wire_messages
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View

from .draw import Choices, made

SECONDS = (0, 1, -1, 951_782_400, 1_795_939_054, 4_000_000_000, -62_135_596_800, 253_402_300_799)
NANOS = (0, 1, 1000, 1_000_000, 100_000_000, 999_999_999)


def state(choices: Choices) -> Any:
    """Return a message with any tables, nodes, labels and dates."""
    message = load()["banyandb.database.v1.GetClusterStateResponse"]()
    for _ in range(choices.below(4)):
        table = message.route_tables[choices.pick(("property", "tire1", "tire2", choices.text()))]
        for _ in range(choices.below(4)):
            node = table.registered.add(grpc_address=choices.text(), http_address=choices.text(), roles=choices.some((0, 1, 2, 3)))
            if choices.once_in(2):
                node.metadata.group, node.metadata.name, node.metadata.mod_revision = choices.text(), choices.text(), choices.byte() - 128
            for _ in range(choices.below(3)):
                node.labels[choices.text()] = choices.text()
            if choices.once_in(2):
                node.created_at.seconds, node.created_at.nanos = choices.pick(SECONDS), choices.pick(NANOS)
        table.active.extend(choices.text() for _ in range(choices.below(3)))
        table.evictable.extend(choices.text() for _ in range(choices.below(3)))
    return message


@given(made(500, lambda choices: (state(choices), state(choices))))
def test_a_message_is_the_same_view_for_every_client(messages: tuple[Any, Any]) -> None:
    """Protobuf merges a message that comes in two parts. Of two tables with one name, the second counts."""
    first, second = messages
    data = first.SerializeToString()
    assert wire_messages.view(data) == View.from_mapping(json.loads(json_format.MessageToJson(first)))
    data += second.SerializeToString()
    assert wire_messages.view(data) == view_decoder()(data)
