# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the time that a gate adds to a wave, and the time of a change of one host until 24 hosts have proved the change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT

from .figures import Result, Row
from .fleet import WORK, Failed, Fleet, Run, play, server_words

SMALL = 5
LARGE = 24
LIAISONS = ("node1", "node2")
SOAK = 10
# The same waves without gates, only for the comparison.
UNGATED = """\
- name: "Wave {{ __banyandb_wave.number }}"
  ansible.builtin.include_tasks: %s/tasks/change.yml
  when: inventory_hostname in __banyandb_wave.hosts
"""


def ungated() -> Path:
    """The playbook ``restart`` with its waves, and no gate."""
    playbooks = ROOT / "playbooks"
    text = (playbooks / "restart.yml").read_text(encoding="utf-8")
    text = text.replace("import_tasks: tasks/", f"import_tasks: {playbooks}/tasks/")
    text = text.replace("include_tasks: tasks/wave.yml", f"include_tasks: {WORK}/wave.yml")
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "wave.yml").write_text(UNGATED % playbooks, encoding="utf-8")
    path = WORK / "restart_ungated.yml"
    path.write_text(text, encoding="utf-8")
    return path


def run(rounds: int, say: Callable[[str], None]) -> Result:
    with Fleet(LARGE) as fleet:
        names = [f"node{number}" for number in range(1, LARGE + 1)]
        small = fleet.inventory("small", LIAISONS, names[2:SMALL], banyandb_soak=SOAK, banyandb_liaison_drain="none")
        say(f"deploying {SMALL}")
        fleet.play(small, "skywalking.banyandb.deploy")
        playbook = ungated()
        restarted = ["-e", json.dumps({"banyandb_restart": names[2:SMALL]})]
        gates, whole = [], []
        for number in range(1, rounds + 1):
            bare = fleet.play(small, playbook, *restarted).seconds
            quick = fleet.play(small, "skywalking.banyandb.restart", *restarted, "-e", "banyandb_soak=0").seconds
            gated = fleet.play(small, "skywalking.banyandb.restart", *restarted).seconds
            waves = SMALL - len(LIAISONS)
            gates.append(quick / bare)
            whole.append((gated - quick) / waves / SOAK)
            say(f"round {number}: without gates {bare:.1f} s, with {quick:.1f} s, with a soak time {gated:.1f} s")
        large = fleet.inventory("large", LIAISONS, names[2:], banyandb_soak=SOAK, banyandb_liaison_drain="none")
        say(f"deploying {LARGE}")
        fleet.play(large, "skywalking.banyandb.deploy")
        proofs = []
        ping_all = play("ping", {"ansible.builtin.ping": {}})
        for number in range(1, rounds + 1):
            ping = fleet.play(large, ping_all).seconds
            change = labelled(large, names[2], str(number))
            found: Run = fleet.play(change, "skywalking.banyandb.relabel")
            if not found.changed:
                raise Failed("a new label changed nothing")
            proofs.append((found.seconds - SOAK) / ping)
            say(f"round {number}: ping {ping:.1f} s, a label of one node until {LARGE} hosts have proved it {found.seconds:.1f} s")
    return Result(
        "rollout",
        "Rolling changes",
        f"The playbook `restart` over {SMALL - len(LIAISONS)} data nodes of a cluster with {len(LIAISONS)} liaisons, one wave for each node. The "
        f"base is the same waves without gates. A second run has a soak time of {SOAK} s. `relabel` of one of {LARGE} hosts: from its start until "
        "every host has proved the new label, without the soak time. The base is a playbook with only the task `ping` on these hosts.",
        [
            Row("`restart` with gates (no soak time), against no gates", gates),
            Row("time that a soak time adds to each wave, against that soak time", whole),
            Row(f"`relabel` of one of {LARGE} hosts, against `ping`", proofs),
        ],
        server=server_words(),
    )


def labelled(inventory: Path, host: str, value: str) -> Path:
    """The same inventory, with a label for one host."""
    folder = inventory / "host_vars"
    folder.mkdir(exist_ok=True)
    (folder / f"{host}.yml").write_text(json.dumps({"banyandb_node_labels": {"round": value}}), encoding="utf-8")
    return inventory
