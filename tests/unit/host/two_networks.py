# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two networks with a cable between them: the network of a script, ``192.0.2.1``, and another network, ``192.0.2.2``."""

from __future__ import annotations

import json
import subprocess
import sys

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS

# The start of every script. `there` runs a command in the other network; `serve` echoes on a port of this network.
CABLE = """
import json, os, pwd, socket, subprocess, sys, threading, time
def ip(line): subprocess.run(["ip", *line.split()], check=True)
keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
while subprocess.run(["readlink", f"/proc/{keeper.pid}/ns/net"], capture_output=True).stdout == subprocess.run(
    ["readlink", "/proc/self/ns/net"], capture_output=True).stdout: time.sleep(0.01)
ip("link set lo up")
ip(f"link add here type veth peer name there netns {keeper.pid}")
ip("address add 192.0.2.1/24 dev here"); ip("link set here up")
there = ["nsenter", "--net", "--target", str(keeper.pid)]
subprocess.run([*there, "ip", "address", "add", "192.0.2.2/24", "dev", "there"], check=True)
subprocess.run([*there, "ip", "link", "set", "there", "up"], check=True)
ECHO = '''
import socket, threading
def echo(connection):
    while (data := connection.recv(9)): connection.sendall(data)
def serve(port):
    server = socket.create_server(("", port))
    def run():
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
'''
exec(ECHO)
"".encode("idna")  # loads what another account may not be able to read
def reached(port, account, wait=5):
    "What a client on this side gets, a process of that account."
    ours, its = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(pwd.getpwnam(account).pw_uid)
            with socket.create_connection(("192.0.2.1", port), wait) as connection:
                connection.sendall(b"x")
                its.sendall(b"yes" if connection.recv(1) == b"x" else b"closed")
        except OSError as error:
            its.sendall(type(error).__name__.encode())
        finally:
            os._exit(0)
    its.close()
    os.waitpid(child, 0)
    return ours.recv(99).decode()
"""


def played(scene: str) -> dict:
    """Run a script in a separate network and return the JSON that it printed."""
    environment = {"PYTHONPATH": COLLECTIONS, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    # All processes of the script end with it.
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", CABLE + scene]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
