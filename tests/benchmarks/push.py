# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A topology pushed to a fleet and proved on every host, against a ping of the same hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .figures import Result, Row
from .fleet import Failed, Fleet, play, server_words

HOSTS = 24
LIAISONS = 2
RELOAD_SECONDS = 1.0
REASON = (
    "Ansible sends a module as source, and a host compiles and imports the module at each execution. A push that the module refuses before any work "
    "takes as long as a whole push (measured), so the import decides. Hosts with separate processors work in parallel; here all hosts and the "
    "controller share one machine"
)


def run(rounds: int, say: Callable[[str], None]) -> Result:
    hosts = [f"node{number}" for number in range(1, HOSTS + 1)]
    liaisons, data = hosts[:LIAISONS], hosts[LIAISONS:]
    coming = f"node{HOSTS + 1}"
    # The added and removed host has a server like the other hosts, but gets no push.
    with Fleet(HOSTS + 1) as fleet:
        fleet.forks = HOSTS
        say("deploying")
        fleet.play(fleet.inventory("whole", liaisons, [*data, coming]), "skywalking.banyandb.deploy")
        whole = fleet.nodes(liaisons, [*data, coming])
        less = [node for node in whole if node["name"] != coming]
        inventory = fleet.inventory("fleet", liaisons, data)
        ping = play("ping", {"ansible.builtin.ping": {}})
        pushes = {True: _push("push_more", whole, []), False: _push("push_less", less, [coming])}
        copies = {more: play(f"copy_{more}", {"ansible.builtin.copy": _file(nodes)}) for more, nodes in ((True, whole), (False, less))}
        for more, nodes in ((True, whole), (False, less)):
            (ping.parent / f"topology_{more}.j2").write_text(_text(nodes), encoding="utf-8")
        templates = {
            more: play(f"template_{more}", {"ansible.builtin.template": {"src": f"topology_{more}.j2", "dest": "/etc/banyandb/template.yml"}})
            for more in (True, False)
        }
        times: dict[str, list[float]] = {}
        for number in range(1, rounds + 1):
            more = number % 2 == 0
            fleet.play(inventory, ping)  # opens the SSH connections
            before = fleet.play(inventory, ping).seconds
            found = {}
            for what, playbooks in (("push", pushes), ("copy", copies), ("template", templates)):
                changed = fleet.play(inventory, playbooks[more])
                unchanged = fleet.play(inventory, playbooks[more])
                if not changed.changed or unchanged.changed:
                    raise Failed(f"round {number}: {what}: the first run should change every host and the second none:\n{changed.output}")
                found[what] = (changed.seconds, unchanged.seconds)
            base = (before + fleet.play(inventory, ping).seconds) / 2
            for what, (changed_seconds, unchanged_seconds) in found.items():
                waits = RELOAD_SECONDS if what == "push" else 0.0
                times.setdefault(f"{what} changed", []).append((changed_seconds - waits) / base)
                times.setdefault(f"{what} unchanged", []).append(unchanged_seconds / base)
            say(f"round {number}: ping {base:.1f} s, " + ", ".join(f"{what} {values[-1]:.2f} x" for what, values in times.items()))
    return Result(
        "push",
        "A topology pushed to 24 hosts, with proof",
        f"Wall time of a playbook with one task on {HOSTS} hosts ({LIAISONS} liaisons). The base is the same playbook with `ping`, before and "
        f"after. Ansible has {HOSTS} forks and its default settings (no pipelining, shared SSH connections), and all tasks use `become`. A changed "
        f"push adds or removes one node and ends when the server of every host shows the change, without the {RELOAD_SECONDS:g} s of the reload. "
        "`copy` and `template` write the same text and prove nothing.",
        [
            Row("changed push, without the reload", times["push changed"], goal=1.15, reason=REASON),
            Row("unchanged push", times["push unchanged"], goal=1.05, reason=REASON),
            Row("changed `copy`", times["copy changed"]),
            Row("unchanged `copy`", times["copy unchanged"]),
            Row("changed `template`", times["template changed"]),
            Row("unchanged `template`", times["template unchanged"]),
        ],
        server=server_words(),
    )


def _push(name: str, nodes: list[dict[str, str]], remove: list[str]) -> Any:
    prove = {"name": "{{ inventory_hostname }}", "role": "{{ 'liaison' if 'banyandb_liaison' in group_names else 'data' }}"}
    return play(name, {"skywalking.banyandb.topology": {"nodes": nodes, "remove": remove, "prove": prove}})


def _file(nodes: list[dict[str, str]]) -> dict[str, str]:
    return {"content": _text(nodes), "dest": "/etc/banyandb/copy.yml", "mode": "0644"}


def _text(nodes: list[dict[str, str]]) -> str:
    return "nodes:\n" + "".join(f"- {json.dumps(node)}\n" for node in nodes)
