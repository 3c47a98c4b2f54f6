# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of inventories, pushes and refusals, some interrupted between their writes, and the resulting view of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import clusters
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT, ADMIT_START, STAGE, PlanRefused, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, from_entries, parse

from .draw import Choices, made

PROCESSES = 5
# Each process has two addresses: a name and an IP address.
HOSTS = tuple((f"p{number}", f"10.0.0.{number}") for number in range(PROCESSES))
PROCESS_AT = {f"{host}:17912": number for number, hosts in enumerate(HOSTS) for host in hosts}
NEW_NAMES = ("x", "y", "z")


@dataclass(frozen=True)
class Asked:
    """One push. ``hosts``: inventory name -> the host name or IP address of its process; ``down``: unreachable processes;
    ``writes``: number of writes before the interruption.
    """

    hosts: Mapping[str, str]
    down: frozenset[int] = frozenset()
    remove: tuple[str, ...] = ()
    refresh: tuple[str, ...] = ()
    admit: str = ADMIT[0]
    readdress: str = STAGE
    batch: int = 1
    writes: int = 99


def sequence(choices: Choices) -> list[Asked]:
    """Return up to 6 pushes. Between two pushes a few hosts come, leave (with or without a request), move, change names or stop."""
    hosts = {f"n{number}": HOSTS[number][0] for number in range(PROCESSES - choices.below(2))}
    down: set[int] = set()
    # Either hosts exchange names, or they have other addresses too. Files have names and addresses, but not processes: with both changes
    # the files do not show that a host has got another host's name while that host is new at another address.
    exchanging = choices.once_in(3)
    owners = {f"n{number}": number for number in range(PROCESSES)}

    def new_name(number: int, names: tuple[str, ...]) -> str:
        free = [name for name in names if exchanging or owners.get(name, number) == number]
        name = choices.pick(free or [f"n{number}"])
        owners.setdefault(name, number)
        return name

    asked = [Asked(dict(hosts))]
    for _ in range(choices.below(6)):
        remove = []
        for _ in range(choices.below(4)):
            kind = choices.below(8)
            number = choices.below(PROCESSES)
            name = next((name for name, host in hosts.items() if host in HOSTS[number]), None)
            if kind == 0 or name is None:
                down ^= {number}
            elif kind < 3 and not exchanging:
                hosts[name] = HOSTS[number][HOSTS[number][0] == hosts[name]]  # another address
            elif kind <= 3:
                hosts[new_name(number, NEW_NAMES)] = hosts.pop(name)  # another name, or the name of another host, which vanishes
            elif kind == 4 and not exchanging:
                del hosts[name]
                hosts[new_name(number, NEW_NAMES)] = HOSTS[number][choices.below(2)]  # another name and perhaps another address
                remove.append(name)
            elif kind < 7:
                remove += [name] if kind == 5 else []
                del hosts[name]
            elif exchanging:
                other = choices.pick(sorted(hosts))
                hosts[name], hosts[other] = hosts[other], hosts[name]
            if name is None and kind > 3:
                hosts[new_name(number, (f"n{number}", *NEW_NAMES))] = HOSTS[number][0 if exchanging else choices.below(2)]
        asked.append(
            Asked(
                dict(hosts),
                frozenset(down),
                tuple(remove) if choices.byte() < 230 else (choices.pick(("n0", "n3", "x")),),
                tuple(choices.some(sorted(hosts))[:2]) if choices.once_in(4) else (),
                ADMIT[choices.below(16) // 6],
                STAGE if choices.byte() < 220 else "refuse",
                choices.below(3) + 1,
                choices.below(4) if choices.once_in(3) else 99,
            )
        )
    return asked


@dataclass
class Server:
    """A running server, by section 1 of the contract. It keeps nodes by the listed address and shows them by the name that they report. It adds
    the new addresses of a new file first, and then deletes *by node name* the entries that are no longer listed.
    """

    cached: dict[str, int] = field(default_factory=dict)
    view: set[int] = field(default_factory=set)

    def reload(self, topology: Topology, down: frozenset[int]) -> None:
        listed = {node.grpc_address for node in topology.listed}
        gone = [address for address in self.cached if address not in listed]
        for address in listed - set(self.cached):
            if PROCESS_AT[address] not in down:
                self.cached[address] = PROCESS_AT[address]
                self.view.add(PROCESS_AT[address])
        for address in gone:
            self.view.discard(self.cached.pop(address))


def check_view(server: Server, file: Topology, down: frozenset[int]) -> None:
    """Check that the server shows each listed and reachable node."""
    assert server.view >= {PROCESS_AT[node.grpc_address] for node in file.listed} - down


@given(made(140, sequence))
def test_no_sequence_of_pushes_loses_a_node_that_is_not_in_remove(asks: list[Asked]) -> None:
    file, server = Topology(), Server()
    for asked in asks:
        if not file.listed:
            server = Server()
        before = file
        for step, moving in steps(file, asked):
            if asked.admit == ADMIT_START:  # the server is stopped, and started after the push
                server = Server()
            file = parse(step.render())
            server.reload(file, asked.down)
            # The file has each unchanged name, or its address under a new name. No two share an entry. A held back entry may leave while its
            # process is down: the server has never used it.
            names, addresses = file.by_name, file.by_address
            for node in before.nodes:
                leaves = node in before.held_back and PROCESS_AT[node.grpc_address] in asked.down
                if node.name not in names and node.name not in asked.remove and not leaves:
                    assert addresses[node.grpc_address].name not in before.by_name
            # The view has each node whose entry does not change.
            for node in before.listed:
                if node.name not in moving and PROCESS_AT[node.grpc_address] not in asked.down:
                    assert PROCESS_AT[node.grpc_address] in server.view
            check_view(server, file, asked.down)
            assert file.listed or asked.admit == ADMIT_START
        server.reload(file, asked.down)  # retries: a process may run again
        check_view(server, file, asked.down)


def steps(file: Topology, asked: Asked) -> list[tuple[Topology, set[str]]]:
    """Return the writes of one push until the interruption (none after a refusal), each with the names that may leave the view."""
    groups = {"banyandb_data": list(asked.hosts)}
    variables = {"banyandb_remove": list(asked.remove)}
    found = clusters(groups, {name: {**variables, "banyandb_node_host": host} for name, host in asked.hosts.items()})
    if not found or found["default"].problems:
        return []
    wanted = from_entries(found["default"].nodes, "nodes")
    answering = {address for address, number in PROCESS_AT.items() if number not in asked.down}
    options = {"remove": found["default"].remove, "readdress": asked.readdress, "admit": asked.admit, "batch": asked.batch}
    refresh = [name for name in asked.refresh if name in {node.name for node in wanted}]
    try:
        made_plan = plan(file, wanted, answering=answering, refresh=refresh, **options)
    except PlanRefused:
        return []
    moving = {*asked.remove, *refresh}
    for node in wanted:
        there = file.by_name.get(node.name)
        if there and there.grpc_address != node.grpc_address:
            # An entry with another name at this address must leave first.
            moving |= {node.name, *(other.name for other in file.nodes if other.grpc_address == node.grpc_address)}
    moving |= {move.before for move in made_plan.renamed if move.after in refresh}
    if asked.admit == ADMIT_START:
        moving |= set(file.by_name)
    return [(step, moving) for step in made_plan.steps[: asked.writes]]
