# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the firewall of this host, and keeps it for a reboot. Standard library only, Python 3.9+.

The file is the truth: banyandb-firewall.service loads the file at boot, after a change, and after another program removed the table. A crash between
the write and the load leaves the new file and the earlier table, and the next run loads the file.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk import whole_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read, cannot_write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.side_by_side import side_by_side
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import (
    TABLE,
    Difference,
    Wanted,
    What,
    canonical,
    differences,
    member_network,
    render,
    wanted_in,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_units import (
    FIREWALL_FILE,
    SERVICE,
    UNIT_DIRECTORY,
    WATCH_TIMER,
    paths,
    units,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.nft_listing import BadListing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, naming

WORKERS = 64
#: Seconds for one round of names. A dead first nameserver costs 5 s before the query to the second one (resolv.conf(5), option timeout), twice.
SECONDS = 11.0
_NO_NFT = "nft is not on this host, so the firewall cannot be loaded. Install nftables, or set banyandb_firewall: none."
# A connection of UDP sends no packet; the kernel only chooses the route and the source address. Port 9 is "discard" (RFC 863).
_DISCARD = 9


@dataclass(frozen=True)
class State:
    """The firewall of this host, compared with wanted rules.

    ``previous``: rules of the file; None without a file, or with a file that a person changed. ``wrong``: how the loaded table is wrong.
    ``stale``: files with another text. ``stopped``: units that are not enabled or not active.
    """

    previous: Wanted | None
    wrong: tuple[Difference, ...]
    stale: tuple[str, ...]
    stopped: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return bool(self.wrong or self.stale or self.stopped)


def resolved(hosts: Collection[str], required: bool = True) -> list[str]:
    """Return the networks of hosts: each IPv4 and IPv6 address of each host, such as ``10.0.0.1/32``. ``hosts``: names and addresses.

    Loopback addresses are left out: Debian gives the name of the machine itself 127.0.1.1. ``required``: whether each name must have an address.
    Raises HostStateError (``not_resolved``).
    """
    found = _addresses(hosts)
    missing = sorted(host for host in set(hosts) if not found.get(host))
    if missing and required:
        remedy = ", so the firewall stays unchanged. Add the name to DNS or /etc/hosts, or set banyandb_node_host to an address."
        raise HostStateError("not_resolved", naming("cannot resolve ", missing, remedy, 2))
    return list(canonical(member_network(each) for addresses in found.values() for each in addresses if not _is_loopback(each)))


def source_addresses(hosts: Collection[str]) -> list[str]:
    """Return the addresses from which this host connects to the other hosts. Sends no packet to them. A host without a route has no address.

    A network that translates addresses may still change the source address.
    """
    found = set()
    for address in {each for addresses in _addresses(hosts).values() for each in addresses}:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _DISCARD))
            found.add(str(probe.getsockname()[0]).partition("%")[0])
    return sorted(each for each in found if not _is_loopback(each))


def state(rules: Wanted, path: str = FIREWALL_FILE) -> State:
    """Compare the firewall of this host with the wanted rules. Raises HostStateError."""
    texts = _texts(rules, path)
    found = {name: _read(name) for name in texts}
    kept = found[path]
    services = systemd_services.services([SERVICE, WATCH_TIMER])
    return State(
        previous=wanted_in(kept) if kept is not None else None,
        wrong=tuple(_wrong(rules)),
        stale=tuple(name for name, text in texts.items() if found[name] != text),
        stopped=tuple(name for name, each in services.items() if each.active_state != "active" or each.enabled != "enabled"),
    )


