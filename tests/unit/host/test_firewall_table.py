# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a host, with a real nft and real TCP connections over a cable between two network namespaces.

The other network has the addresses of a member, a client, a monitoring host and an outsider, each with IPv4 and IPv6. A small systemctl runs the
commands of the units that the host functions wrote.
"""

from __future__ import annotations

import socket

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_table, nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import Wanted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

SCENE = r'''
import dataclasses, pathlib, shlex
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_table, nftables, port_drain
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import firewall_rules, firewall_units
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_ports import Audience, server_ports

# The host: its own /run and /etc/systemd/system.
for directory in ("/run", "/etc/systemd/system"):
    pathlib.Path(directory).mkdir(exist_ok=True, parents=True); subprocess.run(["mount", "-t", "tmpfs", "none", directory], check=True)
FILE = "/run/etc/banyandb/firewall.nft"
SYSTEMCTL = """#!""" + sys.executable + """
import os, pathlib, shlex, subprocess, sys
words = [word for word in sys.argv[1:] if not word.startswith("-")]
command, names = words[0], words[1:]
now = "--now" in sys.argv
with open("/run/calls", "a") as stream: stream.write(" ".join(words) + "\\n")
def mark(name, what, on):
    path = pathlib.Path(f"/run/state-{what}-{name}")
    path.touch() if on else path.unlink(missing_ok=True)
def has(name, what): return os.path.exists(f"/run/state-{what}-{name}")
def run(name, option):
    pathlib.Path("/run/banyandb-firewall").mkdir(exist_ok=True)  # RuntimeDirectory=
    for line in pathlib.Path(f"/etc/systemd/system/{name}").read_text().splitlines():
        if line.startswith(option + "="):
            value = line.partition("=")[2]
            done = subprocess.run([word.replace("$$", "$").replace("%%", "%") for word in shlex.split(value.lstrip("-"))])
            if done.returncode and not value.startswith("-"): sys.exit(1)
for name in names:
    if command == "show":
        there = os.path.exists(f"/etc/systemd/system/{name}")
        print(f"Id={name}", f"LoadState={'loaded' if there else 'not-found'}",
              f"ActiveState={'active' if has(name, 'active') else 'inactive'}",
              f"UnitFileState={'enabled' if has(name, 'enabled') else 'disabled'}",
              f"MainPID={(pathlib.Path('/run/pid-' + name).read_text() if os.path.exists('/run/pid-' + name) else 0)}", "", sep="\\n")
    elif command == "enable": mark(name, "enabled", True)
    elif command in ("start", "reload-or-restart"):
        if name.endswith(".service"): run(name, "ExecReload" if has(name, "active") else "ExecStart")
        mark(name, "active", name != "banyandb-firewall-watch.service")
    elif command == "disable":
        if has(name, "active") and name.endswith(".service"): run(name, "ExecStop")
        mark(name, "enabled", False); mark(name, "active", False)
