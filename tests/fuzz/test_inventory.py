# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the inventory, as users write them, through the filters that read them."""

from __future__ import annotations

import pickle
import random
import re
from typing import Any

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.filter import clusters
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import BadEnvironment, digests, environment_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.labels import BadLabel, labels_flag

from .inputs import Fuzzer, replaced, spoilt

CLUSTERS = clusters.FilterModule().filters()["clusters"]
ENVIRONMENT = {function.__name__: function for function in (digests, environment_file, labels_flag)}

GROUPS = {"banyandb_data": ["d1", "d2"], "banyandb_liaison": ["l1"], "banyandb_standalone": ["s1"], "all": ["d1", "d2", "l1", "s1", "x"]}
HOSTVARS = b"""\
d1: {ansible_host: 192.0.2.1, banyandb_node_labels: {type: hot, zone: 1}, banyandb_grpc_port: 17912, banyandb_http_port: "17913"}
d2:
  banyandb_node_host: d2.example.org
  banyandb_has_meta_role: no
  banyandb_remove: [d9, d8]
  banyandb_env: {BYDB_LOGGING_LEVEL: debug, BYDB_MEASURE_FLUSH_TIMEOUT: 5s, A: "two words $x"}
  banyandb_cluster: default
l1: {banyandb_node_host: "2001:db8::1", banyandb_env: {BYDB_LIAISON_SERVER_GRPC_PORT: 18912}}
s1: {banyandb_cluster: alone, banyandb_node_labels: {}, ansible_host: s1}
x: {}
"""


def hostvars(random: random.Random) -> dict[str, Any]:
    """Return variables as the inventory's YAML has them: a mapping with names as keys. Ansible reads with libyaml too."""
    found: Any = yaml.load(HOSTVARS, yaml.CSafeLoader)
    if random.random() < 0.3:
        try:
            changed = yaml.load(spoilt(random, [HOSTVARS], 100_000), yaml.CSafeLoader)
        except Exception:  # not YAML, so not for our filters: the next input follows
            changed = None
        if isinstance(changed, dict):
            found.update({host: variables for host, variables in changed.items() if host in found and isinstance(variables, dict)})
    for _ in range(random.randrange(1, 4)):
        host = random.choice(("d1", "d2", "l1", "s1"))
        names = random.sample(sorted({**found[host], **found["d2"], **found["d1"]}, key=str), 1)
        found[host] = {**found[host], **{name: replaced(random, found[host].get(name, "a")) for name in names}}
    return found


def test_an_inventory_gives_clusters_with_problems_in_words(fuzz: Fuzzer) -> None:
    with fuzz.reproducible():
        for variables in fuzz.inputs(hostvars):
            before = pickle.dumps(variables)  # a value that contains itself cannot be compared
            found = CLUSTERS(variables, GROUPS)
            assert pickle.dumps(variables) == before
            hosts = {node["name"] for cluster in found.values() for node in cluster["nodes"]}
            problems = [problem for cluster in found.values() for problem in cluster["problems"]]
            removed = {name for cluster in found.values() for name in cluster["remove"]}
            assert all(len(problem) < 4000 for problem in problems)
            # Hosts with the same problem share a line, which names three of them.
            named = [re.split(", | and ", problem.partition(": ")[0]) for problem in problems]
            for host in {"d1", "d2", "l1", "s1"} - hosts - removed:
                assert any(host in names or names[-1].endswith(" more") for names in named)
            fuzz.came("with problems" if problems else "right")


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_an_environment_or_labels_are_rendered_or_refused(fuzz: Fuzzer, name: str) -> None:
    sample = {"BYDB_NODE_LABELS": "type=hot", "BYDB_FLAG": True, "BYDB_PORT": 17912, "A": 'say "yes" \\', "B": None, "C": 1.5, "D": ""}
    if name == "labels_flag":
        sample = {"type": "hot", "zone": 1, "spare": False, "rack": "a b", "no": ""}

    def made(random: random.Random) -> Any:
        data: Any = sample
        for _ in range(random.randrange(1, 4)):
            data = replaced(random, data)
        if isinstance(data, dict) and random.random() < 0.3:
            data["E"] = spoilt(random, [b"a b c", b"type=hot"], 200).decode("utf-8", "surrogateescape")
        return data

    with fuzz.reproducible():
        for value in fuzz.inputs(made):
            try:
                result = ENVIRONMENT[name](value)
            except (BadEnvironment, BadLabel) as error:
                assert 0 < len(str(error)) < 4000
                fuzz.came("refused")
            else:
                assert isinstance(result, dict if name == "digests" else str)
                assert name == "digests" or result.encode().decode() == result
                fuzz.came("rendered")
