# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH connection breaks while a push waits between its two writes: check the message, the file, and the next run.

The tests use two hosts of the lab ``crash``, each with a data node (the simulator, or BANYANDB_SERVER).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology
from tests.conftest import COLLECTIONS
from tests.contract import asking
from tests.contract.conftest import binary  # noqa: F401 (a fixture)
from tests.contract.waiting import until
from tests.lab import Lab

PATH = "/etc/banyandb/topology.yml"
PROOF_SECONDS = 600
"""Longer than any wait of a test: a push waits while its server does not respond."""

UNREACHABLE = 4
"""Ansible's exit code for an unreachable host."""
SAID = ("Shared connection to", "Failed to connect to the host via ssh", "Make sure this host can be reached over ssh")

# Print the process that holds the lock, or 0.
WHO = """python3 -c '
import os
place = ":%d" % os.stat("/etc/banyandb").st_ino
held = [line.split() for line in open("/proc/locks") if "FLOCK" in line and line.split()[5].endswith(place)]
print(held[0][4] if held else 0)'"""
# Stop the server with SIGSTOP as soon as its file equals /root/between.
HOLD = f"""systemd-run --quiet sh -c '
until cmp -s /root/between {PATH}; do sleep 0.01; done
systemctl kill --kill-whom=main --signal=STOP banyandb-data'"""
STATE = """sed -n 's/^State:.//p' /proc/$(systemctl show --property=MainPID --value banyandb-data)/status"""
# End the SSH session that started a process (its argument), like a crash of sshd.
END_SESSION = """python3 -c '
import os, signal
process = %d
while open("/proc/%%d/comm" %% process).read() != "sshd\\n":
    process = int(open("/proc/%%d/stat" %% process).read().rsplit(")", 1)[1].split()[1])
os.kill(process, signal.SIGKILL)'"""


class Hosts:
    """node1, which gets the pushes, and node2, whose entry moves between its name and its address."""

    def __init__(self, lab: Lab, program: str, scratch: Path) -> None:
        self.lab, self.scratch = lab, scratch
        self.node1, self.address = Node("node1", "node1:17912"), lab.host("node1").address
        self.places = [Node("node2", "node2:17912"), Node("node2", f"{lab.host('node2').address}:17912")]
        self.inventory = scratch / "inventory.yml"
        self.inventory.write_text(lab.inventory())
        for host in ("node1", "node2"):
            self.start(host, program)
        for host in lab.hosts():
            until(lambda: self.sees(host.address) == {"node1:17912", "node2:17912"}, 30, f"{host.name} shows both nodes")

    def start(self, host: str, program: str) -> None:
        settings = {
            "NODE_HOST_PROVIDER": "flag",
            "NODE_HOST": host,
            "NODE_DISCOVERY_MODE": "file",
            "NODE_DISCOVERY_FILE_PATH": PATH,
            "NODE_DISCOVERY_FILE_FETCH_INTERVAL": "30s",
            **{f"{root}_ROOT_PATH": "/var/lib/banyandb" for root in ("MEASURE", "STREAM", "TRACE", "PROPERTY", "SCHEMA_SERVER")},
        }
        given = " ".join(f"--setenv=BYDB_{name}={value}" for name, value in settings.items())
        with open(program, "rb") as file:
            words = [*self.lab.ssh_command(host, "root"), "mkdir -p /etc/banyandb && cat > /opt/server && chmod 755 /opt/server"]
            subprocess.run(words, stdin=file, check=True)
        self.write(host, PATH, self.text(self.places[0]))
        self.root(host, f"systemd-run --quiet --unit=banyandb-data --setenv=GRPC_ENABLE_TXT_SERVICE_CONFIG=false {given} /opt/server data")

    def write(self, host: str, path: str, text: str) -> None:
        subprocess.run([*self.lab.ssh_command(host, "root"), f"cat > {path}"], input=text, text=True, check=True)

    def hold_at(self, text: str) -> None:
        """Stop the server of node1 when its file has this text: a push that wrote the text waits for the server until release()."""
        self.write("node1", "/root/between", text)
        self.root("node1", HOLD)

    @property
    def is_held(self) -> bool:
        return self.root("node1", STATE).startswith("T")

    def release(self) -> None:
        self.root("node1", "systemctl kill --kill-whom=main --signal=CONT banyandb-data")

    def root(self, host: str, command: str) -> str:
        done = self.lab.run(host, command, user="root")
        assert done.returncode == 0, done
        return done.stdout

    @staticmethod
    def sees(address: str) -> set[str]:
        return {name for table in asking.tables(asking.state(address)).values() for name in table.registered}

    @property
    def file(self) -> str:
        return self.root("node1", f"cat {PATH}")

    @property
    def names(self) -> list[str]:
        return self.root("node1", "ls -A /etc/banyandb").split()

    @property
    def holder(self) -> int:
        return int(self.root("node1", WHO))

    def text(self, place: Node) -> str:
        """Return the final file."""
        return Topology((self.node1, place)).render()

    def ansible(self, place: Node, *, pipelined: bool, lock_timeout: int = 60) -> subprocess.Popen[str]:
        """Start a push to node1 that moves node2 to ``place``."""
        options = {
            "path": PATH,
            "nodes": [
                {"name": "node1", "grpc_address": self.node1.grpc_address},
                {"name": "node2", "grpc_address": place.grpc_address, "node_name": "node2:17912"},
            ],
            "readdress": "stage",
            "prove": {"name": "node1", "role": "data", "timeout": PROOF_SECONDS},
            "lock_timeout": lock_timeout,
        }
        program = str(Path(sys.executable).with_name("ansible"))
        words = [program, "-i", str(self.inventory), "-b", "-m", "skywalking.banyandb.topology", "-a", json.dumps(options), "node1"]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_PIPELINING": str(pipelined)}
        return subprocess.Popen(words, cwd=self.scratch, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(push: subprocess.Popen[str]) -> tuple[int, str, dict[str, Any]]:
    """Return Ansible's exit code, Ansible's name of the outcome, and the result."""
    said = push.communicate()[0]
    found = re.search(r"^node1 \| ([A-Z]+)!? => (\{.*^\})", said, re.DOTALL | re.MULTILINE)
    assert found, said
    return push.returncode, found[1], json.loads(found[2])


@pytest.fixture(scope="module")
def hosts(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:  # noqa: F811
    lab = Lab("crash")
    lab.down()
    try:
        lab.up(2)
        yield Hosts(lab, binary, tmp_path_factory.mktemp("ansible"))
    finally:
        lab.down()


@contextmanager
def client_killed(hosts: Hosts) -> Iterator[None]:
    """Kill the ssh process on this machine that holds the shared connection."""
    title = f"ssh: {hosts.lab.state / 'cp'}/{hosts.address}".encode()
    [client] = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if begins(path, title)]
    os.kill(client, signal.SIGKILL)
    yield


def begins(path: Path, text: bytes) -> bool:
    try:
        return path.read_bytes().startswith(text)
    except OSError:
        return False  # the process has ended


@contextmanager
def session_killed(hosts: Hosts) -> Iterator[None]:
    """Kill the sshd process of the session on the host."""
    hosts.root("node1", END_SESSION % hosts.holder)
    yield


@contextmanager
def packets_dropped(hosts: Hosts) -> Iterator[None]:
    """Drop all packets between this machine and the host."""
    table = "crash-connection"
    subprocess.run(["nft", "-f", "-"], input=f"""
        table ip {table} {{
            chain to {{ type filter hook output priority 0; ip daddr {hosts.address} drop; }}
            chain from {{ type filter hook input priority 0; ip saddr {hosts.address} drop; }}
        }}""", text=True, check=True)  # fmt: skip
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "ip", table], check=True)


