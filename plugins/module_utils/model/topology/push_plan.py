# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the writes that change a host's topology.yml to the wanted topology, in order. Pure.

A server drops each entry that a file no longer lists. When one write changes a node's address, the server loses the node for good. The server adds
the new address, then deletes the old address *by node name* (section 1 of the contract).
So an entry that both leaves and arrives takes two writes: one without the entry, one with the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    Node,
    Topology,
    TopologyError,
    canonical_address,
    ordered,
)

# What happens to entries that do not respond.
ADMIT_ANSWERING = "answering"  # new entries are held back, known entries stay listed, last
ADMIT_ALL = "all"  # every entry is listed, last when it does not respond
ADMIT_START = "start"  # for a server about to start: only entries that respond are listed
ADMIT = (ADMIT_ANSWERING, ADMIT_ALL, ADMIT_START)

REFUSE = "refuse"
STAGE = "stage"
READDRESS = (REFUSE, STAGE)


class PlanRefused(TopologyError):
    """The plan would lose a node that the user did not name, or was not requested. ``entries``: the affected entries, as text."""

    def __init__(self, message: str, entries: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.entries = list(entries)


class Move(NamedTuple):
    """One entry with a new address (``name`` stays), or with a new name (``before`` and ``after`` are names)."""

    name: str
    before: str
    after: str


class Plan(NamedTuple):
    """The writes of one push, and their effect.

    ``steps``: whole files in the order of their writes; empty when nothing changes.
    ``held_back``: wanted entries that the server does not get yet, because they do not respond.
    ``away``: listed entries that do not respond.
    """

    steps: tuple[Topology, ...]
    final: Topology
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    readdressed: tuple[Move, ...] = ()
    renamed: tuple[Move, ...] = ()
    refreshed: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    away: tuple[str, ...] = ()


def plan(
    current: Topology,
    desired: Sequence[Node],
    *,
    answering: Collection[str],
    remove: Collection[str] = (),
    refresh: Collection[str] = (),
    readdress: str = REFUSE,
    admit: str = ADMIT_ANSWERING,
    batch: int = 1,
    needs: Collection[str] = (),
) -> Plan:
    """Plan the writes that take a host from ``current`` to ``desired``.

    A desired address may have another spelling in ``current`` (case, IPv6 zeros). It is the same address and keeps the spelling of ``current``.

    ``answering``: addresses (``Node.grpc_address``) of current and desired entries that respond.
    ``remove``: names of entries that may leave; no other entry leaves. ``refresh``: names of entries to drop and add again.
    ``batch``: number of re-addressed or refreshed entries that may be out of the view at one time.
    ``needs``: names of entries of which at least one must respond.
    Raises PlanRefused, and TopologyError for an invalid desired list.
    """
    spelling = {canonical_address(node.grpc_address): node.grpc_address for node in current.nodes}
    wanted = Topology(tuple(replace(node, grpc_address=_spelt(node.grpc_address, spelling)) for node in desired))
    answering = {*answering, *(_spelt(address, spelling) for address in answering)}
    _refuse_bad_requests(current, wanted, answering, remove, refresh)
    moving = {node.name for node in wanted.nodes if node.name in current.by_name and current.by_name[node.name].grpc_address != node.grpc_address}
    listed_before = {node.name: node for node in current.listed}
    readdressed = sorted(moving & set(listed_before))
    if readdressed and readdress == REFUSE:
        raise PlanRefused(
            naming("topology.yml: refusing to change the address of ", readdressed, ". Correct the address, or set readdress: stage."),
            [f"{name}: {listed_before[name].grpc_address} -> {wanted.by_name[name].grpc_address}" for name in readdressed],
        )

    listed, held_back = _admit(current, wanted, answering, admit)
    away = {node.name for node in listed if node.grpc_address not in answering}
    if needs and not set(needs) & {node.name for node in listed} - away:
        raise PlanRefused(
            naming(
                "",
                sorted(needs),
                ": no response, and this server starts only while one of these nodes responds. Start one of these nodes, then run deploy.",
            ),
            sorted(needs),
        )
    final = Topology(ordered(listed, away), ordered(held_back))
    if not final.listed and admit != ADMIT_START:
        raise PlanRefused(
            naming(
                "topology.yml: no node responds (",
                sorted(wanted.by_name),
                "), and an empty list drops every node. Start the nodes, or correct their addresses.",
                3,
            ),
            [node.grpc_address for node in wanted.nodes],
        )

    renamed = _renamed(current, wanted, remove)
    moved = tuple(
        Move(node.name, listed_before[node.name].grpc_address, node.grpc_address)
        for node in sorted(final.listed)
        if node.name in listed_before and listed_before[node.name].grpc_address != node.grpc_address
    )
    moved_names = {move.name for move in moved}
    addresses_before = {node.grpc_address for node in current.listed}
    again = {node.name for node in final.listed if node.name in refresh and node.grpc_address in addresses_before} - moved_names
    if admit == ADMIT_START or not current.listed:
        steps: tuple[Topology, ...] = (final,)
    else:
        steps = _staged(current, final, {move.after for move in renamed}, again, away, batch)
    if len(steps) == 1 and final == current:
        steps = ()
    renamed_to = {move.after for move in renamed}
    listed_addresses = {node.grpc_address for node in final.listed}
    return Plan(
        steps=steps,
        final=final,
        added=_names(n for n in final.listed if n.name not in listed_before and n.name not in renamed_to),
        removed=tuple(sorted(set(remove) & set(current.by_name))),
        readdressed=moved,
        renamed=renamed,
        refreshed=tuple(sorted(again)),
        held_back=_names(n for n in wanted.nodes if n.grpc_address not in listed_addresses),
        away=tuple(sorted(away)),
    )


def _spelt(address: str, spelling: Mapping[str, str]) -> str:
    """Return the address in the spelling of the file. For the server another spelling is another address, so it would re-address the entry."""
    return spelling.get(canonical_address(address), address)


def _refuse_bad_requests(current: Topology, wanted: Topology, answering: Collection[str], remove: Collection[str], refresh: Collection[str]) -> None:
    if not wanted.nodes:
        raise PlanRefused("topology.yml: the list of nodes is empty, which drops every node from the server. Put at least one node into nodes.")
    both = sorted(set(remove) & set(wanted.by_name))
    if both:
        raise PlanRefused(naming("", both, ": in nodes and in remove. Take the name out of nodes, or out of remove."), both)
    unknown = sorted(set(refresh) - set(wanted.by_name))
    if unknown:
        raise PlanRefused(naming("refresh: ", unknown, " not found in nodes. Correct refresh."), unknown)
    dropped = [node for node in _unlisted(current, wanted, remove) if node in current.listed or node.grpc_address in answering]
    if dropped:
        raise _drop_refused(dropped)


def require_no_drop(
    current: Topology, desired: Sequence[Node], remove: Collection[str], respond: Callable[[Sequence[Node]], Collection[str]]
) -> None:
    """Raise PlanRefused if plan() would refuse to drop an entry of ``current``. A run asks this before its first change.

    ``desired``, ``remove``: as of plan(). ``respond``: returns the addresses of the given entries that respond.
    """
    spelling = {canonical_address(node.grpc_address): node.grpc_address for node in current.nodes}
    wanted = Topology(tuple(replace(node, grpc_address=_spelt(node.grpc_address, spelling)) for node in desired))
    unlisted = _unlisted(current, wanted, remove)
    held_back = [node for node in unlisted if node not in current.listed]
    answering = respond(held_back) if held_back else ()
    dropped = [node for node in unlisted if node not in held_back or node.grpc_address in answering]
    if dropped:
        raise _drop_refused(dropped)


def _unlisted(current: Topology, wanted: Topology, remove: Collection[str]) -> list[Node]:
    """Return the entries that ``wanted`` no longer has, and that ``remove`` does not name.

    The server has never used a node that is held back and does not respond. A held back node that responds may be in the middle of a push.
    """
    return [
        node
        for node in sorted(current.nodes)
        for heir in [wanted.by_address.get(node.grpc_address)]
        # A new name at the same address renames the entry, unless another entry already has this name.
        if node.name not in wanted.by_name and node.name not in remove and (heir is None or heir.name in current.by_name)
    ]


def _drop_refused(dropped: Sequence[Node]) -> PlanRefused:
    names = [node.name for node in dropped]
    are = "is" if len(names) == 1 else "are"
    after = f", which {are} not in the inventory. Add the host to the inventory, or to banyandb_remove."
    return PlanRefused(naming("topology.yml: refusing to drop ", names, after), [f"{node.name} ({node.grpc_address})" for node in dropped])


def _admit(current: Topology, wanted: Topology, answering: Collection[str], admit: str) -> tuple[list[Node], list[Node]]:
    """Return the entries to list and the entries to hold back.

    A re-addressed entry whose new address does not respond keeps its current address. The current address may still be alive.
    """
    listed: list[Node] = []
    held_back: list[Node] = []
    addresses = {node.grpc_address for node in current.listed}
    taken = {canonical_address(node.grpc_address): node.name for node in wanted.nodes}
    stays = {node.name: node for node in current.listed if taken.get(canonical_address(node.grpc_address), node.name) == node.name}
    for node in wanted.nodes:
        if admit == ADMIT_ALL or node.grpc_address in answering:
            listed.append(node)
        elif admit == ADMIT_START:
            held_back.append(node)
        elif node.grpc_address in addresses:
            listed.append(node)
        elif node.name in stays:
            listed.append(stays[node.name])
        else:
            held_back.append(node)
    return listed, held_back


def _renamed(current: Topology, wanted: Topology, remove: Collection[str]) -> tuple[Move, ...]:
    """Return the entries with only a new entry name. The server goes by address, so it sees no change."""
    return tuple(
        Move(node.grpc_address, before.name, node.name)
        for node in sorted(wanted.nodes)
        for before in [current.by_address.get(node.grpc_address)]
        if before is not None and before.name not in wanted.by_name and before.name not in remove and node.name not in current.by_name
    )


def _staged(
    current: Topology, final: Topology, renamed: Collection[str], again: Collection[str], away: Collection[str], batch: int
) -> tuple[Topology, ...]:
    """Return the writes for a running server: entries leave first and arrive later. Entries that do both move ``batch`` groups at a time."""
    before = {node.grpc_address: node for node in current.listed}
    after = {node.grpc_address: node for node in final.listed}

    def stays(address: str) -> bool:
        same = address in before and address in after
        return same and after[address].name not in again and (before[address].name == after[address].name or after[address].name in renamed)

    standing = {address: after.get(address, node) if stays(address) else node for address, node in before.items()}
    # A removed entry stays as held back until its return, so that a push that dies here loses no entry.
    waiting = {node.name: node for node in current.held_back if node.name in final.by_name}
    waiting.update({node.name: node for node in final.nodes if node.name in renamed and node.grpc_address not in before})
    groups = _linked(
        [node for address, node in before.items() if not stays(address)],
        [node for address, node in after.items() if not stays(address)],
        [*waiting.values(), *final.held_back],
    )
    held_back = frozenset(final.held_back)
    by_name, by_address = final.by_name, final.by_address
    steps: list[Topology] = []

    def drop(chunk: Iterable[_Group]) -> None:
        for group in chunk:
            for node in group.leaving:
                del standing[node.grpc_address]
                now = by_name.get(node.name) or by_address.get(node.grpc_address)
                if now and now.name in (node.name, *renamed):
                    waiting[now.name] = now
            for node in group.waiting:
                waiting[node.name] = by_name[node.name]
        if not standing:
            raise PlanRefused(
                "topology.yml: every entry would leave the view at once, and an empty list drops every node. Stop the server, then run deploy."
            )
        write()

    def add(chunk: Iterable[_Group]) -> None:
        for group in chunk:
            for node in group.arriving:
                standing[node.grpc_address] = node
            for node in [*group.arriving, *group.waiting]:
                waiting.pop(node.name, None)
            waiting.update({node.name: node for node in group.waiting if node in held_back})
        write()

    def write() -> None:
        steps.append(Topology(ordered(standing.values(), away), ordered(waiting.values())))

    gone = [group for group in groups if group.leaving and not group.arriving]
    both = [group for group in groups if group.leaving and group.arriving]
    # Entries that only arrive come last: one may be the process of a leaving entry, with another name and address.
    for start in range(0, len(both), batch):
        chunk = both[start : start + batch]
        drop([*gone, *chunk])
        add(chunk)
        gone = []
    if gone:
        drop(gone)
    if not steps or steps[-1] != final:
        # A write that drops an entry must not also add one.
        if both:
            steps[-1] = final
        else:
            steps.append(final)
    return tuple(steps)


@dataclass(eq=False)
class _Group:
    """Entries that share names or addresses. ``waiting``: entries that are held back before or after the push."""

    leaving: list[Node] = field(default_factory=list)
    arriving: list[Node] = field(default_factory=list)
    waiting: list[Node] = field(default_factory=list)


def _linked(leaving: Iterable[Node], arriving: Iterable[Node], waiting: Iterable[Node]) -> list[_Group]:
    """Group entries that leave and entries that arrive by common names and addresses.

    A swap of two addresses is one group: both entries must leave before one of them returns.
    """
    groups: list[_Group] = []
    group_of: dict[str, _Group] = {}
    for side, nodes in (("leaving", leaving), ("arriving", arriving), ("waiting", waiting)):
        for node in sorted(nodes):
            keys = (f"name {node.name}", f"address {canonical_address(node.grpc_address)}")
            into = next((group_of[key] for key in keys if key in group_of), None)
            if into is None:
                groups.append(into := _Group())
            for other in [group_of[key] for key in keys if group_of.get(key, into) is not into]:
                into.leaving += other.leaving
                into.arriving += other.arriving
                into.waiting += other.waiting
                groups.remove(other)
                group_of.update({key: into for key, value in group_of.items() if value is other})
            getattr(into, side).append(node)
            group_of.update(dict.fromkeys(keys, into))
    return groups


def _names(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in nodes))
