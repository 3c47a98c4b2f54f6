# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the firewall of a host, and what host_info says before, with a real nft (see test_firewall_table.py)."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.tests.unit.host.test_firewall_table import SCENE
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

CHANGES = (
    SCENE
    + r"""
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_options
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology
TOPOLOGY = pathlib.Path("/run/topology.yml")
PORTS = (22, 17912, 18912)
def options(*members, leaving=(), networks=()):
    addresses = [[address(member, version) for member in chosen for version in (4, 6)] for chosen in (members, leaving)]
    return {"ports": [["grpc", 17912, "", ["members", "clients"]], ["internal", 18912, "", ["members"]]],
        "networks": {"clients": [address("client", 4), address("client", 6)], "members": ["192.0.2.1", "2001:db8::1", *networks]},
        "service": "server.service",
        "members": addresses[0], "leaving": [*addresses[1], "no.such.name.invalid"], "topology": str(TOPOLOGY), "paths": []}
def look(*members, **more):
    return firewall_options.look(options(*members, **more), FILE)
def act(*members, complete=False, first=True, check=False, **more):
    predicted = firewall_options.act(options(*members, **more), complete, first, True, FILE)
    found = predicted if check else firewall_options.act(options(*members, **more), complete, first, False, FILE)
    assert predicted["changed"] == found["changed"] and predicted["narrows"] == found["narrows"] and predicted["diff"] == found["diff"]
    return [found["changed"], found["narrows"]]
seen["look before"] = look("member")
seen["check"] = [act("member", check=True), reached(["outsider"], PORTS)]
# Without a preflight, no run loads the first firewall of a host.
seen["no preflight"] = [act("member", first=False), reached(["outsider"], PORTS)]
seen["warned"] = firewall_options.act(options("member"), False, False, False, FILE)["warnings"]
# The first firewall of a host: the nodes of its topology.yml stay until the change is complete.
TOPOLOGY.write_text(Topology((Node("m", "192.0.2.6:17912"),)).render())
seen["first"] = act("member")
seen["first reached"] = [each for each in ("member", "new member", "outsider") if attempts([[address(each, 4), 18912, 0.5, False]])[0]]
# In check mode, the run has not pushed the topology yet.
seen["complete check"] = firewall_options.act(options("member"), True, False, True, FILE)["changed"]
# A node that the server still lists stays, such as a node whose new address does not respond.
seen["still listed"] = firewall_options.act(options("member"), True, False, False, FILE)["changed"]
TOPOLOGY.write_text(Topology((Node("m", address("member", 4) + ":17912"),)).render())
seen["first complete"] = act("member", complete=True)
seen["complete reached"] = reached(["member", "new member", "client", "outsider"], PORTS)
seen["again"] = [look("member")["first"], look("member")["differs"], act("member", first=False), act("member", complete=True)]
TOPOLOGY.unlink()
# The inventory has another port than the running server: the port of the process stays protected until a restart.
moved = {"BYDB_GRPC_PORT": "27912", "BYDB_HTTP_PORT": "27913"}
with subprocess.Popen([sys.executable, "-c", "input()", "liaison"], stdin=subprocess.PIPE, env=moved, stderr=subprocess.DEVNULL) as server:
    pathlib.Path("/run/pid-server.service").write_text(str(server.pid))
    for port in (27912, 27913):
        listen(port)
    before = reached(["outsider"], (27912, 27913, 18913))
    seen["pending"] = [before, act("member"), act("member", complete=True), reached(["member", "client", "outsider"], (27912, 27913, 18913))]
    seen["pending again"] = [look("member")["differs"], act("member"), act("member", complete=True)]
pathlib.Path("/run/pid-server.service").unlink()
seen["restarted"] = [act("member", complete=True), look("member")["differs"]]
# A new member.
seen["new member differs"] = look("member", "new member")["differs"]
seen["new member"] = act("member", "new member")
# A member leaves.
seen["leaving"] = act("member", leaving=["new member"])
seen["leaving reached"] = reached(["new member"], PORTS)
seen["left"] = act("member", leaving=["new member"], complete=True)
seen["left reached"] = reached(["new member"], PORTS)
# Another network of members, and an address of this host that no rule accepts.
seen["unlisted"] = firewall_options.look({**options("member"), "networks": {"members": ["192.0.2.0/24"]}}, FILE)["unlisted"]
# Another program.
nft("add table inet other"); nft("add chain inet other input { type filter hook input priority 0; policy accept; }")
nft("add rule inet other input tcp dport 18912 drop")
seen["blocked"] = look("member")["blocked"]
nft("delete table inet other")
# A name without an address.
seen["unknown name"] = firewall_options.look({**options("member"), "members": ["no.such.name.invalid"]}, FILE)["problems"]
# Off again.
off = {"ports": []}
seen["off"] = [firewall_options.act(off, True, False, check, FILE)["changed"] for check in (True, False, False)]
seen["off reached"] = reached(["outsider"], PORTS)
print(json.dumps(seen))
"""
)


def test_a_change_of_the_cluster_opens_before_it_closes():
    clean = {"problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": True}
    assert played(CHANGES) == {
        "look before": {**clean, "differs": True},
        "check": [[True, False], {"outsider": [22, 17912, 18912]}],
        "no preflight": [[False, False], {"outsider": [22, 17912, 18912]}],
        "warned": ["banyandb_firewall is nftables, but a host has no firewall yet, so its ports are open. Run deploy."],
        "first": [True, True],
        "first reached": ["member", "new member"],
        "complete check": True,
        "still listed": False,
        "first complete": [True, False],
        "complete reached": {"member": [22, 17912, 18912], "new member": [22], "client": [22, 17912], "outsider": [22]},
        "again": [False, False, [False, False], [False, False]],
        "pending": [
            {"outsider": [27912, 27913, 18913]},
            [True, True],
            [False, True],
            {"member": [27912], "client": [27912, 27913], "outsider": []},
        ],
        "pending again": [True, [False, True], [False, True]],
        "restarted": [[True, False], False],
        "new member differs": True,
        "new member": [True, False],
        "leaving": [False, True],
        "leaving reached": {"new member": [22, 17912, 18912]},
        "left": [True, False],
        "left reached": {"new member": [22]},
        "unlisted": ["2001:db8::1"],
        "blocked": [
            "chain inet other input drops connections to port 18912. Run: nft insert rule inet other input tcp dport '{ 18912 }' accept",
        ],
        "unknown name": [
            "cannot resolve no.such.name.invalid, so the firewall stays unchanged. Add the name to DNS or /etc/hosts, "
            "or set banyandb_node_host to an address."
        ],
        "off": [True, True, False],
        "off reached": {"outsider": [22, 17912, 18912]},
    }