def apply(rules: Wanted, path: str = FIREWALL_FILE) -> State:
    """Load the rules in one transaction, and keep them for a reboot. Return the state before.

    Raises HostStateError: errors of nftables, files and systemd, ``not_ours``, and ``not_loaded``. After an error of nftables nothing has changed.
    """
    before = state(rules, path)
    if not before.differs:
        return before
    texts = _texts(rules, path)
    nftables.check(texts[path])
    for name in before.stale:
        _require_ours(name)
    for name in before.stale:
        try:
            whole_files.make_parents(name)
            whole_files.write(name, texts[name].encode(), whole_files.READABLE)
        except OSError as error:
            raise cannot_write(name, error) from error
    if set(before.stale) - {path}:
        systemd_services.read_units_again()
    if before.stopped:
        systemd_services.run(["systemctl", "--quiet", "enable", "--", SERVICE, WATCH_TIMER])
    # A load sets the counters to 0, so a table that is right stays loaded.
    if before.wrong or SERVICE in before.stopped or {path, f"{UNIT_DIRECTORY}/{SERVICE}"} & set(before.stale):
        systemd_services.run(["systemctl", "reload-or-restart", "--", SERVICE])
    if WATCH_TIMER in before.stopped:
        systemd_services.run(["systemctl", "start", "--", WATCH_TIMER])
    wrong = _wrong(rules)
    if wrong:
        remedy = f". Log: journalctl -u {SERVICE}"
        raise HostStateError("not_loaded", fitted("the firewall is not loaded: ", wrong[0].text(), remedy))
    return before


def text(path: str = FIREWALL_FILE) -> str:
    """Return the text of the file with the rules; empty without the file. Raises HostStateError."""
    return _read(path) or ""


def is_there(path: str = FIREWALL_FILE) -> bool:
    """Return whether this host has a file, a unit or the table of the firewall. Raises HostStateError."""
    return any(_read(name) is not None for name in paths(path)) or _has_table()


def protects(path: str = FIREWALL_FILE) -> bool | None:
    """Return whether the loaded table blocks all that the file says. None if this account cannot know."""
    try:
        rules = wanted_in(text(path))
        return rules is not None and all(each.what is What.FEWER for each in _wrong(rules))
    except HostStateError as error:
        return False if error.kind == "no_nft" else None


def remove(path: str = FIREWALL_FILE) -> bool:
    """Remove the table, the units and the file. Return whether the host had one of them. Raises HostStateError (``not_ours``, ...)."""
    there = [name for name in paths(path) if _read(name) is not None]
    for name in there:
        _require_ours(name)
    loaded = _has_table()
    if any(name != path for name in there):
        # The timer first: the timer would restore the table.
        for unit in (WATCH_TIMER, SERVICE):
            if f"{UNIT_DIRECTORY}/{unit}" in there:
                systemd_services.run(["systemctl", "--quiet", "disable", "--now", "--", unit])
    if loaded:
        nftables.remove(TABLE)
    # The files last: a host without the files has no firewall, so a run after a crash removes the rest.
    for name in there:
        try:
            whole_files.remove(name)
        except OSError as error:
            raise cannot_write(name, error) from error
    if any(name != path for name in there):
        systemd_services.read_units_again()
    return bool(there) or loaded


def _texts(rules: Wanted, path: str) -> dict[str, str]:
    """Return path -> text of each file. Raises HostStateError (``no_nft``)."""
    return {path: render(rules), **{f"{UNIT_DIRECTORY}/{name}": text for name, text in units(nftables.program(_NO_NFT), path).items()}}


def _wrong(rules: Wanted) -> list[Difference]:
    try:
        return differences(rules, nftables.listing(TABLE))
    except BadListing as error:
        raise HostStateError("nft_failed", fitted("", str(error), f". Check nftables on this host: nft -j list table {TABLE}")) from None


def _has_table() -> bool:
    try:
        return nftables.has(TABLE)
    except HostStateError as error:
        if error.kind == "no_nft":
            return False
        raise


def _read(path: str) -> str | None:
    """Return the text of a file; None for an absent file. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise cannot_read(path, error) from error


def _require_ours(path: str) -> None:
    """Refuse a file that this collection did not write. Raises HostStateError (``not_ours``)."""
    text = _read(path)
    if text is not None and not text.startswith(MARK):
        raise HostStateError("not_ours", f"{path}: this collection did not write this file. Move the file away, then run this again.")


def _addresses(hosts: Collection[str]) -> dict[str, Sequence[str]]:
    names = sorted(set(hosts))
    return side_by_side(_resolve, names, WORKERS, -(-len(names) // WORKERS) * SECONDS)


def _resolve(host: str) -> list[str]:
    try:
        answers = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # ValueError: IDNA cannot encode the name
        return []
    return sorted({str(answer[4][0]).partition("%")[0] for answer in answers})


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
