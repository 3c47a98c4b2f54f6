# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the contract suite, and of other suites with servers: network namespaces on one bridge, named node1, node2, ...

Each host has its own address and ports, so servers use the same ports as in production. Only these hosts know the hosts' names
(/etc/netns/<namespace>/hosts). The bridge is in a namespace too, so packet filters of the machine do not see it. One veth connects
the machine itself: the tests ask the servers through it, and the servers ask the machine's nameservers. The machine has two
addresses there.

Some names stand for special hosts:
``refusing1``...  answer every connection with a reset;
``silent1``...    drop all packets, like a host that is switched off behind a router.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess

from .waiting import NotInTime, until

SUBNETS = {"contract": "198.18.40.", "crash": "198.18.41."}
"""Subnet of each suite, from the range of RFC 2544 for tests: no machine has a route there."""

HOSTS = 20
PECULIAR = 9
CONFIGURATION = pathlib.Path("/etc/netns")
RESOLV_CONF_SIZE = 512
TURN = 600.0
"""Seconds to wait for another run of the suite on this machine."""
LOCKS = pathlib.Path("/run/lock")


class NetworkError(RuntimeError):
    """The hosts of the suite are not set up. The message has the next step."""


def _ip(*lines: str) -> None:
    """Run commands of ip(8), one a line, in one process. Raises NetworkError."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused: {done.stderr.strip()}; this suite needs root and network namespaces")


def _ip_in(namespace: str, *lines: str) -> None:
    """Run commands of ip(8) in a namespace."""
    done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused in {namespace}: {done.stderr.strip()}")


class Host:
    """One host: its ``name`` for the other hosts, its ``address``, and the ``namespace`` for its processes."""

    def __init__(self, number: int, prefix: str, subnet: str) -> None:
        self.name = f"node{number}"
        self.address = f"{subnet}{10 + number}"
        self.namespace = f"{prefix}{self.name}"

    def command(self, *words: str) -> list[str]:
        """Return the command that runs ``words`` on this host. The started process itself becomes ``words``."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def ask_for_names_at(self, *nameservers: str, more: str = "") -> None:
        """Set the nameservers (addresses) of the host's processes, also of running ones. ``more``: further lines of resolv.conf."""
        text = "\n".join([*(f"nameserver {address}" for address in nameservers), more])
        # Write in place, because this file is mounted over /etc/resolv.conf of running processes. Use one write, so
        # that no process reads half of the file.
        file = os.open(CONFIGURATION / self.namespace / "resolv.conf", os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, text.encode().ljust(RESOLV_CONF_SIZE, b"\n"), 0)
        os.close(file)

    def cut(self, other: Host) -> None:
        """Drop all packets from this host to ``other`` without a reply. Both hosts lose contact."""
        _ip_in(self.namespace, f"route add blackhole {other.address}/32")

    def join(self, other: Host) -> None:
        """Undo ``cut``."""
        _ip_in(self.namespace, f"route del blackhole {other.address}/32")


class Network:
    """All hosts of a suite during a ``with`` block. The start first removes the rest of a crashed run.

    All names that start with ``bydb-<suite>`` belong to the suite, and to one run of it at a time.
    """

    def __init__(self, suite: str = "contract") -> None:
        self.suite, self.subnet, self.link = suite, SUBNETS[suite], f"bydb-{suite}"
        self.prefix = f"{self.link}-"
        self.hosts = {number: Host(number, self.prefix, self.subnet) for number in range(1, HOSTS + 1)}
        self.silent_nameserver = f"{self.subnet}{200}"
        self.machine, self.second = f"{self.subnet}1", f"{self.subnet}2"

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            raise NetworkError(f"the {self.suite} suite makes network namespaces: run it as root")
        lock = LOCKS / self.link
        self._lock = lock.open("w")
        try:
            until(self._locked, TURN, f"{lock} is free")
        except NotInTime as error:
            raise NetworkError(f"another run of the {self.suite} suite holds {lock}: run it again when that is done") from error
        self._remove()
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()
        self._lock.close()

    def _locked(self) -> bool:
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    def _make(self) -> None:
        bridge, refusing, silent = f"{self.prefix}bridge", f"{self.prefix}refusing", f"{self.prefix}silent"
        _ip(f"netns add {bridge}")
        _ip_in(bridge, "link add bridge type bridge", "link set bridge up")
        _ip(f"link add {self.link} type veth peer name machine netns {bridge}")
        _ip_in(bridge, "link set machine master bridge up")
        _ip(*(f"address add {address}/24 dev {self.link}" for address in (self.machine, self.second)), f"link set {self.link} up")
        names = ["127.0.0.1 localhost"]
        for host in self.hosts.values():
            self._add_host(bridge, host.namespace, host.name, f"{host.address}/24")
            names.append(f"{host.address} {host.name}")
        self._add_host(bridge, refusing, "refusing", *(f"{self.subnet}{100 + i}/24" for i in range(1, PECULIAR + 1)))
        names += [f"{self.subnet}{100 + i} refusing{i}" for i in range(1, PECULIAR + 1)]
        # Single addresses create no route to the other hosts: packets arrive, and no answer leaves.
        self._add_host(bridge, silent, "silent", *(f"{self.subnet}{200 + i}/32" for i in range(PECULIAR + 1)))
        names += [f"{self.subnet}{200 + i} silent{i}" for i in range(1, PECULIAR + 1)]
        for host in self.hosts.values():
            folder = CONFIGURATION / host.namespace
            folder.mkdir(parents=True)
            (folder / "hosts").write_text("\n".join(names) + "\n")
            host.ask_for_names_at("127.0.0.1")

    @staticmethod
    def _add_host(bridge: str, namespace: str, link: str, *addresses: str) -> None:
        _ip(f"netns add {namespace}")
        _ip_in(bridge, f"link add {link} type veth peer name eth0 netns {namespace}", f"link set {link} master bridge up")
        _ip_in(namespace, "link set lo up", *(f"address add {a} dev eth0" for a in addresses), "link set eth0 up")

    def _remove(self) -> None:
        """Remove all namespaces of this suite with their processes and configuration."""
        listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
        for namespace in (line.split()[0] for line in listed.splitlines() if line.startswith(self.prefix)):
            inside = subprocess.run(["ip", "netns", "pids", namespace], text=True, capture_output=True, check=True).stdout
            for pid in inside.split():
                os.kill(int(pid), signal.SIGKILL)
            _ip(f"netns del {namespace}")
        for folder in CONFIGURATION.glob(f"{self.prefix}*"):
            shutil.rmtree(folder)
        # The other end is gone with the bridge's namespace. The kernel removes namespaces with a delay, so delete this end too.
        subprocess.run(["ip", "link", "delete", self.link], capture_output=True)
