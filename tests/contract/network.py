# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the contract suite: network namespaces on one bridge, named node1, node2, ...

Each host has an address and all ports of its own, so that servers listen where they do in production, and names
that only these hosts know (/etc/netns/<namespace>/hosts). The bridge stands in a namespace too: packet filters of
the machine do not see it. The machine itself is joined by one veth, to ask the servers.

Besides the hosts there are names that behave in one way each:
``refusing1``...  answer every connection with a reset;
``silent1``...    take packets and never answer, as a host that is switched off behind a router does.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess

from .waiting import NotInTime, until

PREFIX = "bydb-contract-"
"""Whatever has a name that starts so belongs to this suite, and to one run of it at a time."""

MACHINE_LINK = "bydb-contract"
SUBNET = "198.18.40."
"""From the range that RFC 2544 sets aside for tests: no route on any machine leads there."""

HOSTS = 20
PECULIAR = 9
CONFIGURATION = pathlib.Path("/etc/netns")
TURN = 600.0
"""Seconds to wait for another run of the suite on this machine."""
LOCK = pathlib.Path("/run/lock/bydb-contract")


class NetworkError(RuntimeError):
    """The hosts of the suite could not be set up; says what to do."""


def _ip(*lines: str) -> None:
    """Run commands of ip(8), one a line, in one process. Raises NetworkError."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused: {done.stderr.strip()}; the contract suite needs root and network namespaces")


def _ip_in(namespace: str, *lines: str) -> None:
    """The same inside a namespace."""
    done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused in {namespace}: {done.stderr.strip()}")


class Host:
    """One host: ``name`` as the others know it, ``address``, and the ``namespace`` to start processes in."""

    def __init__(self, number: int) -> None:
        self.name = f"node{number}"
        self.address = f"{SUBNET}{10 + number}"
        self.namespace = f"{PREFIX}{self.name}"

    def command(self, *words: str) -> list[str]:
        """The command that runs ``words`` on this host, as the very process that was started."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def ask_for_names_at(self, nameserver: str) -> None:
        """Set the nameserver (an address) of processes that are started from now on."""
        (CONFIGURATION / self.namespace / "resolv.conf").write_text(f"nameserver {nameserver}\n")

    def cut(self, other: Host) -> None:
        """Silently drop whatever this host sends to ``other``: neither hears of the other any more."""
        _ip_in(self.namespace, f"route add blackhole {other.address}/32")

    def join(self, other: Host) -> None:
        """Undo ``cut``."""
        _ip_in(self.namespace, f"route del blackhole {other.address}/32")


class Network:
    """All hosts of the suite, from ``with`` to its end. Removes first what a crashed run left behind."""

    def __init__(self) -> None:
        self.hosts = {number: Host(number) for number in range(1, HOSTS + 1)}
        self.silent_nameserver = f"{SUBNET}{200}"

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            raise NetworkError("the contract suite makes network namespaces: run it as root")
        self._lock = LOCK.open("w")
        try:
            until(self._locked, TURN, f"{LOCK} is free")
        except NotInTime as error:
            raise NetworkError(f"another run of the contract suite holds {LOCK}: run it again when that is done") from error
        _remove_all()
        try:
            self._make()
        except BaseException:
            _remove_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _remove_all()
        self._lock.close()

    def _locked(self) -> bool:
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    def _make(self) -> None:
        bridge, refusing, silent = f"{PREFIX}bridge", f"{PREFIX}refusing", f"{PREFIX}silent"
        _ip(f"netns add {bridge}")
        _ip_in(bridge, "link add bridge type bridge", "link set bridge up")
        _ip(f"link add {MACHINE_LINK} type veth peer name machine netns {bridge}")
        _ip_in(bridge, "link set machine master bridge up")
        _ip(f"address add {SUBNET}1/24 dev {MACHINE_LINK}", f"link set {MACHINE_LINK} up")
        names = ["127.0.0.1 localhost"]
        for host in self.hosts.values():
            self._add_host(bridge, host.namespace, host.name, f"{host.address}/24")
            names.append(f"{host.address} {host.name}")
        self._add_host(bridge, refusing, "refusing", *(f"{SUBNET}{100 + i}/24" for i in range(1, PECULIAR + 1)))
        names += [f"{SUBNET}{100 + i} refusing{i}" for i in range(1, PECULIAR + 1)]
        # Single addresses make no route to the others: packets come in, and no answer finds a way out.
        self._add_host(bridge, silent, "silent", *(f"{SUBNET}{200 + i}/32" for i in range(PECULIAR + 1)))
        names += [f"{SUBNET}{200 + i} silent{i}" for i in range(1, PECULIAR + 1)]
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


def _remove_all() -> None:
    """Remove all namespaces of this suite, the processes in them and their configuration."""
    listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
    for namespace in (line.split()[0] for line in listed.splitlines() if line.startswith(PREFIX)):
        inside = subprocess.run(["ip", "netns", "pids", namespace], text=True, capture_output=True, check=True).stdout
        for pid in inside.split():
            os.kill(int(pid), signal.SIGKILL)
        _ip(f"netns del {namespace}")
    for folder in CONFIGURATION.glob(f"{PREFIX}*"):
        shutil.rmtree(folder)
    # Its other end went with the bridge's namespace, and so it did, but later: the kernel clears namespaces lazily.
    subprocess.run(["ip", "link", "delete", MACHINE_LINK], capture_output=True)
