# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare runs without changes and the addition of one host with a ping, on 6 and on 30 hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .figures import Result, Row
from .fleet import Failed, Fleet, play, server_words

SIZES = (6, 30)
LIAISONS = 2
FORKS = 20
PLAYBOOKS = ("deploy", "status", "topology")
MOST = 2.5
REASON = "each skipped task and each variable of a host takes processor time on the controller. Hosts with separate processors would share the rest"


def run(rounds: int, say: Callable[[str], None]) -> Result:
    times: dict[tuple[int, str], list[float]] = {}
    added: dict[int, list[float]] = {size: [] for size in SIZES}
    for size in SIZES:
        hosts = [f"node{number}" for number in range(1, size + 1)]
        liaisons, data = hosts[:LIAISONS], hosts[LIAISONS:]
        with Fleet(size) as fleet:
            fleet.forks = FORKS
            inventory = fleet.inventory(f"growth{size}", liaisons, data)
            fewer = fleet.inventory(f"growth{size}less", liaisons, data[:-1])
            ping = play("ping", {"ansible.builtin.ping": {}})
            say(f"{size} hosts: deploying")
            fleet.play(inventory, "skywalking.banyandb.deploy")
            for number in range(1, rounds + 1):
                fleet.play(inventory, ping)  # opens the SSH connections that all runs use
                before = fleet.play(inventory, ping).seconds
                seconds = {name: _unchanged(fleet, inventory, name) for name in PLAYBOOKS}
                base = (before + fleet.play(inventory, ping).seconds) / 2
                for name, value in seconds.items():
                    times.setdefault((size, name), []).append(value / base)
                _take_out(fleet, inventory, fewer, data[-1])
                began = time.monotonic()
                fleet.play(inventory, "skywalking.banyandb.deploy")
                added[size].append((time.monotonic() - began) / seconds["deploy"])
                say(
                    f"{size} hosts, round {number}: ping {base:.1f} s, "
                    + ", ".join(f"{name} {times[size, name][-1]:.2f} x" for name in PLAYBOOKS)
                    + f", one host added {added[size][-1]:.2f} x of deploy"
                )
    rows = [Row(f"`{name}` without changes, {size} hosts", times[size, name], goal=MOST, reason=REASON) for name in PLAYBOOKS for size in SIZES]
    # On few hosts, most of this time is the wait of the run until the new data node has the schema.
    rows += [
        Row(
            f"`deploy` that adds one of {size} hosts, against one without changes",
            added[size],
            goal=MOST if size == SIZES[-1] else None,
            reason=REASON,
        )
        for size in SIZES
    ]
    return Result(
        "growth",
        "Growth with the number of hosts",
        f"Wall time of `ansible-playbook` from start to end ({LIAISONS} liaisons, {FORKS} forks, other settings of Ansible at their defaults). The "
        "base is a playbook with only the task `ping`, on the same hosts before and after. All hosts and the controller share the processors of one "
        "machine.",
        rows,
        server=server_words(),
    )


def _unchanged(fleet: Fleet, inventory: Path, name: str) -> float:
    """Seconds of a run that changes nothing. Raises Failed when the run changes something."""
    done = fleet.play(inventory, f"skywalking.banyandb.{name}")
    if done.changed:
        raise Failed(f"{name} changed something on hosts where nothing was to be changed:\n{done.output}")
    return done.seconds


def _take_out(fleet: Fleet, inventory: Path, fewer: Path, host: str) -> None:
    """Make ``host`` new to the cluster: no server lists it, and its server is stopped and has no files of the collection."""
    fleet.play(fewer, "skywalking.banyandb.topology", "-e", f'{{"banyandb_remove": ["{host}"]}}')
    kept = "/etc/systemd/system/banyandb-data.service /etc/banyandb /var/lib/banyandb"
    fleet.everywhere([host], f"systemctl disable --quiet --now banyandb-data && rm -rf {kept} && systemctl daemon-reload")
