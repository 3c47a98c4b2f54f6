# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that must stay loaded without a break, with a real nft in a separate network, and another program that flushes all rules."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.tests.unit.host.two_networks import played

SCENE = """
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import kept_table, nftables
TABLE = "inet banyandb_drain"
SCRIPT = f"add table {TABLE}\\nadd set {TABLE} closed {{ type inet_service; flags timeout; }}\\n" \\
    f"flush set {TABLE} closed\\nadd element {TABLE} closed {{ 17912 timeout 60s }}\\n"
seen = {"no table": nftables.handle(TABLE)}
nftables.apply("add table ip banyandb_drain")
seen["another family"] = nftables.handle(TABLE)
def held(seconds, renew=60.0):
    began = time.monotonic(); restored = kept_table.hold(TABLE, SCRIPT, seconds, renew); return restored, time.monotonic() - began
restored, took = held(0); seen["without a time"] = [restored, took < 0.5, nftables.elements(TABLE, "closed")]
handle = nftables.handle(TABLE)
restored, took = held(1.2, 0.1); seen["undisturbed"] = [restored, 1.2 <= took < 2.0, nftables.handle(TABLE) == handle]
flushed = []
def flushing(times, pause):
    for _number in range(times):
        while nftables.handle(TABLE) is None: time.sleep(0.01)
        time.sleep(pause); flushed.append(time.monotonic()); nftables.apply("flush ruleset")
for renew in (60.0, 0.05):
    flushed.clear()
    other = threading.Thread(target=flushing, args=(2, 0.3)); other.start()
    restored, took = held(1.0, renew); ended = time.monotonic(); other.join()
    seen[f"flushed twice, renewed every {renew} s"] = [restored >= 2, ended - flushed[-1] >= 1.0, nftables.elements(TABLE, "closed")]
    nftables.remove(TABLE)
other = threading.Thread(target=flushing, args=(kept_table.FLUSHES + 1, 0.1)); other.start()
try: held(1.0)
except HostStateError as error: seen["flushed again and again"] = [error.kind, str(error)]
other.join()
print(json.dumps(seen))
"""


def test_the_time_starts_again_after_a_flush():
    seen = played(SCENE)
    kind, text = seen.pop("flushed again and again")
    assert kind == "flushed" and text == (
        "inet banyandb_drain: another program removed this table 6 times. Stop the program that runs nft flush ruleset."
    )
    assert seen == {
        "no table": None,
        "another family": None,
        "without a time": [0, True, ["17912"]],
        "undisturbed": [0, True, True],
        "flushed twice, renewed every 60.0 s": [True, True, ["17912"]],
        "flushed twice, renewed every 0.05 s": [True, True, ["17912"]],
    }