"""
os.makedirs("/run/bin"); pathlib.Path("/run/bin/systemctl").write_text(SYSTEMCTL); os.chmod("/run/bin/systemctl", 0o755)
os.environ["PATH"] = "/run/bin:" + os.environ["PATH"]
def calls():
    path = pathlib.Path("/run/calls"); lines = path.read_text().splitlines() if path.exists() else []
    path.write_text(""); return [line for line in lines if not line.startswith("show")]
def watched(): subprocess.run(["systemctl", "start", firewall_units.WATCH_SERVICE], check=True, stdout=subprocess.DEVNULL)
def nft(line): subprocess.run(["nft", *line.split()], check=True)

# The cable: peers with IPv4 and IPv6.
PEERS = {"member": 2, "client": 3, "monitoring": 4, "outsider": 5, "new member": 6}
ip("address add 2001:db8::1/64 dev here nodad")
for number in PEERS.values():
    for address in (f"192.0.2.{number}/24", f"2001:db8::{number}/64"):
        if address != "192.0.2.2/24":
            subprocess.run([*there, "ip", "address", "add", address, "dev", "there", *(["nodad"] if ":" in address else [])], check=True)
servers = []
def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    servers.append(server)
    def run():
        while True: threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
ALL = (22, 2121, 6060, 17912, 17913, 18912, 18913)
for port in ALL: listen(port)
# One process in the other network tries everything that it reads: a source address, a port and seconds.
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
held = {}
def attempt(source, port, wait, keep):
    target = "2001:db8::1" if ":" in source else "192.0.2.1"
    try:
        connection = held[source, port] if (source, port) in held else socket.create_connection((target, port), wait, source_address=(source, 0))
        connection.settimeout(wait); connection.sendall(b"x"); right = connection.recv(1) == b"x"
        if keep: held[source, port] = connection
        return right
    except socket.timeout: return False
    except ConnectionResetError: return "reset"
with ThreadPoolExecutor(64) as pool:
    for line in sys.stdin:
        wanted = json.loads(line)
        in_turn = any(keep for _source, _port, _wait, keep in wanted)
        print(json.dumps(list((map if in_turn else pool.map)(lambda each: attempt(*each), wanted))), flush=True)
"""
tries = subprocess.Popen([*there, sys.executable, "-c", TRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def attempts(wanted):
    tries.stdin.write(json.dumps(wanted) + "\n"); tries.stdin.flush(); return json.loads(tries.stdout.readline())
def address(peer, version): return f"192.0.2.{PEERS[peer]}" if version == 4 else f"2001:db8::{PEERS[peer]}"
def reached(peers, ports=ALL, wait=0.5):
    """Return peer -> ports that the peer reaches. IPv4 and IPv6 must be alike."""
    found = {}
    for peer in peers:
        both = attempts([[address(peer, version), port, wait, False] for version in (4, 6) for port in ports])
        four, six = both[: len(ports)], both[len(ports) :]
        assert four == six, (peer, four, six)
        found[peer] = [port for port, right in zip(ports, four) if right]
    return found
def rules(*members):
    networks = [address(member, version) for member in members for version in (4, 6)]
    return firewall_rules.wanted(server_ports("liaison", {}), {
        Audience.MEMBERS: networks,
        Audience.CLIENTS: [address("client", 4), address("client", 6) + "/128"],
        Audience.MONITORING: ["192.0.2.4/32", "2001:db8::4/128"]})
seen = {}
'''

CONNECTIONS = (
    SCENE
    + r"""
seen["without a firewall"] = reached(["outsider"])
seen["state before"] = dataclasses.astuple(firewall_table.state(rules("member"), FILE))[2:]
before = firewall_table.apply(rules("member"), FILE)
seen["applied"] = [before.differs, before.previous is None, calls()]
seen["reached"] = reached(PEERS)
seen["loopback"] = []
for host in ("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"):
    for port in ALL:
        with socket.create_connection((host, port), 5) as connection:
            connection.sendall(b"x"); connection.recv(1) == b"x" or seen["loopback"].append((host, port))
again = firewall_table.apply(rules("member"), FILE)
seen["again"] = [again.differs, again.previous == rules("member"), calls()]
counted = subprocess.run(["nft", "list", "table", "inet", "banyandb_firewall"], capture_output=True, text=True, check=True).stdout
seen["drops are counted"] = "tcp dport 18913 counter packets 0" not in counted and "tcp dport 18913 counter packets" in counted

def protects_for_nobody():
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534); os.write(writes, json.dumps(firewall_table.protects(FILE)).encode()); os._exit(0)
    os.waitpid(child, 0); return json.loads(os.read(reads, 99))
seen["protects"] = [firewall_table.protects(FILE), protects_for_nobody()]
nft("delete element inet banyandb_firewall from_18912_ip4 { 192.0.2.2 }"); seen["protects"].append(firewall_table.protects(FILE))
nft("add element inet banyandb_firewall from_18912_ip4 { 192.0.2.5 }"); seen["protects"].append(firewall_table.protects(FILE))
nft("flush ruleset"); seen["protects"].append(firewall_table.protects(FILE))
firewall_table.apply(rules("member"), FILE); seen["protects"].append(firewall_table.protects(FILE))

# A new member: both can connect before the member is admitted. Then the first member leaves.
both = firewall_rules.before_change(again.previous, rules("new member"))
firewall_table.apply(both, FILE)
seen["before the change"] = reached(["member", "new member", "outsider"])
open_connections = [[address("member", version), 18912, 1.0, True] for version in (4, 6)]
seen["open connection of a member"] = attempts(open_connections)
firewall_table.apply(rules("new member"), FILE)
seen["after the change"] = reached(["member", "new member", "outsider"])
seen["open connection of the member that left"] = attempts([[*each[:2], 0.5, True] for each in open_connections])

# Replacing the table breaks no connection, and opens no port for a moment.
stop = threading.Event()
def replacing():
    while not stop.is_set(): firewall_table.nftables.apply(firewall_rules.render(rules("new member")))
replaces = threading.Thread(target=replacing); replaces.start()
kept = [[address("new member", 6), 18912, 5.0, True]] * 200
seen["while replacing"] = [set(attempts(kept)) == {True},
    set(attempts([[address("new member", 4), 18912, 0.9, False]] * 50)) == {True}, any(attempts([[address("outsider", 4), 18912, 0.03, False]] * 50))]
stop.set(); replaces.join()
calls(); firewall_table.remove(FILE)
seen["calls of the removal"] = calls()
seen["removed"] = [reached(["outsider"]), os.listdir("/etc/systemd/system"), os.path.exists(FILE), firewall_table.is_there(FILE)]
seen["protects"].append(firewall_table.protects(FILE))
seen["removed again"] = firewall_table.remove(FILE)
print(json.dumps(seen))
"""
)

ALL = [22, 2121, 6060, 17912, 17913, 18912, 18913]


def test_each_peer_reaches_only_the_ports_that_it_needs():
    assert played(CONNECTIONS) == {
        "without a firewall": {"outsider": ALL},
        "state before": [
            [
                "/run/etc/banyandb/firewall.nft",
                "/etc/systemd/system/banyandb-firewall.service",
                "/etc/systemd/system/banyandb-firewall-watch.service",
                "/etc/systemd/system/banyandb-firewall-watch.timer",
            ],
            ["banyandb-firewall.service", "banyandb-firewall-watch.timer"],
        ],
        "applied": [
            True,
            True,
            [
                "daemon-reload",
                "enable banyandb-firewall.service banyandb-firewall-watch.timer",
                "reload-or-restart banyandb-firewall.service",
                "start banyandb-firewall-watch.timer",
            ],
        ],
        "reached": {
            "member": [22, 17912, 18912],
            "client": [22, 17912, 17913],
            "monitoring": [22, 2121],
            "outsider": [22],
            "new member": [22],
        },
        "loopback": [],
        "again": [False, True, []],
        "drops are counted": True,
        # Root, another account, one member less, an outsider more, a flush, the table again, and after the removal.
        "protects": [True, None, True, False, False, True, False],
        "before the change": {"member": [22, 17912, 18912], "new member": [22, 17912, 18912], "outsider": [22]},
        "open connection of a member": [True, True],
        "after the change": {"member": [22], "new member": [22, 17912, 18912], "outsider": [22]},
        "open connection of the member that left": [False, False],
        "while replacing": [True, True, False],
        # The timer first: the timer restores the table.
        "calls of the removal": ["disable banyandb-firewall-watch.timer", "disable banyandb-firewall.service", "daemon-reload"],
        "removed": [{"outsider": ALL}, [], False, False],
        "removed again": False,
    }


FLUSHES = (
    SCENE
    + r"""
PORTS = (22, 18912)
wanted = rules("member")
firewall_table.apply(wanted, FILE); calls()
watched(); seen["a watch of an unchanged table"] = calls()
handle = nftables.handle(firewall_rules.TABLE)
# Counters do not count as a change.
reached(["outsider"], PORTS); watched(); calls()
seen["the table stays"] = nftables.handle(firewall_rules.TABLE) == handle
def after(line):
    nft(line)
    broken = firewall_table.state(wanted, FILE)
    watched(); found = calls()
    return [[each.what.value for each in broken.wrong], found[1:], reached(["member", "outsider"], PORTS), firewall_table.state(wanted, FILE).differs]
seen["flush ruleset"] = after("flush ruleset")
seen["flush chain"] = after("flush chain inet banyandb_firewall input")
seen["delete table"] = after("delete table inet banyandb_firewall")
seen["another element"] = after("add element inet banyandb_firewall from_18912_ip4 { 192.0.2.5 }")
# An operator made /etc/nftables.conf with `nft list ruleset`, and a member has left since.
saved = "flush ruleset\n" + subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
wanted = rules("new member"); firewall_table.apply(wanted, FILE); calls()
pathlib.Path("/run/nftables.conf").write_text(saved)
seen["an earlier copy"] = after("-f /run/nftables.conf")
# Tables of other programs stay.
nft("add table inet filter"); nft("add chain inet filter input { type filter hook input priority 0; policy accept; }")
nft("add rule inet filter input tcp dport 22 counter accept")
def others(): return subprocess.run(["nft", "-s", "-a", "list", "table", "inet", "filter"], capture_output=True, text=True, check=True).stdout
theirs = others()
firewall_table.apply(rules("member"), FILE); firewall_table.apply(rules("new member"), FILE)
seen["tables of others"] = others() == theirs
# A boot: the unit starts without a network, and after a program that flushed.
subprocess.run(["nft", "flush", "ruleset"], check=True); os.unlink("/run/state-active-banyandb-firewall.service")
subprocess.run(["rm", "-r", "/run/banyandb-firewall"], check=True)
subprocess.run(["systemctl", "start", firewall_units.SERVICE], check=True)
seen["boot"] = [firewall_table.state(wanted, FILE).wrong, reached(["new member", "outsider"], PORTS)]; calls()
# The listing of the last load is lost: the table is loaded again.
os.unlink("/run/banyandb-firewall/loaded"); watched(); seen["without a listing"] = calls()[1:]
watched(); seen["with a listing"] = calls()[1:]
print(json.dumps(seen))
"""
)

RESTORED = ["reload-or-restart banyandb-firewall.service"]
# For the ports 2121, 6060, 17912, 17913, 18912 and 18913. The ports 6060 and 18913 accept no network.
FLUSHED_CHAIN = ["open", "fewer", "open", "open", "fewer", "open", "fewer", "open", "fewer", "open"]


def test_a_table_that_another_program_changed_is_restored():
    after = [RESTORED, {"member": [22, 18912], "outsider": [22]}, False]
    assert played(FLUSHES) == {
        "a watch of an unchanged table": ["start banyandb-firewall-watch.service"],
        "the table stays": True,
        "flush ruleset": [["no_table"], *after],
        "flush chain": [FLUSHED_CHAIN, *after],
        "delete table": [["no_table"], *after],
        "another element": [["more"], *after],
        "an earlier copy": [["more", "fewer"] * 2, RESTORED, {"member": [22], "outsider": [22]}, False],
        "tables of others": True,
        "boot": [[], {"new member": [22, 18912], "outsider": [22]}],
        "without a listing": RESTORED,
        "with a listing": [],
    }


FAILURES = (
    SCENE
    + r"""
PORTS = (22, 18912)
firewall_table.apply(rules("member"), FILE); calls()
def refused(act):
    try: act()
    except HostStateError as error: return [error.kind, str(error)]
text = pathlib.Path(FILE).read_text()
# A script that the kernel refuses changes neither the file nor the table.
render = firewall_table.render
firewall_table.render = lambda wanted: render(wanted).replace("counter drop", "counter dorp")
seen["refused by nft"] = refused(lambda: firewall_table.apply(rules("new member"), FILE))[0]
firewall_table.render = render
seen["unchanged"] = [pathlib.Path(FILE).read_text() == text, firewall_table.state(rules("member"), FILE).differs, calls()]
# A crash between the write and the load: the next run loads the file.
run = firewall_table.systemd_services.run
def crash(command):
    raise HostStateError("no_systemd", "killed")
firewall_table.systemd_services.run = crash
seen["crash"] = refused(lambda: firewall_table.apply(rules("new member"), FILE))[0]
firewall_table.systemd_services.run = run
found = firewall_table.apply(rules("new member"), FILE).wrong
seen["after the crash"] = [[each.what.value for each in found], reached(["member", "new member"], PORTS)]; calls()
# Another program removes the table at once.
firewall_table.systemd_services.run = lambda command: (run(command), nft("flush ruleset"))[0]
seen["not loaded"] = refused(lambda: firewall_table.apply(rules("member"), FILE))
firewall_table.systemd_services.run = run
firewall_table.apply(rules("member"), FILE); calls()
# A unit with our name that this collection did not write.
unit = pathlib.Path("/etc/systemd/system/banyandb-firewall.service"); ours = unit.read_text(); unit.write_text("[Unit]\n")
acts = (lambda: firewall_table.apply(rules("member"), FILE), lambda: firewall_table.remove(FILE))
seen["not ours"] = [*map(refused, acts), unit.read_text(), calls()]
unit.write_text(ours)
# A file that an operator changed: the rules before the change are not known, and the table is right.
pathlib.Path(FILE).write_text(text.replace("counter drop", "accept"))
changed = firewall_table.state(rules("member"), FILE)
seen["changed by a person"] = [changed.previous, changed.wrong, changed.stale]
firewall_table.apply(rules("member"), FILE); seen["written again"] = pathlib.Path(FILE).read_text() == text
seen["its permissions"] = oct(os.stat(FILE).st_mode & 0o777)
seen["sources"] = firewall_table.source_addresses(["192.0.2.2", "2001:db8::2", "127.0.0.1", "203.0.113.1"])
print(json.dumps(seen))
"""
)


def test_a_failure_leaves_the_earlier_rules():
    seen = played(FAILURES)
    text = "/etc/systemd/system/banyandb-firewall.service: this collection did not write this file. Move the file away, then run this again."
    assert seen.pop("not ours") == [["not_ours", text], ["not_ours", text], "[Unit]\n", []]
    kind, text = seen.pop("not loaded")
    assert kind == "not_loaded" and text.endswith("Log: journalctl -u banyandb-firewall.service") and len(text) <= MOST
    assert seen == {
        "refused by nft": "nft_failed",
        "unchanged": [True, False, []],
        "crash": "no_systemd",
        "after the crash": [["more", "fewer"] * 2, {"member": [22], "new member": [22, 18912]}],
        "changed by a person": [None, [], ["/run/etc/banyandb/firewall.nft"]],
        "written again": True,
        "its permissions": "0o644",
        "sources": ["192.0.2.1", "2001:db8::1"],
    }


# Random rules. Networks overlap, touch and repeat.
LOADS = """
import ipaddress, random
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import firewall_rules
chance = random.Random(5)
def network():
    version = chance.choice((ipaddress.IPv4Network, ipaddress.IPv6Network))
    bits = 32 if version is ipaddress.IPv4Network else 128
    first = chance.choice((0, 10 << bits - 8, 2**bits - 256)) + chance.randrange(256)
    return str(version((first, chance.choice((bits, bits, bits - chance.randrange(9), chance.randrange(bits + 1)))), strict=False))
def rules():
    ports = chance.sample((2121, 6060, 17912, 17913, 18912), chance.randrange(6))
    return firewall_rules.Wanted.of({port: [network() for _ in range(chance.randrange(20))] for port in ports})
wrong, unseen, previous = [], [], None
for number in range(150):
    wanted = rules()
    nftables.check(firewall_rules.render(wanted)); nftables.apply(firewall_rules.render(wanted))
    listed = nftables.listing(firewall_rules.TABLE)
    if firewall_rules.differences(wanted, listed): wrong.append(number)
    if previous not in (None, wanted) and not firewall_rules.differences(previous, listed): unseen.append(number)
    previous = wanted
print(json.dumps({"wrong": wrong, "unseen": unseen, "absent": nftables.listing("inet other")}))
"""


def test_a_loaded_table_has_no_difference_to_its_rules():
    assert played(LOADS) == {"wrong": [], "unseen": [], "absent": '{"nftables": []}'}


# ---- names


def answer(*addresses):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


def test_all_addresses_of_all_names_are_networks(monkeypatch):
    hosts = {"data1": answer("10.0.0.1", "fd00::1"), "data2": answer("127.0.1.1", "10.0.0.2"), "10.0.0.3": answer("10.0.0.3"),
             "fe80::1%eth0": answer("fe80::1%eth0"), "data4": answer("10.0.0.1")}  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_arguments, **_options: hosts[host])
    assert firewall_table.resolved(hosts) == ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "fd00::1/128", "fe80::1/128"]


def test_addresses_need_no_dns():
    assert firewall_table.resolved(["192.0.2.7", "[2001:db8::7]", "2001:db8::8"]) == ["192.0.2.7/32", "2001:db8::7/128", "2001:db8::8/128"]
    assert firewall_table.resolved([]) == [] and firewall_table.source_addresses([]) == []


def test_a_name_that_does_not_resolve_is_refused(monkeypatch):
    def fail(host, *_arguments, **_options):
        if host.startswith("data1"):
            return answer("10.0.0.1")
        raise UnicodeError if host.startswith("data2") else socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    hosts = [f"data{number}.banyandb.eu-west-1.example.org" for number in range(1, 6)]
    with pytest.raises(HostStateError) as refused:
        firewall_table.resolved(hosts)
    text = str(refused.value)
    assert refused.value.kind == "not_resolved" and message(text) == text and len(text) <= MOST
    assert text.endswith("Add the name to DNS or /etc/hosts, or set banyandb_node_host to an address.") and hosts[0] not in text and hosts[1] in text


def test_a_host_without_nft_gets_the_next_step(monkeypatch):
    monkeypatch.setattr(nftables.shutil, "which", lambda *_arguments, **_options: None)
    with pytest.raises(HostStateError, match="Install nftables, or set banyandb_firewall: none.") as refused:
        firewall_table.state(Wanted.of({}))
    assert refused.value.kind == "no_nft"
