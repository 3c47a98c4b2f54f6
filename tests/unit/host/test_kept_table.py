# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table that must stay loaded without a break, with a real nft in a separate network, and another program that flushes all rules."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import kept_table
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
    ends = time.monotonic() + 20
    for _number in range(times):
        while nftables.handle(TABLE) is None and time.monotonic() < ends: time.sleep(0.01)
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


class Kernel:
    """A kernel with one table and a clock. Another program flushes all rules at each time of ``flushes``, in seconds."""

    def __init__(self, monkeypatch, *flushes: float) -> None:
        self.now, self.flushes = 100.0, [100.0 + each for each in flushes]
        self.table: int | None = None
        self.last = 0
        self.loads: list[float] = []
        for target, name, fake in (
            (kept_table.nftables, "apply", self.apply),
            (kept_table.nftables, "handle", self.handle),
            (kept_table.time, "monotonic", lambda: self.now),
            (kept_table.time, "sleep", self.pass_by),
        ):
            monkeypatch.setattr(target, name, fake)

    def pass_by(self, seconds: float) -> None:
        ends = self.now + seconds
        while self.flushes and self.flushes[0] <= ends:
            self.now, self.table = self.flushes.pop(0), None
        self.now = ends

    def apply(self, _script: str) -> None:
        self.loads.append(round(self.now - 100.0, 2))
        if self.table is None:
            self.last += 1
            self.table = self.last
        self.pass_by(0.01)

    def handle(self, _table: str) -> int | None:
        self.pass_by(0.01)
        return self.table


def test_a_flush_is_repaired_within_half_a_second(monkeypatch):
    kernel = Kernel(monkeypatch, 1.0)
    assert kept_table.hold("inet a", "", 7.0, 60.0) == 1
    first, repaired, last = kernel.loads
    assert first == 0.0 and 1.0 < repaired <= 1.55 and last >= repaired + 7.0


def test_a_flush_right_after_a_load_is_repaired_too(monkeypatch):
    kernel = Kernel(monkeypatch, 0.005)
    assert kept_table.hold("inet a", "", 7.0, 60.0) == 1
    assert kernel.loads[1] <= 0.1 and kernel.loads[-1] >= kernel.loads[1] + 7.0


def test_a_table_that_is_missing_after_two_loads_is_not_unchanged(monkeypatch):
    kernel = Kernel(monkeypatch, 0.005, 0.025)
    assert kept_table.hold("inet a", "", 0.01, 60.0) == 2
    assert kernel.table is not None


@pytest.mark.parametrize("renew", [60.0, 0.5])
def test_a_flush_just_before_the_end_costs_the_whole_time_again(monkeypatch, renew):
    kernel = Kernel(monkeypatch, 6.99)
    assert kept_table.hold("inet a", "", 7.0, renew) == 1
    assert kernel.now - 100.0 >= 6.99 + 7.0 and kernel.table is not None


def test_the_table_is_renewed_as_often_as_asked(monkeypatch):
    kernel = Kernel(monkeypatch)
    assert kept_table.hold("inet a", "", 7.0, 3.0) == 0
    assert kernel.loads == [0.0, pytest.approx(3.0, abs=0.1), pytest.approx(6.0, abs=0.2), pytest.approx(7.0, abs=0.1)]


def test_a_program_that_flushes_all_the_time_is_an_error(monkeypatch):
    Kernel(monkeypatch, *(number * 0.3 for number in range(1, 99)))
    with pytest.raises(HostStateError, match="another program removed this table 6 times") as refused:
        kept_table.hold("inet a", "", 7.0, 60.0)
    assert refused.value.kind == "flushed"
