# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of one lab: a bridge, a network namespace and a port for each host, and the faults between hosts.

Addresses in the lab's /24: .1 is the controller, .253 is the silent nameserver, .10+n is the host node<n>. Hosts cannot reach
other networks. The faults are one nftables table in the controller's bridge, outside of the hosts. A host that flushes its own
rules does not remove the faults, and the lab never changes the rules of a host.
"""

from __future__ import annotations

import ipaddress
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .shell import run, wait_until

FIXED = {"lab": 0, "demo": 1, "molecule": 2, "labtest": 3}
"""Third byte of 10.213.x.0/24 for the labs of this project. Other names get a byte of 16-255 from a checksum."""


def default_subnet(lab: str) -> ipaddress.IPv4Network:
    third = FIXED.get(lab, 16 + zlib.crc32(lab.encode()) % 240)
    return ipaddress.IPv4Network(f"10.213.{third}.0/24")


@dataclass(frozen=True)
class Network:
    lab: str
    subnet: ipaddress.IPv4Network
    owner: Path
    """The lab's state directory. The bridge has it as its alias, so two labs with the same name never share a bridge."""

    @property
    def bridge(self) -> str:
        return f"lab-{self.lab}"

    @property
    def controller(self) -> str:
        return str(self.subnet[1])

    @property
    def silent_dns(self) -> str:
        return str(self.subnet[253])

    def address(self, number: int) -> str:
        return str(self.subnet[10 + number])

    def port(self, number: int) -> str:
        """Return the name of the host's port on the bridge (the kernel allows 15 bytes)."""
        return f"lab-{self.lab}-{number}"

    def namespace(self, number: int) -> str:
        return f"banyandb-lab-{self.lab}-{number}"

    def up(self) -> None:
        """Make the bridge. Raises LabError when the subnet or the bridge's name is in use."""
        self.refuse_foreign()
        if _link(self.bridge) is None:
            self._refuse_clash()
            run(["ip", "link", "add", self.bridge, "address", self._mac(254), "type", "bridge", "stp_state", "0", "mcast_snooping", "0"])
        # `replace` instead of `add`: a crashed run may have made the bridge without its address.
        run(
            ["ip", "-batch", "-"],
            stdin=(
                f"link set {self.bridge} alias {self.owner}\n"
                f"addr replace {self.controller}/24 dev {self.bridge}\n"
                f"addr replace {self.silent_dns}/24 dev {self.bridge}\n"
                f"link set {self.bridge} up\n"
            ),
        )

    def refuse_foreign(self) -> None:
        """Raise LabError when the bridge belongs to another lab. One without an alias is from a crashed run of this lab."""
        link = _link(self.bridge)
        if link is not None and link.get("ifalias", str(self.owner)) != str(self.owner):
            raise LabError(
                f"The network interface {self.bridge} belongs to the lab in {link['ifalias']}, expected {self.owner}."
                " Take that lab down (set BANYANDB_LAB_DIR to its state directory), or choose another name with --lab."
            )

    def connect(self, number: int) -> None:
        """Make the host's namespace with its address and plug it into the bridge. Replace the rest of an earlier run."""
        self.disconnect(number)
        namespace, port = self.namespace(number), self.port(number)
        run(["ip", "netns", "add", namespace])
        # The hardware address is the same at every start, so the neighbours' caches stay right.
        run(["ip", "link", "add", port, "type", "veth", "peer", "name", "host0", "address", self._mac(number), "netns", namespace])
        run(["ip", "-n", namespace, "-batch", "-"], stdin=(f"addr add {self.address(number)}/24 dev host0\nlink set host0 up\nlink set lo up\n"))
        run(["ip", "link", "set", port, "master", self.bridge, "up"])

    def unplug(self, number: int) -> None:
        """Unplug the host from the network at once, so a dying process can send no packet."""
        if _link(self.port(number)) is not None:
            run(["ip", "link", "delete", self.port(number)], check=False)
            if not wait_until(lambda: _link(self.port(number)) is None, 10):
                raise LabError(f"The network interface {self.port(number)} cannot be removed. See 'ip link show {self.port(number)}'.")

    def disconnect(self, number: int) -> None:
        self.unplug(number)
        namespace = self.namespace(number)
        if Path("/run/netns", namespace).exists():
            run(["ip", "netns", "delete", namespace])

    def connected(self) -> set[int]:
        """Return the numbers of the hosts that have a port or a namespace, also those of a crashed run."""
        names = [link["ifname"] for link in _links()]
        names += [path.name.replace("banyandb-", "", 1) for path in Path("/run/netns").glob(f"banyandb-lab-{self.lab}-*")]
        prefix = f"{self.bridge}-"
        return {int(name[len(prefix) :]) for name in names if name.startswith(prefix) and name[len(prefix) :].isdigit()}

    def plugged(self, number: int) -> bool:
        link = _link(self.port(number))
        return link is not None and link.get("master") == self.bridge

    def set_faults(self, partitions: Iterable[tuple[int, int]], cut: Iterable[int]) -> None:
        """Replace all faults by these, in one transaction. A restart of a host does not remove them."""
        drops = [pair for a, b in partitions for pair in ((a, b), (b, a))]
        rules = [f'iifname "{self.port(a)}" oifname "{self.port(b)}" drop' for a, b in drops]
        rules += [f'{way} "{self.port(number)}" drop' for number in cut for way in ("iifname", "oifname")]
        run(
            ["nft", "-f", "-"],
            stdin=(
                f"table bridge {self._table}\n"
                f"delete table bridge {self._table}\n"
                f"table bridge {self._table} {{\n"
                "  set asked { type ipv4_addr; size 256; flags dynamic; counter; }\n"
                "  chain between_hosts {\n"
                "    type filter hook forward priority 0\n" + "".join(f"    {rule}\n" for rule in rules) + "  }\n"
                "  chain to_controller {\n"
                "    type filter hook input priority 0\n"
                f"    ip daddr {self.silent_dns} meta l4proto {{ tcp, udp }} th dport 53 update @asked {{ ip saddr }} drop\n"
                "  }\n"
                "}\n"
            ),
        )

    def asked(self) -> dict[str, int]:
        """Return address of a host -> packets to the silent nameserver since the last change of the faults."""
        listed = run(["nft", "--json", "list", "set", "bridge", self._table, "asked"], check=False)  # fails without a lab
        sets = [part["set"] for part in json.loads(listed or '{"nftables": []}')["nftables"] if "set" in part]
        elements = [entry["elem"] for one in sets for entry in one.get("elem", [])]
        return {element["val"]: element["counter"]["packets"] for element in elements}

    def down(self) -> None:
        """Remove the bridge, the faults and all remaining ports and namespaces. Missing parts are no error."""
        for number in self.connected():
            self.disconnect(number)
        run(["nft", "-f", "-"], stdin=f"table bridge {self._table}\ndelete table bridge {self._table}\n")
        if _link(self.bridge) is not None:
            run(["ip", "link", "delete", self.bridge])

    @property
    def _table(self) -> str:
        return f"banyandb_lab_{self.lab}"

    def _mac(self, number: int) -> str:
        _first, second, third, _fourth = self.subnet.network_address.packed
        return f"02:bd:{second:02x}:{third:02x}:00:{number:02x}"

    def _refuse_clash(self) -> None:
        for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]"):
            if route.get("dst", "default") == "default":
                continue
            if ipaddress.IPv4Network(route["dst"], strict=False).overlaps(self.subnet):
                raise LabError(
                    f"The lab '{self.lab}' needs the subnet {self.subnet}, but this machine has a route to {route['dst']}"
                    f" (device {route.get('dev')})."
                    " Choose a free subnet: BANYANDB_LAB_SUBNET=10.x.y.0/24."
                )


def _links() -> list[dict[str, str]]:
    links: list[dict[str, str]] = json.loads(run(["ip", "-json", "link", "show"]) or "[]")
    return links


def _link(name: str) -> dict[str, str] | None:
    return next((link for link in _links() if link["ifname"] == name), None)
