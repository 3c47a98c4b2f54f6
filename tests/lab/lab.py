# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: its hosts, its faults and its state file. The command line (__main__.py) and tests call this module."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import inventory, processes, rootfs, tools
from .errors import LabError
from .host import MAX_HOSTS, Host
from .network import Network, default_subnet
from .shell import lock, mounts_below, run, say, wait_until, write

READY_SECONDS = 90
LOCK_SECONDS = 1200
DEFAULT_SUITE = "bookworm"


class Lab:
    """A named set of hosts node1 to node40 on its own subnet. Several labs can run side by side.

    `name`: up to 8 lower-case letters and digits; default $BANYANDB_LAB, else "lab".
    `base`: the state directory of all labs; default $BANYANDB_LAB_DIR, else /var/lib/banyandb-lab.

    Every method that changes something holds the lab's lock, first removes the rest of a crashed run, and may raise LabError.
    """

    def __init__(self, name: str | None = None, base: Path | None = None) -> None:
        self.name = name or os.environ.get("BANYANDB_LAB") or "lab"
        if not re.fullmatch("[a-z][a-z0-9]{0,7}", self.name):
            raise LabError(f"'{self.name}' cannot name a lab: expected up to 8 lower-case letters and digits, a letter first.")
        self._base = Path(base or os.environ.get("BANYANDB_LAB_DIR") or "/var/lib/banyandb-lab").absolute()
        self.state = self._base / self.name
        if len(str(self.state)) > 50 or re.search(r"[\s:,\\]", str(self.state)):
            raise LabError(f"{self.state} cannot hold a lab: expected at most 50 bytes (sockets are in it) and no blank, ':', ',' or backslash.")
        self._memory = self.state / "lab.json"

    # -- queries

    def hosts(self) -> list[Host]:
        """Return all hosts of the lab by number, also killed ones. Removed hosts are not in the list."""
        network = self.network()
        known = self._load()["hosts"]
        return [self._host(int(number), suite, network) for number, suite in sorted(known.items(), key=lambda item: int(item[0]))]

    def host(self, name: str) -> Host:
        """Return a host by name. Raises LabError when the lab has no such host."""
        hosts = {host.name: host for host in self.hosts()}
        if name not in hosts:
            raise LabError(f"The lab '{self.name}' has no host '{name}'. It has: {', '.join(hosts) or 'none'}. 'up {name}' makes one.")
        return hosts[name]

    def network(self) -> Network:
        subnet = self._load()["subnet"] or os.environ.get("BANYANDB_LAB_SUBNET") or default_subnet(self.name)
        try:
            network = ipaddress.IPv4Network(subnet)
        except ValueError as error:
            raise LabError(f"BANYANDB_LAB_SUBNET: {error}. Expected a network such as 10.99.1.0/24.") from None
        if network.prefixlen != 24:
            raise LabError(f"BANYANDB_LAB_SUBNET={subnet}: expected a /24 network.")
        return Network(self.name, network, self.state)

    def describe(self) -> dict[str, Any]:
        """Return the lab as data. A host's state is "running", "off", or "broken" (some of its processes are missing; the next `up` repairs
        the host).

        `asked_silent_dns`: packets from the host to the silent nameserver since the last change of a fault.
        """
        tools.require_root()
        memory = self._load()
        found = processes.find(self.state / "hosts")
        asked = self.network().asked()
        entries = []
        for host in self.hosts():
            own = {process.role: {"pid": process.pid, "start": process.start} for process in found if process.host == host.directory}
            state = "off" if not own else "running" if _is_whole(set(own)) and host.network.plugged(host.number) else "broken"
            entries.append(
                {
                    "name": host.name,
                    "address": host.address,
                    "suite": host.suite,
                    "state": state,
                    "processes": own,
                    "root": str(host.root),
                    "asked_silent_dns": asked.get(host.address, 0),
                }
            )
        return {
            "lab": self.name,
            "subnet": str(self.network().subnet),
            "state": str(self.state),
            "hosts": entries,
            "partitions": memory["partitions"],
            "cut": memory["cut"],
            "blackholed": memory["blackholed"],
        }

    def inventory(self) -> str:
        """Return a YAML inventory of all hosts in the group `lab`."""
        return inventory.render(self.hosts(), self.state)

    def ssh_command(self, host: str, user: str = rootfs.USER) -> list[str]:
        """Return the ssh command line for a host. The caller may append a command."""
        return ["ssh", *inventory.ssh_options(self.state), "-i", str(self.state / "id_ed25519"), "-l", user, self.host(host).address]

    def run(self, host: str, command: str, user: str = rootfs.USER, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command in a host over SSH and capture stdout and stderr. The caller checks the return code."""
        return subprocess.run(
            [*self.ssh_command(host, user), command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def run_each(self, command: str) -> dict[str, str]:
        """Run a shell command in all running hosts at once and return host -> standard output. Raises LabError when the command fails on a host."""
        names = [host["name"] for host in self.describe()["hosts"] if host["state"] != "off"]
        with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
            done = dict(zip(names, pool.map(lambda name: self.run(name, command), names), strict=True))
        failed = [f"{name}: status {each.returncode}: {each.stderr.strip()}" for name, each in done.items() if each.returncode != 0]
        if failed:
            raise LabError(f"{command!r} failed on {'; '.join(failed)}")
        return {name: each.stdout for name, each in done.items()}

    # -- changes

    def setup(self, suites: Iterable[str] = (DEFAULT_SUITE,)) -> None:
        """Install the missing packages on the controller and build the missing root file systems, without a prompt."""
        tools.require_root()
        tools.install_missing()
        tools.raise_limits()
        for suite in suites:
            rootfs.ensure(suite)

    def up(self, wanted: int | Iterable[str] | Mapping[str, str] = 1, suite: str = DEFAULT_SUITE) -> list[Host]:
        """Boot hosts and wait until they are ready. `wanted`: a number N (node1 to nodeN), names, or a mapping of names to Debian suites.

        The method boots only hosts that do not run and leaves all other hosts unchanged. A killed host keeps its disk.
        """
        if isinstance(wanted, int):
            wanted = [f"node{number}" for number in range(1, wanted + 1)]
        suites = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(wanted, "")
        numbers = {_number(name): asked for name, asked in suites.items()}
        tools.require_root()
        self.setup(set(_suites(numbers, self._load()["hosts"], suite).values()))
        with self._changing() as memory:
            memory["hosts"].update(_suites(numbers, memory["hosts"], suite))
            # The state file comes first: the next run must know what a crashed run has left.
            memory["subnet"] = str(self.network().subnet)
            self._save(memory)
            self._make_keys()
            self.network().up()
            self._apply_faults()
            self._boot([host for host in self.hosts() if host.number in numbers])
            return [host for host in self.hosts() if host.number in numbers]

    def down(self, names: Sequence[str] = ()) -> None:
        """Remove hosts and their disks. Without names, remove all hosts, the bridge, the keys and every other trace of the lab."""
        tools.require_root()
        if names:
            with self._changing():
                hosts = [self.host(name) for name in names]
                for host in hosts:
                    say(f"{host.name}: removed")
                    self._remove(host)
                self._apply_faults()
            return
        with lock(self._base / f"{self.name}.lock", LOCK_SECONDS):
            network = self.network()
            network.refuse_foreign()
            below = self.state / "hosts"
            directories = {*below.glob("node*"), *(process.host for process in processes.find(below))}
            numbers = {_number(directory.name) for directory in directories} | network.connected()
            for number in sorted(numbers):
                self._power_off(self._host(number, "", network))
            network.down()
            left = mounts_below(self.state)
            if left:
                raise LabError(f"Still mounted: {', '.join(left)}. Expected no mount below {self.state}; unmount them and try again.")
            if self.state.exists():
                shutil.rmtree(self.state)
            say(f"lab '{self.name}': down, nothing left" if numbers else f"lab '{self.name}': nothing was up")

    def kill(self, *names: str) -> None:
        """Cut the power of hosts: all their processes die at once and send no last packet. `start` boots the hosts again."""
        with self._changing():
            for host in [self.host(name) for name in names]:
                self._power_off(host)
                say(f"{host.name}: killed")

    def start(self, *names: str) -> None:
        """Boot killed hosts with their present disks and wait until they are ready."""
        with self._changing():
            self._boot([self.host(name) for name in names])

    def partition(self, a: str, b: str) -> None:
        """Drop all packets between two hosts in both directions, without a reply. Earlier faults stay."""
        pair = sorted((self.host(a).number, self.host(b).number))
        if pair[0] == pair[1]:
            raise LabError(f"partition: expected a partition between two hosts, both are {a}.")
        with self._changing() as memory:
            memory["partitions"] += [pair] if pair not in memory["partitions"] else []
            self._save(memory)
            self._apply_faults()
            say(f"{a} and {b}: no packet passes")

    def cut(self, *names: str) -> None:
        """Drop all packets between each of these hosts and every other host. The controller still reaches these hosts."""
        with self._changing() as memory:
            memory["cut"] = sorted({*memory["cut"], *(self.host(name).number for name in names)})
            self._save(memory)
            self._apply_faults()
            say(f"{', '.join(names)}: cut off from the other hosts")

    def blackhole_dns(self, *names: str) -> None:
        """Give hosts a nameserver that never responds. Without names: all hosts."""
        with self._changing() as memory:
            hosts = [self.host(name) for name in names] or self.hosts()
            memory["blackholed"] = sorted({*memory["blackholed"], *(host.number for host in hosts)})
            self._save(memory)
            self._apply_faults()
            say(f"{', '.join(host.name for host in hosts) or 'no host'}: nameserver {self.network().silent_dns} never answers")

    def nameserver(self, address: str) -> None:
        """Make this address the nameserver of all hosts, also of hosts that boot later. An empty address restores the hosts' own nameserver.

        The nameserver is no fault: `heal` does not change it. A blackhole overrides it.
        """
        try:
            address = address and str(ipaddress.ip_address(address))
        except ValueError:
            raise LabError(f"'{address}' is no nameserver: expected an IP address (the hosts use port 53).") from None
        with self._changing() as memory:
            memory["nameserver"] = address
            self._save(memory)
            self._apply_faults()
            say(f"nameserver of all hosts: {address or 'none'}")

    def keep_compiled(self) -> None:
        """Make the Python of all running hosts keep the compiled form of Ansible's modules; see keep_compiled.py."""
        with self._changing():
            hosts = [host for host in self.hosts() if host.living()]
            for host in hosts:
                host.keep_compiled()
            say(f"{', '.join(host.name for host in hosts) or 'no host'}: keeps what its Python compiles")

    def heal(self) -> None:
        """Remove all partitions, cuts and blackholes of this lab, and nothing else."""
        with self._changing() as memory:
            memory.update(partitions=[], cut=[], blackholed=[])
            self._save(memory)
            self._apply_faults()
            say("all faults removed")

    # -- implementation

    def _host(self, number: int, suite: str, network: Network) -> Host:
        return Host(number, suite, self.state / "hosts" / f"node{number}", network)

    def _load(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"subnet": None, "hosts": {}, "partitions": [], "cut": [], "blackholed": [], "nameserver": ""}
        try:
            return {**empty, **json.loads(self._memory.read_text(encoding="utf-8"))}
        except FileNotFoundError:
            return empty
        except PermissionError:
            tools.require_root()
            raise
        except ValueError as error:
            raise LabError(
                f"{self._memory} is damaged: {error}. Remove that file and run 'down': it removes all of the lab without the file."
            ) from None

    def _save(self, memory: Mapping[str, Any]) -> None:
        write(self._memory, json.dumps(memory, indent=1) + "\n", 0o600)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Hold the lab's lock, remove the rest of crashed runs, and yield the content of the state file."""
        tools.require_root()
        with lock(self._base / f"{self.name}.lock", LOCK_SECONDS):
            self._reap()
            yield self._load()

    def _reap(self) -> None:
        """Power off incomplete hosts: an init without its nspawn, a host without its network port, a host that is not in the state file."""
        network = self.network()
        network.refuse_foreign()
        known = {host.number: host for host in self.hosts()}
        found = processes.find(self.state / "hosts")
        by_number: dict[int, set[str]] = {}
        for process in found:
            by_number.setdefault(_number(process.host.name), set()).add(process.role)
        for number in sorted(by_number.keys() | network.connected()):
            whole = _is_whole(by_number.get(number, set())) and network.plugged(number)
            if number not in known or not whole:
                say(f"node{number}: removing the rest of a crashed run")
                self._power_off(known.get(number) or self._host(number, "", network))

    def _boot(self, hosts: Sequence[Host]) -> None:
        alive = {process.host for process in processes.find(self.state / "hosts")}
        booting = [host for host in hosts if host.directory not in alive]
        public_key = (self.state / "id_ed25519.pub").read_text()
        began = time.monotonic()
        if booting:
            say(f"booting {', '.join(host.name for host in booting)}")
        memory = self._load()
        for host in booting:
            host.boot(rootfs.ensure(host.suite), public_key, self.state / "ssh_host_ed25519_key", self._nameserver(host, memory))
        self._wait_ready(hosts)
        if booting:
            say(f"{len(booting)} host{'s' if len(booting) > 1 else ''} ready after {time.monotonic() - began:.1f} s")

    def _wait_ready(self, hosts: Sequence[Host]) -> None:
        waiting = {host.directory: host for host in hosts}
        dead: list[Host] = []
        seen: set[Path] = set()

        def done() -> bool:
            found = processes.find(self.state / "hosts")
            alive = {process.host for process in found if process.role == "shell"}
            dead.extend(waiting[path] for path in seen & waiting.keys() - alive)
            seen.update(alive)
            for process in found:
                if process.role == "init" and process.host in waiting and waiting[process.host].is_ready(process):
                    del waiting[process.host]
            return not waiting or bool(dead)

        wait_until(done, READY_SECONDS)
        for host in dead or waiting.values():
            what = "died while booting" if dead else f"not ready after {READY_SECONDS} s: expected systemd running and sshd greeting"
            raise LabError(f"{host.name} {what}: {host.why_not_ready()}")

    def _power_off(self, host: Host) -> None:
        self._close_shared_connections(host)
        host.power_off()

    def _remove(self, host: Host) -> None:
        self._power_off(host)
        host.remove()
        memory = self._load()
        memory["hosts"].pop(str(host.number), None)
        memory["partitions"] = [pair for pair in memory["partitions"] if host.number not in pair]
        memory["cut"] = [number for number in memory["cut"] if number != host.number]
        memory["blackholed"] = [number for number in memory["blackholed"] if number != host.number]
        self._save(memory)

    def _close_shared_connections(self, host: Host) -> None:
        """End ssh's control masters for a host: they would keep a connection to a host that is gone."""
        for control in (self.state / "cp").glob(f"{host.address}-*"):
            run(["ssh", "-F", "/dev/null", "-o", f"ControlPath={control}", "-O", "exit", host.address], timeout=10, check=False)
            control.unlink(missing_ok=True)

    def _apply_faults(self) -> None:
        """Make the faults equal to the state file. A host that is off gets its nameserver at its next boot."""
        memory = self._load()
        self.network().set_faults([(a, b) for a, b in memory["partitions"]], memory["cut"])
        for host in self.hosts():
            host.set_nameserver(self._nameserver(host, memory))

    def _nameserver(self, host: Host, memory: Mapping[str, Any]) -> str | None:
        return host.network.silent_dns if host.number in memory["blackholed"] else memory["nameserver"] or None

    def _make_keys(self) -> None:
        for name in ("id_ed25519", "ssh_host_ed25519_key"):
            key = self.state / name
            if not key.with_name(f"{name}.pub").exists():
                # ssh-keygen writes the public key last. A private key without a public key comes from a crashed run.
                key.unlink(missing_ok=True)
                run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"banyandb-lab-{self.name}", "-f", str(key)])
        kind, key_text = (self.state / "ssh_host_ed25519_key.pub").read_text().split()[:2]
        names = ",".join(self.network().address(number) for number in range(1, MAX_HOSTS + 1))
        write(self.state / "known_hosts", f"{names} {kind} {key_text}\n", 0o600)
        (self.state / "cp").mkdir(mode=0o700, exist_ok=True)


def _suites(numbers: Mapping[int, str], known: Mapping[str, str], default: str) -> dict[str, str]:
    """Return the suite of each wanted host. Raises LabError when a host exists with another suite."""
    for number, asked in numbers.items():
        has = known.get(str(number))
        if has and asked and has != asked:
            raise LabError(f"node{number} runs {has}, not {asked}. Take it down first: down node{number}.")
    return {str(number): known.get(str(number)) or asked or default for number, asked in numbers.items()}


def _is_whole(roles: set[str]) -> bool:
    """Return whether the host is complete: it runs, or it boots and has no init yet. `roles`: roles of its processes."""
    return roles >= {"shell", "nspawn"} or roles == {"shell"}


def _number(name: str) -> int:
    match = re.fullmatch("node([1-9][0-9]?)", name)
    if not match or int(match[1]) > MAX_HOSTS:
        raise LabError(f"'{name}' cannot name a host: expected node1 to node{MAX_HOSTS}.")
    return int(match[1])
