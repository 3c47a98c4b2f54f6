# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A liaison loses the connection to one other host, and clients wait during that time. The tests use a real nft in a separate network."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import peer_cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.modules.liaison_cut import act
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played
from ansible_collections.skywalking.banyandb.tests.unit.peers import byte_server, closed_port, http_answer
from ansible_collections.skywalking.banyandb.tests.unit.server_processes import server_process

UNIT = "banyandb-liaison.service"

# The liaison to drain and one client are in the other network. The server here shows in `used` which liaisons it uses.
SCENE = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import peer_cut, nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity, RouteTable, View
subprocess.Popen([*there, sys.executable, "-c", ECHO + "serve(18912); serve(22); print('up', flush=True); threading.Event().wait()"],
    stdout=subprocess.PIPE).stdout.readline()
serve(17912)
used = ["l1"]
def view(): return View({"tire1": RouteTable((Identity("l1", "192.0.2.2:18912"), Identity("l2", "192.0.2.1:18912")), tuple(used), ())})
streams = [WriteStreams(9, 7)]
def asked_streams(): return streams[-1]
def reaches(port):
    try:
        with socket.create_connection(("192.0.2.2", port), 5) as connection:
            connection.sendall(b"x")
            return connection.recv(1) == b"x"
    except OSError as error:
        return type(error).__name__
