# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of one lab: a bridge, a network namespace and a port for each host, and the faults between them.

Addresses in the lab's /24: .1 the controller, .253 a nameserver that never answers, .10+n host node<n>. Hosts have no way
out of it. Faults are one nftables table in the controller's bridge, outside of the hosts: a host that flushes its own
rules does not heal them, and what a host sets up for itself is never touched.
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
"""Third byte of 10.213.x.0/24 of the labs that the project itself uses; other names get one of 16-255 by checksum."""


def default_subnet(lab: str) -> ipaddress.IPv4Network:
    third = FIXED.get(lab, 16 + zlib.crc32(lab.encode()) % 240)
    return ipaddress.IPv4Network(f"10.213.{third}.0/24")


@dataclass(frozen=True)
class Network:
    lab: str
    subnet: ipaddress.IPv4Network
    owner: Path
    """The lab's state directory. The bridge carries it as its alias, so that two labs of one name do not share a bridge."""

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
        """Name of the host's port on the bridge; at most the kernel's 15 bytes."""
        return f"lab-{self.lab}-{number}"

    def namespace(self, number: int) -> str:
        return f"banyandb-lab-{self.lab}-{number}"

    def up(self) -> None:
        """Make the bridge. Raises LabError when the subnet or the bridge's name is somebody else's."""
        self.refuse_foreign()
        if _link(self.bridge) is None:
            self._refuse_clash()
            run(["ip", "link", "add", self.bridge, "address", self._mac(254), "type", "bridge", "stp_state", "0", "mcast_snooping", "0"])
        # `replace` and not `add`: a crashed run may have left the bridge without what follows.
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
        """Raise LabError when the bridge of this name is not this lab's. One without an alias is: a crash came before it."""
        link = _link(self.bridge)
        if link is not None and link.get("ifalias", str(self.owner)) != str(self.owner):
            raise LabError(
                f"The network interface {self.bridge} belongs to the lab in {link['ifalias']}, expected {self.owner}."
                " Take that lab down (BANYANDB_LAB_DIR says where its state is), or choose another name with --lab."
            )

    def connect(self, number: int) -> None:
        """Make the host's namespace with its address, plugged into the bridge. What an earlier run left is made anew."""
        self.disconnect(number)
        namespace, port = self.namespace(number), self.port(number)
        run(["ip", "netns", "add", namespace])
        # The same hardware address at every start: neighbours that remember it are right.
        run(["ip", "link", "add", port, "type", "veth", "peer", "name", "host0", "address", self._mac(number), "netns", namespace])
        run(["ip", "-n", namespace, "-batch", "-"], stdin=(f"addr add {self.address(number)}/24 dev host0\nlink set host0 up\nlink set lo up\n"))
        run(["ip", "link", "set", port, "master", self.bridge, "up"])

    def unplug(self, number: int) -> None:
        """Take the host off the network at once, as pulling its cable: no packet of a dying process gets out."""
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
        """Numbers of the hosts that have a port or a namespace, also those of a crashed run."""
        names = [link["ifname"] for link in _links()]
        names += [path.name.replace("banyandb-", "", 1) for path in Path("/run/netns").glob(f"banyandb-lab-{self.lab}-*")]
        prefix = f"{self.bridge}-"
        return {int(name[len(prefix) :]) for name in names if name.startswith(prefix) and name[len(prefix) :].isdigit()}

    def plugged(self, number: int) -> bool:
        link = _link(self.port(number))
        return link is not None and link.get("master") == self.bridge

    def set_faults(self, partitions: Iterable[tuple[int, int]], cut: Iterable[int]) -> None:
        """Make exactly these faults hold, in one transaction. They outlive a restart of the hosts."""
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
        """Address of a host -> packets that it sent to the nameserver that never answers, since the faults were last set."""
        listed = run(["nft", "--json", "list", "set", "bridge", self._table, "asked"], check=False)  # fails without a lab
        sets = [part["set"] for part in json.loads(listed or '{"nftables": []}')["nftables"] if "set" in part]
        elements = [entry["elem"] for one in sets for entry in one.get("elem", [])]
        return {element["val"]: element["counter"]["packets"] for element in elements}

    def down(self) -> None:
        """Remove the bridge, the faults, and whatever ports and namespaces are left. Nothing there is fine."""
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
                    f"The lab '{self.lab}' wants the subnet {self.subnet}, but this machine has a route to {route['dst']}"
                    f" (device {route.get('dev')})."
                    " Choose a free one: BANYANDB_LAB_SUBNET=10.x.y.0/24."
                )


def _links() -> list[dict[str, str]]:
    links: list[dict[str, str]] = json.loads(run(["ip", "-json", "link", "show"]) or "[]")
    return links


def _link(name: str) -> dict[str, str] | None:
    return next((link for link in _links() if link["ifname"] == name), None)
