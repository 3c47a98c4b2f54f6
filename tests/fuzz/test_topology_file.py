# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file topology.yml on a host, with any content from any writer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import foreign_topology, topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology, TopologyError, parse

from .inputs import Fuzzer, spoilt

NODES = (
    *(Node(f"n{number}", f"10.0.0.{number}:17912") for number in range(4)),
    Node("no", "[2001:db8::1]:18912", True, "/etc/ca.pem"),
    Node("ü '\"\\ # {", "host.example.org.:1", False, "/a b"),
)
HAND_WRITTEN = b"""\
# By hand
defaults: &defaults
  tls_enabled: true
  ca_cert_path: "/etc/ca.pem"
nodes:
  - name: data1
    grpc_address: 192.0.2.1:17912
  - {name: 'data2', grpc_address: "data2:17912", <<: *defaults}
  - name: >-
      data3
    grpc_address: data3:17912
    zone: [1, 2.5, 0x1F, ~, 2026-01-31, 1:30]
"""
SAMPLES = (
    Topology(NODES).render().encode(),
    Topology(NODES[:2], NODES[2:]).render().encode(),
    Topology((), NODES[:1]).render().encode(),
    HAND_WRITTEN,
    HAND_WRITTEN.replace(b"\n", b"\r\n"),
    json.dumps({"nodes": [node.to_mapping() for node in NODES]}, indent=1).encode(),
    b"nodes: []\n",
    b"",
)


def content(random: random.Random) -> bytes:
    if random.random() < 0.02:
        return random.randbytes(random.randrange(200))
    return spoilt(random, SAMPLES)


@pytest.mark.parametrize("pyyaml", [True, False], ids=["with PyYAML", "without PyYAML"])
def test_a_file_is_a_topology_or_a_typed_error(fuzz: Fuzzer, pyyaml: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "topology.yml"
    if not pyyaml:
        monkeypatch.setattr(foreign_topology, "yaml", None)
    with fuzz.reproducible():
        for data in fuzz.inputs(content):
            path.write_bytes(data)
            try:
                found = topology_file.read(str(path))
            except TopologyFileError as error:
                assert str(error).startswith(f"{path}: ") and len(str(error)) < 4000
                fuzz.came("refused")
            else:
                assert found is not None and found[1].encode() == data
                assert parse(found[0].render()) == found[0]
                fuzz.came("read")


def test_a_text_is_a_topology_or_a_typed_error(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for data in fuzz.inputs(content):
            try:
                found = parse(data.decode("utf-8", "surrogateescape"))
            except TopologyError as error:
                assert 0 < len(str(error)) < 4000
                fuzz.came("refused")
            else:
                assert parse(found.render()) == found
                fuzz.came("read")
