# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of DNS answers for nodes that move, vanish, stop responding and return, and the topology made from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.dns_nodes import Hosts, Live, Memory, found, wanted_topology
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Apart, Candidate, SeenNode, Sighting
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, from_entries
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity

from .draw import Choices, made

NAMES = ["d1", "d2", "d3", "d4", "l1", "s1", "s2"]  # the last two are only in DNS
SILENT = Failure(ErrorKind.TIMEOUT, "no answer")


def port(name: str) -> int:
    return 18912 if name.startswith("l") else 17912


def node_name(name: str) -> str:
    return f"10.0.0.{NAMES.index(name)}:{port(name)}"


HOSTS = Hosts(
    {
        name: {"name": name, "role": "liaison" if name == "l1" else "data", "grpc_address": node_name(name), "node_name": node_name(name)}
        for name in NAMES
        if not name.startswith("s")
    },
    {name: frozenset({name, f"10.0.0.{NAMES.index(name)}"}) for name in NAMES if not name.startswith("s")},
)


@dataclass(frozen=True)
class Look:
    """One reading of DNS. ``listed``: name -> number of its address, 0 its own; ``whole``: DNS answered completely; ``silent``: unreachable from
    the controller; ``away``: unreachable from every host; ``remove``: listed in banyandb_remove.
    """

    listed: Mapping[str, int]
    whole: bool
    silent: frozenset[str]
    away: frozenset[str]
    remove: tuple[str, ...]


def looks(choices: Choices) -> list[Look]:
    means = {name: 0 for name in NAMES if not choices.once_in(4)}
    away: set[str] = set()
    made_looks = []
    for _ in range(1 + choices.below(10)):
        name = choices.pick(NAMES)
        if choices.once_in(3):
            means.pop(name) if name in means else means.update({name: 0})
        if choices.once_in(4) and name in means:
            means[name] = choices.below(2)
        if choices.once_in(3):
            away ^= {choices.pick(NAMES)}
        kind = choices.below(6)
        said = {} if kind == 0 else {name: number for name, number in means.items() if kind != 1 or choices.once_in(2)}
        silent = frozenset(name for name in NAMES if name in away or choices.once_in(3))
        remove = (choices.pick(NAMES),) if choices.once_in(12) else ()
        made_looks.append(Look(said, kind > 0 and not choices.once_in(5), silent, frozenset(away), remove))
    return made_looks


def sighting(look: Look) -> Sighting:
    nodes, apart = [], []
    for name, number in look.listed.items():
        one = Candidate(f"{name}.lab.test", port(name), "_x._tcp.lab.test.", (f"10.0.{number}.{NAMES.index(name)}",))
        if name in look.silent:
            apart.append(Apart(one.host, one, SILENT))
        else:
            roles = ("ROLE_LIAISON",) if name == "l1" else ("ROLE_DATA",)
            nodes.append(SeenNode(one.host, one, Identity(node_name(name), roles=roles)))
    return Sighting(tuple(nodes), tuple(apart), complete=look.whole)


def plain(entry: str) -> str:
    """Return the node of an entry name from the inventory or from DNS."""
    return entry.partition(".")[0]


@given(made(200, looks))
def test_no_sequence_of_answers_takes_a_node_that_answers_out_of_the_topology(sequence: list[Look]) -> None:
    live: dict[str, str] = {}
    memory = Memory()
    left_out: Counter[str] = Counter()
    for look in sequence:
        now = Live(live, frozenset(name for name in live if plain(name) not in look.away))
        seen = found(sighting(look), HOSTS, now, memory)
        remove = tuple(name for name in live if plain(name) in look.remove)
        wanted = wanted_topology(seen, look.whole, HOSTS, now, memory, remove, "", {})
        if look.whole:
            for name in live:
                left_out[plain(name)] = 0 if plain(name) in look.listed else left_out[plain(name)] + 1
        gone = {plain(name) for name in live if name not in wanted.entries} - set(look.remove)
        assert all(name in look.away and look.whole and left_out[name] >= 3 for name in gone), gone
        assert {plain(name) for name in wanted.remove} == gone
        assert len(gone) <= 1
        if not wanted.entries:
            assert wanted.problems
            continue
        Topology(from_entries(list(wanted.entries.values()), "nodes"))  # checks that each name and address is unique
        new = {plain(name) for name in wanted.entries} - {plain(name) for name in live}
        assert new <= set(look.listed)
        if look.whole:
            for name, entry in wanted.entries.items():
                if plain(name) in look.listed:
                    number = look.listed[plain(name)]
                    assert entry["grpc_address"] == f"10.0.{number}.{NAMES.index(plain(name))}:{port(plain(name))}"
        memory = wanted.memory
        live = {name: entry["grpc_address"] for name, entry in wanted.entries.items()}
