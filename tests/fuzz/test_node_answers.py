# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes' answers about themselves, as a host reads them with the standard library."""

from __future__ import annotations

import random

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import gate_watch
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.gate import NodeAnswer
from ansible_collections.skywalking.banyandb.tests.unit.peers import recorded

from .inputs import Fuzzer, spoilt
from .test_grpc_client import wire

SAMPLES = {method: [recorded(port)[f"/{method}"] for port in ("data", "liaison-internal")] for method in gate_watch.METHODS}


def messages(random: random.Random) -> list[bytes]:
    return [wire(random) if random.random() < 0.3 else spoilt(random, SAMPLES[method], 50_000) for method in gate_watch.METHODS]


def test_what_a_node_says_is_read_or_is_named(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for said in fuzz.inputs(messages):
            answer = gate_watch.read(Node("it", "127.0.0.1:17912"), said)
            if isinstance(answer, Failure):
                assert answer.kind in REMEDY and answer.message.startswith("127.0.0.1:17912: ")
                fuzz.came(answer.kind)
            else:
                assert isinstance(answer, NodeAnswer) and answer.identity is not None
                fuzz.came("answered")
