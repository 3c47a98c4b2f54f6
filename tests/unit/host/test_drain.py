# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports are closed to others and to nobody else, until they are opened or the lease is over. With a real nft, in a network of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host import drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.modules.liaison_drain import act
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

# Two ends of a cable: the host's, in the network in which this runs, and a client's in another. A server listens on two ports of the host.
SCENE = """
import json, socket, subprocess, sys, threading, time
from ansible_collections.skywalking.banyandb.plugins.module_utils.host import drain
def ip(line): subprocess.run(["ip", *line.split()], check=True)
keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
while subprocess.run(["readlink", f"/proc/{keeper.pid}/ns/net"], capture_output=True).stdout == subprocess.run(
    ["readlink", "/proc/self/ns/net"], capture_output=True).stdout: time.sleep(0.01)
ip("link set lo up")
ip(f"link add here type veth peer name there netns {keeper.pid}")
ip("address add 192.0.2.1/24 dev here"); ip("link set here up")
client = ["nsenter", "--net", "--target", str(keeper.pid)]
subprocess.run([*client, "ip", "address", "add", "192.0.2.2/24", "dev", "there"], check=True)
subprocess.run([*client, "ip", "link", "set", "there", "up"], check=True)
def echo(connection):
    while (data := connection.recv(9)): connection.sendall(data)
def serve(port):
    server = socket.create_server(("", port))
    def run():
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
for port in (17912, 22): serve(port)
TRY = "import socket, sys; s = socket.create_connection(('192.0.2.1', int(sys.argv[1])), 5); s.sendall(b'x'); print(s.recv(1))"
def reaches(port, where=()):
    done = subprocess.run([*where, sys.executable, "-c", TRY, str(port)], capture_output=True, text=True)
    return "yes" if done.returncode == 0 else done.stderr.strip().splitlines()[-1].split(":")[0]
HOLD = '''import socket
s = socket.create_connection(("192.0.2.1", 17912), 5); s.sendall(b"x"); s.recv(1)
print("in", flush=True); input()
s.sendall(b"y"); s.recv(1)'''
standing = subprocess.Popen([*client, sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
standing.stdout.readline()
seen = {"before": reaches(17912, client)}
drain.close([17912, 18912], 300)
seen["closed"] = drain.closed()
seen["new connection"] = reaches(17912, client)
seen["another port"] = reaches(22, client)
seen["the host itself"] = reaches(17912)
seen["standing connection"] = standing.communicate("\\n")[1].strip().splitlines()[-1].split(":")[0]
drain.close([17912], 1)
while drain.closed(): time.sleep(0.05)
seen["lease over"] = reaches(17912, client)
drain.close([17912], 300, hold=0.3)
drain.reopen(); drain.reopen()
seen["opened"] = reaches(17912, client)
seen["tables"] = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
keeper.kill()
print(json.dumps(seen))
"""


def test_only_others_are_kept_away_from_only_those_ports_and_not_for_ever():
    environment = {"PYTHONPATH": COLLECTIONS, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    scene = subprocess.run(["unshare", "--net", sys.executable, "-c", SCENE], env=environment, capture_output=True, text=True)
    assert scene.returncode == 0, scene.stderr
    assert json.loads(scene.stdout) == {
        "before": "yes",
        "closed": [17912, 18912],
        "new connection": "ConnectionRefusedError",
        "another port": "yes",
        "the host itself": "yes",
        "standing connection": "ConnectionResetError",
        "lease over": "yes",
        "opened": "yes",
        "tables": "",
    }


def test_a_host_without_nft_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(drain.shutil, "which", lambda *_arguments, **_options: None)
    with pytest.raises(HostStateError, match="banyandb_liaison_drain_install: true .* hook or none") as refused:
        act({"state": "checked", "ports": None, "lease": 120.0, "hold": 0.0}, False)
    assert refused.value.kind == "no_nft"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"ports": []}, "ports is"), ({"ports": [0]}, "ports is"), ({"lease": 0.0}, "lease is"), ({"hold": -1.0}, "hold is")],
)
def test_what_cannot_be_meant_is_refused(wrong, said):
    with pytest.raises(ValueError, match=f"{said}.*expected"):
        act({"state": "closed", "ports": [17912], "lease": 120.0, "hold": 0.0, **wrong}, True)
