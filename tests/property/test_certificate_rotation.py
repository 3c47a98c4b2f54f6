# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA rotation that is interrupted at any point goes on and ends with the new CA, and every host trusts every other host all the time.

The state machine has hosts that are updated one at a time, servers that serve their old certificate until they reload, hosts that come and go, and
runs that die between two files of one host. As in the other properties, the history of an example comes from one string of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import (
    Action,
    Blocked,
    Held,
    Order,
    Plan,
    Reason,
    Step,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import (
    Certificate,
    Identity,
    is_due,
    missing,
    node_identity,
)

from .draw import Choices, made

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def certificate(issuer: str, at: datetime, identity: Identity, key: str = "key") -> Certificate:
    return Certificate(identity.names, identity.addresses, 1, at - timedelta(hours=1), at + YEAR, "", issuer, key, "")


@dataclass
class Host:
    """A host with its files, and the CA of the certificate that its server serves."""

    name: str
    bundle: frozenset[str] = frozenset()
    certificate: Certificate | None = None
    served: str = ""
    reachable: bool = True
    keys: int = 0

    @property
    def held(self) -> Held:
        return Held(self.certificate, self.certificate is not None, self.bundle, frozenset({self.served} - {""}))

    @property
    def shows(self) -> set[str]:
        """The CAs that the other hosts must trust."""
        return {self.served, self.certificate.issuer_key_id if self.certificate else ""} - {""}

    def reload(self) -> None:
        self.served = self.certificate.issuer_key_id if self.certificate else ""

    def carry_out(self, order: Order, at: datetime, identity: Identity) -> Iterator[None]:
        """Write the files of the order one after the other, and yield after each of them."""
        self.bundle = frozenset(order.bundle)
        yield
        if order.action is Action.ISSUE:
            self.keys += 1
        if order.action in (Action.ISSUE, Action.RENEW):
            assert order.issuer
            self.certificate = certificate(order.issuer, at, identity, f"{self.name} {self.keys}")
            yield


@dataclass
class World:
    """The CA directory and the hosts."""

    directory: list[str] = field(default_factory=lambda: ["ca0"])
    hosts: dict[str, Host] = field(default_factory=dict)
    now: datetime = START
    made: int = 0

    def add(self) -> None:
        name = f"host{len(self.hosts)}"
        self.hosts[name] = Host(name)

    def identity(self, name: str) -> Identity:
        return node_identity(name, name)

    def plan(self) -> Plan:
        wanted = {name: self.identity(name) for name in self.hosts}
        found = plan(wanted, {name: host.held if host.reachable else None for name, host in self.hosts.items()}, self.directory, self.now)
        assert found.blocked is not Blocked.UNKNOWN_CA
        assert (found.blocked is Blocked.UNKNOWN_HOST) == bool(found.problem)
        return found

    def check(self) -> None:
        """Every host trusts what every other host has and serves."""
        for host in self.hosts.values():
            for other in self.hosts.values():
                if host.shows:
                    assert other.shows <= host.bundle, f"{host} does not trust {other}"

    def retire(self, found: Plan) -> None:
        if found.step is Step.RETIRE:
            self.directory = self.directory[-1:]


def run(world: World, choices: Choices, dies: bool) -> None:
    """Read the hosts, plan, and carry out the orders one host at a time. ``dies``: stop somewhere. Servers reload and hosts vanish meanwhile."""
    found = world.plan()
    orders = choices.shuffled(found.orders)
    if dies:
        orders = orders[: choices.below(len(orders) + 1)]
    for index, order in enumerate(orders):
        host = world.hosts[order.host]
        if not host.reachable:
            continue
        for step in host.carry_out(order, world.now, world.identity(order.host)):
            assert step is None
            world.check()
            if dies and index == len(orders) - 1 and choices.once_in(2):
                return
        if choices.once_in(3):
            host.reload()
            world.check()
        if choices.once_in(8):
            host.reachable = False
    if not dies and found.step is Step.RETIRE and not found.changes:
        world.retire(found)


def history(choices: Choices) -> Choices:
    return choices


def one_event(world: World, choices: Choices) -> None:
    hosts = list(world.hosts.values())
    kind = choices.below(16)
    if kind < 6:
        run(world, choices, dies=False)
        for host in hosts:
            host.reload()
    elif kind < 10:
        run(world, choices, dies=True)
    elif kind == 10 and len(world.directory) == 1:
        world.made += 1
        world.directory.append(f"ca{world.made}")
    elif kind < 13 and hosts:
        host = choices.pick(hosts)
        host.reachable = not host.reachable
    elif kind == 13 and hosts:
        choices.pick(hosts).reload()
    elif kind == 14 and len(hosts) < 5:
        world.add()
    elif kind == 15:
        world.now += timedelta(days=choices.below(300))


@given(made(160, history))
def test_a_rotation_that_is_interrupted_anywhere_goes_on_and_no_host_loses_the_trust_of_another(choices: Choices) -> None:
    world = World()
    for _ in range(choices.below(4)):
        world.add()
    for _ in range(18):
        one_event(world, choices)
        world.check()
    # In the end each host answers, and runs are whole.
    for host in world.hosts.values():
        host.reachable = True
    for _ in range(6):
        found = world.plan()
        for order in choices.shuffled(found.orders):
            for _step in world.hosts[order.host].carry_out(order, world.now, world.identity(order.host)):
                world.check()
        for host in world.hosts.values():
            host.reload()
        if not found.changes:
            world.retire(found)
    final = world.plan()
    assert final.step is Step.STABLE and not final.changes and not final.problem
    newest = f"ca{world.made}"
    assert world.directory == [newest]
    for host in world.hosts.values():
        assert host.bundle == {newest} and host.certificate is not None and host.served == host.certificate.issuer_key_id == newest
        assert not missing(host.certificate, world.identity(host.name)) and not is_due(host.certificate, world.now)
        assert host.keys == 1, "a renewal made a new key"


AUTHORITIES = ("a", "b", "c", "x")


def any_host(choices: Choices, name: str) -> Host:
    """Return a host with any files, such as one restored from a snapshot."""
    host = Host(name, frozenset(choices.some(AUTHORITIES)), served=choices.pick(("", *AUTHORITIES)))
    if choices.below(4):
        host.certificate = certificate(choices.pick(AUTHORITIES), START - timedelta(days=choices.below(500)), node_identity(name, name))
    host.reachable = not choices.once_in(5)
    return host


def any_world(choices: Choices) -> tuple[World, list[int]]:
    world = World(choices.shuffled(AUTHORITIES[:3])[: 1 + choices.below(3)])
    for number in range(1 + choices.below(4)):
        world.hosts[f"host{number}"] = any_host(choices, f"host{number}")
    return world, [choices.byte() for _ in range(20)]


@given(made(60, any_world))
def test_no_order_takes_the_trust_of_one_host_in_another(example: tuple[World, list[int]]) -> None:
    """For any files on the hosts: two hosts that trust each other go on to do so after each file of each order."""
    world, numbers = example
    choices = Choices(bytes(numbers))
    wanted = {name: world.identity(name) for name in world.hosts}
    held = {name: host.held if host.reachable else None for name, host in world.hosts.items()}
    found = plan(wanted, held, world.directory, world.now)
    pairs = [
        (host, other)
        for host in world.hosts.values()
        for other in world.hosts.values()
        # Without a certificate and a server, a host has no client that trusts.
        if host.shows
        and other.shows
        and other.shows <= host.bundle
        # Nobody can keep the trust in a CA that is known to one host alone.
        and not (host is other and other.shows - set(world.directory))
        # An unreachable host may hold anything.
        and host.reachable
        and other.reachable
    ]
    if found.blocked is Blocked.UNKNOWN_CA:
        assert found.orders == () and found.problem and found.blocking
        return
    assert {order.host for order in found.orders} == {host.name for host in world.hosts.values() if host.reachable}
    for order in choices.shuffled(found.orders):
        assert (order.action is Action.KEEP) == (not order.reasons)
        assert set(order.bundle) <= set(world.directory) and world.directory[-1] in order.bundle
        assert not order.issuer or order.issuer in order.bundle
        host = world.hosts[order.host]
        for _step in host.carry_out(order, world.now, wanted[order.host]):
            for one, other in pairs:
                assert other.shows <= one.bundle, f"{one.name} lost its trust in {other.name}"
    for host in world.hosts.values():
        if host.reachable:
            host.reload()
    assert all(other.shows <= one.bundle for one, other in pairs)


@given(made(60, any_world))
def test_every_certificate_that_is_due_lacks_a_name_or_has_another_ca_is_replaced(example: tuple[World, list[int]]) -> None:
    world, numbers = example
    other_name = Choices(bytes(numbers)).once_in(2)
    wanted = {name: node_identity(name, "elsewhere" if other_name else name) for name in world.hosts}
    held = {name: host.held if host.reachable else None for name, host in world.hosts.items()}
    found = plan(wanted, held, world.directory, world.now, new_keys=["host0"])
    for order in found.orders:
        present = world.hosts[order.host].certificate
        if present is None:
            assert order.reasons == (Reason.NO_CERTIFICATE,)
            continue
        assert (Reason.NAME_MISSING in order.reasons) == bool(order.lacking) == other_name
        assert (Reason.KEY_REQUESTED in order.reasons) == (order.host == "host0")
        assert (Reason.EXPIRED in order.reasons) == (present.not_after <= world.now)
        left, life = (present.not_after - world.now).total_seconds(), (present.not_after - present.not_before).total_seconds()
        assert (Reason.RENEWAL_DUE in order.reasons) == (0 < left < life / 3)
        if found.step is not Step.TRUST_BOTH:
            assert (Reason.CA_CHANGED in order.reasons) == (present.issuer_key_id != world.directory[-1])
        assert order.action in (Action.WAIT, Action.KEEP) or (order.action is Action.ISSUE) == (order.host == "host0")
