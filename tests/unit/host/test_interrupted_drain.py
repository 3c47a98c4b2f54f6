# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of an interrupted drain are found, with the time that is left. The tests use a real nft in a separate network."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import interrupted_drain, nftables
from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

SCENE = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import interrupted_drain, nftables, peer_cut, port_drain
from ansible_collections.skywalking.banyandb.plugins.modules.liaison_drain import act
seen = {}
def look(): return [interrupted_drain.blocked(["liaison1", "liaison2", "data1"], "liaison1"), interrupted_drain.left()]
seen["nothing"] = look()
nftables.apply(peer_cut._TABLE.format(table=peer_cut.table_of("liaison2"), priority=0, exempt="0"))
nftables.apply("add table inet banyandb_firewall")
seen["a cut without a lease"] = look()
nftables.apply(peer_cut._added(peer_cut.table_of("liaison2"), "cut4", ["192.0.2.2 . 18912"], 300))
port_drain.close([17912, 18912], 100, user="daemon")
found, tables = look()
seen["both"] = [{name: seconds - 300 if name == "liaison2" else seconds - 100 for name, seconds in found.items()}, tables]
seen["checked"] = act({"state": "checked", "service": None, "lease": 120.0, "hold": 0.0, "user": None}, False)["left"]
child = os.fork()
if child == 0:
    os.setuid(pwd.getpwnam("nobody").pw_uid)
    os._exit(0 if interrupted_drain.blocked(["liaison2"]) == {} else 1)
seen["another account"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
port_drain.close([17912], 1)
while port_drain.closed(): time.sleep(0.05)
seen["drain over"] = sorted(look()[0])
peer_cut.join("liaison2")
port_drain.reopen()
seen["reopened"] = look()
print(json.dumps(seen))
"""
DRAIN = "inet banyandb_drain"


def test_a_drain_and_a_cut_are_found_with_the_seconds_that_are_left():
    seen = played(SCENE)
    (seconds, tables) = seen.pop("both")
    assert sorted(seconds) == ["liaison1", "liaison2"] and all(-5 <= each <= 1 for each in seconds.values())
    cut = next(table for table in tables if table != DRAIN)
    assert cut.startswith("inet banyandb_cut_") and sorted(tables) == [cut, DRAIN]
    assert seen == {
        "nothing": [{}, []],
        "a cut without a lease": [{}, [cut]],
        "checked": tables,
        "another account": 0,
        "drain over": ["liaison2"],
        "reopened": [{}, []],
    }


def test_a_host_without_nft_tells_nothing(monkeypatch):
    monkeypatch.setattr(nftables.shutil, "which", lambda *_arguments, **_options: None)
    assert interrupted_drain.blocked(["liaison2"], "liaison1") == {}
