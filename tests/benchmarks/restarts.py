# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count lost points and slow answers for each way to restart servers, while tests/load writes and queries."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

from .figures import PAGE, Result, cells, place
from .fleet import WORK, Failed, Fleet, server_words

NAME = "restarts"
LIAISONS = ("node1", "node2")
DATA = ("node3", "node4", "node5")
READY_SECONDS, END_SECONDS = 120, 180
SERVERS = ("real", "simulator")
COLUMNS = ("server", "what was done", "times", "acknowledged", "missing", "slowest acknowledgement", "failed queries", "most missing in an answer")

Way = Callable[[Fleet, Path], None]


def nothing(_fleet: Fleet, _inventory: Path) -> None:
    time.sleep(30)


def restart(hosts: Sequence[str], **variables: str) -> Way:
    """The collection's playbook."""
    extra = json.dumps({"banyandb_restart": list(hosts), **variables})

    def done(fleet: Fleet, inventory: Path) -> None:
        fleet.play(inventory, "skywalking.banyandb.restart", "-e", extra)

    return done


def systemctl(hosts: Sequence[str], unit: str) -> Way:
    """One host after the other, as a play with ``serial: 1`` does it."""

    def done(fleet: Fleet, _inventory: Path) -> None:
        for host in hosts:
            fleet.everywhere([host], f"systemctl restart {unit}")

    return done


WAYS: Mapping[str, Way] = {
    "nothing, for 30 s": nothing,
    "`restart` of three data nodes": restart(DATA),
    "`restart` of two liaisons": restart(LIAISONS),
    "`restart` of two liaisons, `banyandb_liaison_drain: none`": restart(LIAISONS, banyandb_liaison_drain="none"),
    "`systemctl restart` of three data nodes, one by one": systemctl(DATA, "banyandb-data"),
    "`systemctl restart` of two liaisons, one by one": systemctl(LIAISONS, "banyandb-liaison"),
}


def run(rounds: int, say: Callable[[str], None]) -> Result:
    server = "real" if server_words().startswith("the real") else "simulator"
    seen: dict[str, list[Mapping[str, Any]]] = {way: [] for way in WAYS}
    with Fleet(len(LIAISONS) + len(DATA)) as fleet:
        inventory = fleet.inventory("restarts", LIAISONS, DATA, banyandb_soak=2)
        say("deploying")
        fleet.play(inventory, "skywalking.banyandb.deploy")
        for number in range(1, rounds + 1):
            for way, do in WAYS.items():
                # Repair the faults of the restart before.
                fleet.play(inventory, "skywalking.banyandb.heal")
                seen[way].append(figures(fleet, lambda do=do: do(fleet, inventory)))
                say(f"round {number}: {way}: {seen[way][-1]['missing']} of {seen[way][-1]['acknowledged']} missing")
    _, before, _ = place(PAGE.read_text(encoding="utf-8"), NAME)
    others = [line for line in cells(before) if line[0] in SERVERS and line[0] != server]
    return Result(
        NAME,
        "Restarts under load",
        f"A cluster of {len(LIAISONS)} liaisons and {len(DATA)} data nodes (1 replica), with `banyandb_soak: 2`. The load client `tests/load` "
        "writes 100 points a second through both liaisons, and queries four times a second. It counts from before the restarts until it has "
        "searched for all points. A missing point was acknowledged, and no later query finds it. Queries ask for points that are at least 7 s old.",
        columns=COLUMNS,
        lines=sorted([*others, *([server, way, *summed(found)] for way, found in seen.items())], key=lambda line: line[0]),
    )


def figures(fleet: Fleet, change: Callable[[], None]) -> Mapping[str, Any]:
    """What the load client counts while something is done. Raises Failed."""
    ready, done, out = (WORK / f"load.{name}" for name in ("ready", "done", "json"))
    for path in (ready, done, out):
        path.unlink(missing_ok=True)
    liaisons = [f"--liaison={fleet.addresses[host]}:17912" for host in LIAISONS]
    command = [sys.executable, "-m", "tests.load", *liaisons, "--ready", str(ready), "--until", str(done), "--out", str(out)]
    client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        ends = time.monotonic() + READY_SECONDS
        while not ready.exists():
            if client.poll() is not None or time.monotonic() > ends:
                raise Failed(f"the load did not begin: {client.communicate()[0] if client.poll() is not None else 'not ready'}")
            time.sleep(0.1)
        change()
        done.touch()
        said, _ = client.communicate(timeout=END_SECONDS)
    finally:
        client.kill()
    if client.returncode:
        raise Failed(f"the load client ended with {client.returncode}: {said}")
    counted: Mapping[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return counted


def summed(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The cells of one way: sums of all rounds, and the worst of them."""
    missing = sum(each["missing"] for each in found)
    return [
        str(len(found)),
        str(sum(each["acknowledged"] for each in found)),
        f"**{missing}**" if missing else "0",
        f"{max(each['slowest_acknowledgement'] for each in found):.1f} s",
        str(sum(each["failed_queries"] for each in found)),
        f"{max(each['largest_missed_share'] for each in found):.0%}",
    ]
