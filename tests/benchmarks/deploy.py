# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment that changes nothing, against a ping of the same hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .figures import Result, Row
from .fleet import Failed, Fleet, play, server_words

HOSTS = 6
MOST_EXECUTIONS = 3
REASON = (
    "two module executions on a host take as long as two pings, plus the imports of our modules. The rest is the start of Ansible with the "
    "collection, the variables of two roles (Ansible compiles their templates for each host), and one task for servers that ask DNS, which every "
    "host skips"
)
# A role without a probe: each task asks the host again.
PLAIN: list[dict[str, Any]] = [
    {"ansible.builtin.user": {"name": "plain", "system": True}},
    {"ansible.builtin.file": {"path": "/etc/plain", "state": "directory", "mode": "0755"}},
    {"ansible.builtin.file": {"path": "/var/lib/plain", "state": "directory", "mode": "0700"}},
    {"ansible.builtin.template": {"src": "plain.j2", "dest": "/etc/plain/topology.yml", "mode": "0644"}},
    {"ansible.builtin.template": {"src": "plain.j2", "dest": "/etc/plain/data.env", "mode": "0640"}},
    {"ansible.builtin.template": {"src": "unit.j2", "dest": "/etc/systemd/system/plain.service", "mode": "0644"}},
    {"ansible.builtin.systemd_service": {"name": "plain", "enabled": True, "state": "started"}},
]
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def run(rounds: int, say: Callable[[str], None]) -> Result:
    liaisons, data = ["node1", "node2"], [f"node{number}" for number in range(3, HOSTS + 1)]
    with Fleet(HOSTS) as fleet:
        inventory = fleet.inventory("deploy", liaisons, data)
        ping = play("ping", {"ansible.builtin.ping": {}})
        plain = play("plain", *PLAIN)
        (plain.parent / "plain.j2").write_text("# {{ inventory_hostname }}\n", encoding="utf-8")
        (plain.parent / "unit.j2").write_text(UNIT, encoding="utf-8")
        deploy = "skywalking.banyandb.deploy"
        say("deploying")
        for playbook in (deploy, plain):
            fleet.play(inventory, playbook)
        counted = {playbook: fleet.play(inventory, playbook, "-vvv") for playbook in (deploy, plain)}
        executions = {playbook: found.executions / HOSTS for playbook, found in counted.items()}
        if not 0 < executions[deploy] <= MOST_EXECUTIONS:
            raise Failed(f"a deployment without changes executed {executions[deploy]:g} modules a host, at most {MOST_EXECUTIONS} are right")
        if any(found.changed for found in counted.values()):
            raise Failed("the second run of deploy, or of the plain role, changed something")
        ours, theirs = [], []
        for number in range(1, rounds + 1):
            fleet.play(inventory, ping)  # opens the SSH connections
            before = fleet.play(inventory, ping).seconds
            seconds = [fleet.play(inventory, playbook).seconds for playbook in (deploy, plain)]
            base = (before + fleet.play(inventory, ping).seconds) / 2
            ours.append(seconds[0] / base)
            theirs.append(seconds[1] / base)
            say(f"round {number}: ping {base:.1f} s, deploy {ours[-1]:.2f} x, plain role {theirs[-1]:.2f} x")
    return Result(
        "deploy",
        "A deployment that changes nothing",
        f"Wall time of `ansible-playbook` from start to end on {HOSTS} hosts (2 liaisons, {HOSTS - 2} data nodes). The base is a playbook with only "
        "the task `ping`, on the same hosts before and after. Ansible has its default settings (5 forks, no pipelining, shared SSH connections), and "
        "all tasks use `become`. The plain role has user, file x2, template x3 and service.",
        [
            Row("`deploy`, wall time", ours, goal=2.5, reason=REASON),
            Row("`deploy`, module executions on each host", [executions[deploy]], "", goal=MOST_EXECUTIONS),
            Row("plain role, wall time", theirs),
            Row("plain role, module executions on each host", [executions[plain]], ""),
        ],
        server=server_words(),
    )