def tables(): return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.split()
standing = socket.create_connection(("192.0.2.2", 18912)); standing.sendall(b"x"); standing.recv(1)
CLIENT = '''import socket
s = socket.create_connection(("192.0.2.1", 17912), 60); s.sendall(b"x"); s.recv(1)
print("in", flush=True); input(); s.sendall(b"y"); print(s.recv(1).decode(), flush=True)'''
client = subprocess.Popen([*there, sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
client.stdout.readline()
answered = threading.Event()
threading.Thread(target=lambda: (client.stdout.readline(), answered.set()), daemon=True).start()
seen = {"before": reaches(18912)}
def answering():  # the server: it has two writes to answer, which need the way to the other one
    for finished in (8, 9):
        time.sleep(1); seen[f"the way with {9 - finished + 1} writes under way"] = reaches(18912)
        streams.append(WriteStreams(9, finished))
answers = threading.Thread(target=answering); answers.start()
def noticing():  # the server: it looks whether the other one answers, and the client writes meanwhile
    while reaches(18912) is True: time.sleep(0.01)
    client.stdin.write("\\n"); client.stdin.flush()
    seen["on the host itself"] = {account: reached(17912, account, 0.3) for account in ("root", "daemon", "nobody")}
    seen["a client meanwhile is answered"] = answered.wait(0.5)
    used.clear()
notices = threading.Thread(target=noticing); notices.start()
done = peer_cut.cut("liaison1", ["l0", "l1"], view, asked_streams, [17912], 300, 60, "daemon")
notices.join(); answers.join()
seen["cut"] = list(done.addresses); seen["it was waited for"] = done.waited > 0.5; seen["under way then"] = done.under_way
seen["and afterwards"] = answered.wait(60)
try:
    standing.sendall(b"y"); standing.recv(1)
except OSError as error: seen["standing connection"] = type(error).__name__
seen["new connection"] = reaches(18912); seen["another port"] = reaches(22); seen["named"] = peer_cut.cuts("liaison1") == peer_cut.cuts(None)
used.append("l1")
peer_cut.join("liaison1"); peer_cut.join("liaison1")
seen["joined"] = reaches(18912); seen["tables"] = tables()
def finishing():  # a client that is held in the midst of its batch
    while not peer_cut.cuts("half"): time.sleep(0.01)
    client.stdin.write("\\n"); client.stdin.flush(); seen["the rest of a batch"] = client.stdout.readline().strip()
    streams.append(WriteStreams(9, 9))
client = subprocess.Popen([*there, sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
client.stdout.readline(); streams.append(WriteStreams(9, 8)); used[:] = ["l1"]
# The cut comes after the end of the batch: only then the server stops using the other liaison.
def notices(): used.clear() if streams[-1].under_way == 0 and reaches(18912) is not True else None; return view()
finishes = threading.Thread(target=finishing); finishes.start()
half = peer_cut.cut("half", ["l1"], notices, asked_streams, [17912], 300, 15); finishes.join(); peer_cut.join("half")
seen["under way when a batch was half sent"] = half.under_way
used.clear(); streams.append(Failure(ErrorKind.REFUSED, "no metrics"))
unknown = peer_cut.cut("liaison1", ["l0", "l1"], view, asked_streams, [17912], 1, 60)
seen["under way without metrics"] = unknown.under_way
while reaches(18912) is not True: time.sleep(0.05)
seen["lease over"] = True
streams.append(WriteStreams(9, 8)); held = peer_cut.cut("liaison1", ["l0", "l1"], view, asked_streams, [17912], 300, 8)
seen["a write that is never answered"] = [held.under_way, held.waited >= 1, reaches(18912)]
peer_cut.join(None); seen["every cut removed"] = tables(); used.append("l1")
try:
    peer_cut.cut("liaison1", ["l0", "l1"], view, asked_streams, [17912], 300, 1)
except HostStateError as error: seen["never noticed"] = [error.kind, reaches(18912), tables()]
print(json.dumps(seen))
"""


def test_clients_wait_while_the_server_notices_and_no_other_process_is_concerned():
    assert played(SCENE) == {
        "before": True,
        "the way with 2 writes under way": True,
        "the way with 1 writes under way": True,
        "on the host itself": {"root": "yes", "daemon": "yes", "nobody": "TimeoutError"},
        "a client meanwhile is answered": False,
        "cut": ["192.0.2.2:18912"],
        "it was waited for": True,
        "under way then": 0,
        "and afterwards": True,
        "standing connection": "ConnectionResetError",
        "new connection": "ConnectionRefusedError",
        "another port": True,
        "named": True,
        "joined": True,
        "tables": [],
        "the rest of a batch": "y",
        "under way when a batch was half sent": 0,
        "under way without metrics": None,
        "lease over": True,
        "a write that is never answered": [1, True, "ConnectionRefusedError"],
        "every cut removed": [],
        "never noticed": ["still_used", True, []],
    }


def test_a_server_that_does_not_know_it_needs_no_cut():
    assert peer_cut.cut("liaison1", ["l1"], View, WriteStreams, [17912], 300, 15) == peer_cut.Cut((), 0.0, 0)


@pytest.mark.parametrize("kind", [ErrorKind.TIMEOUT, ErrorKind.REFUSED])
def test_a_server_that_runs_and_shows_no_view_is_told(kind):
    with pytest.raises(HostStateError, match="returns no cluster view: too late") as refused:
        peer_cut.cut("liaison1", ["l0", "l1"], lambda: Failure(kind, "too late"), WriteStreams, [17912], 300, 15)
    assert refused.value.kind == "no_view"


ASKED = {
    "state": "cut", "name": "l", "node_names": ["l0", "l1"], "service": UNIT, "url": "http://127.0.0.1:1", "ca_path": None, "username": None,
    "password": None, "user": None, "lease": 120.0, "patience": 15.0,
}  # fmt: skip


@pytest.mark.parametrize("check", [True, False])
def test_a_server_that_does_not_run_needs_no_cut(monkeypatch, check):
    monkeypatch.setattr(systemd_services, "services", lambda names: {name: SimpleNamespace(main_pid=0) for name in names})
    assert act(ASKED, check) == {"changed": False, "addresses": [], "waited": 0.0, "under_way": 0}


def process_of(monkeypatch, pid):
    monkeypatch.setattr(systemd_services, "services", lambda names: {name: SimpleNamespace(main_pid=pid) for name in names})


def test_the_server_is_asked_on_the_host_and_port_that_its_process_has(monkeypatch):
    with closed_port("127.0.0.5") as address:
        host, _colon, port = address.rpartition(":")
        with server_process("liaison", BYDB_HTTP_HOST=host, BYDB_HTTP_PORT=port) as pid:
            process_of(monkeypatch, pid)
            with pytest.raises(HostStateError, match=f"returns no cluster view: .*{address}"):
                act(ASKED, True)


@pytest.mark.parametrize(
    ("name", "changed", "addresses"),
    [("l1", True, ["127.0.0.1:18912"]), ("l0", True, ["127.0.0.1:18912"]), ("l2", False, [])],
)
def test_check_mode_predicts_whether_there_is_something_to_cut_off_from(monkeypatch, name, changed, addresses):
    registered = {"metadata": {"name": name}, "grpcAddress": "127.0.0.1:18912"}
    body = json.dumps({"routeTables": {"tire1": {"registered": [registered], "active": [], "evictable": []}}}).encode()

    async def run():
        async with byte_server(http_answer("200 OK", body)) as address:
            with server_process("liaison", BYDB_HTTP_PORT=address.rpartition(":")[2]) as pid:
                process_of(monkeypatch, pid)
                return await asyncio.to_thread(act, ASKED, True)

    assert asyncio.run(run()) == {"changed": changed, "addresses": addresses, "waited": 0.0, "under_way": 0}


@pytest.mark.parametrize(("wrong", "said"), [({"lease": 0.0}, "lease is"), ({"patience": 0.0}, "patience is")])
def test_what_cannot_be_meant_is_refused(wrong, said):
    with pytest.raises(ValueError, match=f"{said}.*expected"):
        act({**ASKED, **wrong}, True)
