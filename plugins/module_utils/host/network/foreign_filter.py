# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds firewalls of other programs that drop what a node needs. Standard library only, Python 3.9+. Changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import nft_listing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import Wanted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.foreign_chains import Blocked, blocked
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

#: Family -> program, and the file with the tables of legacy iptables. The file exists only if the kernel has loaded legacy iptables.
_IPTABLES = {"ip": ("iptables", "/proc/net/ip_tables_names"), "ip6": ("ip6tables", "/proc/net/ip6_tables_names")}
_EMPTY = '{"nftables": []}'


def found(needed: Wanted) -> tuple[list[Blocked], list[str]]:
    """Return the chains of other programs that surely drop what the node needs, and notes about firewalls that this host cannot read.

    ``needed``: ports and the networks that must reach them. A host without nft has no nftables rules to read. Raises HostStateError.
    """
    listing = _EMPTY if _program("nft") is None else nftables.listing()
    notes: list[str] = []
    legacy = {}
    for family, (name, tables) in _IPTABLES.items():
        if "filter" in _lines(tables):
            text = _rules(f"{name}-legacy") or _rules(name, variant="legacy")
            if text is None:
                notes.append(f"legacy iptables has a filter table, which this host cannot list. Check its chain INPUT: {name}-legacy -S INPUT")
            else:
                legacy[family] = text
    try:
        objects = nft_listing.objects(listing)
        # Only a table of iptables-nft has a chain INPUT; without this table, the program would add the table.
        inputs = [value for kind, value in objects if kind == "chain" and value.get("name") == "INPUT"]
        managed = {value.get("family") for value in inputs if value.get("table") == "filter"}
        return blocked(listing, needed, _of_iptables_nft(managed), legacy), notes
    except nft_listing.BadListing as error:
        raise HostStateError("nft_failed", fitted("", str(error), ". Check nftables on this host: nft -j list ruleset")) from None


def _of_iptables_nft(managed: set[object]) -> Mapping[str, str]:
    texts = {family: _rules(f"{name}-nft") or _rules(name, variant="nf_tables") for family, (name, _tables) in _IPTABLES.items() if family in managed}
    return {family: text for family, text in texts.items() if text is not None}


def _rules(name: str, variant: str = "") -> str | None:
    """Return what ``<name> -S`` prints; None without the program. ``variant``: what ``--version`` must say, such as ``nf_tables``."""
    program = _program(name)
    if program is None or (variant and f"({variant})" not in _output([program, "--version"])):
        return None
    return _output([program, "-S"]) or None


def _output(command: list[str]) -> str:
    """Return the output; empty if the command fails, such as for a rule of a newer version."""
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _program(name: str) -> str | None:
    # On Debian, the PATH of an unprivileged account has no sbin directory.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _lines(path: str) -> list[str]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as stream:
        return stream.read().split()
