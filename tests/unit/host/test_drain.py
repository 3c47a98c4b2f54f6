# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drain blocks the ports for other hosts only, until they are opened or the lease ends. The tests use a real nft in a separate network."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables, port_drain
from ansible_collections.skywalking.banyandb.plugins.modules.liaison_drain import act
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

# A client in the other network, and a server on two ports of this network.
SCENE = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import port_drain
for port in (17912, 22): serve(port)
TRY = "import socket, sys; s = socket.create_connection(('192.0.2.1', int(sys.argv[1])), 5); s.sendall(b'x'); print(s.recv(1))"
def reaches(port):
    done = subprocess.run([*there, sys.executable, "-c", TRY, str(port)], capture_output=True, text=True)
    return "yes" if done.returncode == 0 else done.stderr.strip().splitlines()[-1].split(":")[0]
HOLD = '''import socket
s = socket.create_connection(("192.0.2.1", 17912), 5); s.sendall(b"x"); s.recv(1)
print("in", flush=True); input()
s.sendall(b"y"); s.recv(1)'''
standing = subprocess.Popen([*there, sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
standing.stdout.readline()
seen = {"before": reaches(17912)}
port_drain.close([17912, 18912], 300, user="daemon")
seen["closed"] = port_drain.closed()
seen["new connection"] = reaches(17912)
seen["another port"] = reaches(22)
seen["on the host itself"] = {account: reached(17912, account) for account in ("root", "daemon", "nobody")}
seen["standing connection"] = standing.communicate("\\n")[1].strip().splitlines()[-1].split(":")[0]
port_drain.close([17912], 1)
while port_drain.closed(): time.sleep(0.05)
seen["lease over"] = reaches(17912)
port_drain.close([17912], 300, hold=0.3)
port_drain.reopen(); port_drain.reopen()
seen["opened"] = reaches(17912)
seen["tables"] = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
print(json.dumps(seen))
"""


def test_only_others_are_kept_away_from_only_those_ports_and_not_for_ever():
    assert played(SCENE) == {
        "before": "yes",
        "closed": [17912, 18912],
        "new connection": "ConnectionRefusedError",
        "another port": "yes",
        "on the host itself": {"root": "yes", "daemon": "yes", "nobody": "ConnectionRefusedError"},
        "standing connection": "ConnectionResetError",
        "lease over": "yes",
        "opened": "yes",
        "tables": "",
    }


def test_an_account_that_is_not_there_is_named():
    with pytest.raises(HostStateError, match="nobody-here: this host has no such user"):
        port_drain.close([17912], 1, user="nobody-here")


def test_a_host_without_nft_gets_the_next_step(monkeypatch):
    monkeypatch.setattr(nftables.shutil, "which", lambda *_arguments, **_options: None)
    with pytest.raises(HostStateError, match="banyandb_liaison_drain_install: true, .* hook or none") as refused:
        act({"state": "checked", "service": None, "lease": 120.0, "hold": 0.0, "user": None}, False)
    assert refused.value.kind == "no_nft"


FLUSHED = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables, port_drain
flushed = []
def flush():
    ends = time.monotonic() + 20
    while not port_drain.closed() and time.monotonic() < ends: time.sleep(0.01)
    time.sleep(0.3); flushed.append(time.monotonic()); nftables.apply("flush ruleset")
other = threading.Thread(target=flush); other.start()
restored = port_drain.close([17912], 300, hold=1.0); ended = time.monotonic(); other.join()
print(json.dumps({"restored": restored, "held after the flush": ended - flushed[0] >= 1.0, "closed": port_drain.closed()}))
"""


def test_a_flush_in_the_middle_of_a_drain_is_restored_and_the_drain_starts_again():
    assert played(FLUSHED) == {"restored": 1, "held after the flush": True, "closed": [17912]}


# The server listens on the port of its process's settings, not on the port of the next start.
MOVED = """
from types import SimpleNamespace
from ansible_collections.skywalking.banyandb.plugins.modules import liaison_drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
server = subprocess.Popen([sys.executable, "-c", ECHO + "serve(27912); serve(28912); print('up', flush=True); threading.Event().wait()"],
    stdout=subprocess.PIPE)
server.stdout.readline()
serve(22)
TRY = "import socket, sys; s = socket.create_connection(('192.0.2.1', int(sys.argv[1])), 5); s.sendall(b'x'); print(s.recv(1))"
def reaches(port): return subprocess.run([*there, sys.executable, "-c", TRY, str(port)], capture_output=True).returncode == 0
systemd_services.services = lambda names: {name: SimpleNamespace(main_pid=server.pid) for name in names}
def drain(): return liaison_drain.act({"state": "closed", "service": "banyandb-liaison.service", "user": None, "lease": 300.0, "hold": 0.0}, False)
seen = {"first": drain(), "again": drain(), "reached": [port for port in (27912, 28912, 22) if reaches(port)]}
server.kill(); server.wait()
liaison_drain.act({"state": "open", "service": None, "user": None, "lease": 300.0, "hold": 0.0}, False)
seen["one that does not run"] = drain()
print(json.dumps(seen))
"""


def test_the_ports_that_are_closed_are_those_on_which_the_process_listens():
    assert played(MOVED) == {
        "first": {"changed": True, "closed": [27912, 28912], "restored": 0},
        "again": {"changed": False, "closed": [27912, 28912], "restored": 0},
        "reached": [22],
        "one that does not run": {"changed": False, "closed": [], "restored": 0},
    }


@pytest.mark.parametrize(("wrong", "said"), [({"lease": 0.0}, "lease is"), ({"hold": -1.0}, "hold is")])
def test_what_cannot_be_meant_is_refused(wrong, said):
    with pytest.raises(ValueError, match=f"{said}.*expected"):
        act({"state": "closed", "service": "l", "lease": 120.0, "hold": 0.0, "user": None, **wrong}, True)