@pytest.mark.parametrize(
    ("lose", "pipelined", "goes_on"),
    [
        # With a terminal (Ansible's default), the session's processes die with it. Without a terminal they continue.
        (client_killed, False, False),
        (client_killed, True, True),
        (session_killed, False, False),
        (session_killed, True, True),
        # The push continues until its host sends a packet without an answer. That may happen at once or never, so the test ends the push.
        (packets_dropped, False, None),
    ],
    ids=["client killed", "client killed, pipelined", "session killed", "session killed, pipelined", "packets dropped"],
)
def test_a_push_whose_connection_is_lost_between_its_writes_is_completed_by_the_next_run(
    hosts: Hosts, lose: Callable[[Hosts], Any], pipelined: bool, goes_on: bool | None
) -> None:
    before, after = hosts.places if hosts.file == hosts.text(hosts.places[0]) else reversed(hosts.places)
    assert hosts.file == hosts.text(before)
    between = Topology((hosts.node1,), (after,)).render()
    hosts.hold_at(between)
    push = hosts.ansible(after, pipelined=pipelined)
    until(lambda: hosts.is_held and hosts.holder, 120, "the first write is done")
    with lose(hosts):
        code, outcome, result = ended(push)
    assert (code, outcome) == (UNREACHABLE, "UNREACHABLE"), result
    assert any(words in result["msg"] for words in SAID), result
    # The pending entry is not lost, and the file is complete.
    assert (hosts.file, hosts.names) == (between, ["topology.yml"])
    if goes_on:
        holder = hosts.holder
        assert holder
        code, _, result = ended(hosts.ansible(after, pipelined=True, lock_timeout=1))
        assert code == 2 and f"{PATH}: another push (process {holder}) has held it for 1 s" in result["msg"], result
        assert (hosts.file, hosts.names) == (between, ["topology.yml"])
    if goes_on is not False:
        holder = hosts.holder
        hosts.root("node1", f"! test -d /proc/{holder} || kill -KILL {holder} || ! test -d /proc/{holder}" if holder else "true")
    until(lambda: hosts.holder == 0, 60, "the push is gone, with its session or by itself")
    hosts.release()
    code, outcome, result = ended(hosts.ansible(after, pipelined=pipelined))
    assert (code, outcome, result["proved"], result["added"]) == (0, "CHANGED", True, ["node2"]), result
    assert (hosts.file, hosts.names, hosts.holder) == (hosts.text(after), ["topology.yml"], 0)
    assert hosts.sees(hosts.address) == {"node1:17912", "node2:17912"}
