# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the contract suite, and of others that start servers: network namespaces on one bridge, named node1, node2, ...

Each host has an address and all ports of its own, so that servers listen where they do in production, and names
that only these hosts know (/etc/netns/<namespace>/hosts). The bridge stands in a namespace too: packet filters of
the machine do not see it. The machine itself is joined by one veth, to ask the servers, and to be asked for names: it
has two addresses there.

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

SUBNETS = {"contract": "198.18.40.", "crash": "198.18.41."}
"""By suite; from the range that RFC 2544 sets aside for tests: no route on any machine leads there."""

HOSTS = 20
PECULIAR = 9
CONFIGURATION = pathlib.Path("/etc/netns")
RESOLV_CONF_SIZE = 512
TURN = 600.0
"""Seconds to wait for another run of the suite on this machine."""
LOCKS = pathlib.Path("/run/lock")


class NetworkError(RuntimeError):
    """The hosts of the suite could not be set up; says what to do."""


def _ip(*lines: str) -> None:
    """Run commands of ip(8), one a line, in one process. Raises NetworkError."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused: {done.stderr.strip()}; this suite needs root and network namespaces")


def _ip_in(namespace: str, *lines: str) -> None:
    """The same inside a namespace."""
    done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines), text=True, capture_output=True)
    if done.returncode:
        raise NetworkError(f"ip refused in {namespace}: {done.stderr.strip()}")


class Host:
    """One host: ``name`` as the others know it, ``address``, and the ``namespace`` to start processes in."""

    def __init__(self, number: int, prefix: str, subnet: str) -> None:
        self.name = f"node{number}"
        self.address = f"{subnet}{10 + number}"
        self.namespace = f"{prefix}{self.name}"

    def command(self, *words: str) -> list[str]:
        """The command that runs ``words`` on this host, as the very process that was started."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def ask_for_names_at(self, *nameservers: str, more: str = "") -> None:
        """Set the nameservers (addresses) of its processes, running ones too; ``more``: further lines of resolv.conf."""
        text = "\n".join([*(f"nameserver {address}" for address in nameservers), more])
        # In place, since it is this very file that is mounted over /etc/resolv.conf of what runs; and by one write, so
        # that nobody reads half of it.
        file = os.open(CONFIGURATION / self.namespace / "resolv.conf", os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, text.encode().ljust(RESOLV_CONF_SIZE, b"\n"), 0)
        os.close(file)

    def cut(self, other: Host) -> None:
        """Silently drop whatever this host sends to ``other``: neither hears of the other any more."""
        _ip_in(self.namespace, f"route add blackhole {other.address}/32")

    def join(self, other: Host) -> None:
        """Undo ``cut``."""
        _ip_in(self.namespace, f"route del blackhole {other.address}/32")


class Network:
    """All hosts of a suite, from ``with`` to its end. Removes first what a crashed run left behind.

    Whatever has a name that starts with ``bydb-<suite>`` belongs to the suite, and to one run of it at a time.
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
        # Single addresses make no route to the others: packets come in, and no answer finds a way out.
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
        """Remove all namespaces of this suite, the processes in them and their configuration."""
        listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
        for namespace in (line.split()[0] for line in listed.splitlines() if line.startswith(self.prefix)):
            inside = subprocess.run(["ip", "netns", "pids", namespace], text=True, capture_output=True, check=True).stdout
            for pid in inside.split():
                os.kill(int(pid), signal.SIGKILL)
            _ip(f"netns del {namespace}")
        for folder in CONFIGURATION.glob(f"{self.prefix}*"):
            shutil.rmtree(folder)
        # Its other end went with the bridge's namespace, and so it did, but later: the kernel clears namespaces lazily.
        subprocess.run(["ip", "link", "delete", self.link], capture_output=True)
