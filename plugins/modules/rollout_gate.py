# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin rollout_gate. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_gate
short_description: "Internal: judge whether the next wave may start"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Collects the results of M(skywalking.banyandb.cluster_watch) of all watchers, the failed and unreachable hosts of the play, and the failures on
    the hosts of the wave. Decides whether the gate is open. Judges all hosts of the play, including failed and unreachable hosts.
  - Does not fail if the gate is closed, so the playbook can roll back the wave. See RV(open).
  - Runs only on the controller.
options:
  title:
    description: Name of the gate in the printed lines.
    type: str
    required: true
  register:
    description: Name of the variable in which each watcher registered the result of M(skywalking.banyandb.cluster_watch).
    type: str
    required: true
  failure:
    description: Name of the variable with the failure of a host's change. The value is a mapping with C(reason) and C(log).
    type: str
    required: true
  keep_first:
    description:
      - Whether to leave the first finding out of the printed lines.
      - P(skywalking.banyandb.wave_summary#filter) puts the first finding into the last message of the run, so the run prints the finding once.
    type: bool
    default: true
  watchers:
    description: Hosts that ran M(skywalking.banyandb.cluster_watch).
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.cluster_watch
  - module: skywalking.banyandb.rollout_plan
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Judge
  skywalking.banyandb.rollout_gate:
    title: after wave 1
    register: __banyandb_watch_result
    failure: __banyandb_wave_failure
    watchers: "{{ groups.banyandb_liaison }}"
  register: __banyandb_gate_result
  run_once: true

- name: Stop
  ansible.builtin.fail:
    msg: "{{ __banyandb_gate_result | skywalking.banyandb.wave_summary(__banyandb_wave) }}"
  when: not __banyandb_gate_result.open
  run_once: true
"""

RETURN = r"""
open:
  description: Whether the next wave may start.
  type: bool
  returned: always
reasons:
  description: Why the gate is closed. Each sentence names the observer and the subject.
  type: list
  elements: str
  returned: always
  sample: ["liaison1 shows data1 as evictable in tire2 (expected active). Refresh data1 on liaison1: it answers, yet that liaison does not use it."]
failures:
  description: Host name, then the failure of the host's change.
  type: dict
  returned: always
  sample: {"data1": {"reason": "banyandb-data did not start: it exited with status 1", "log": "journalctl -u banyandb-data"}}
revisions:
  description: Schema revisions of the nodes, for the next gate. Empty if this gate is closed.
  type: list
  elements: int
  returned: always
lines:
  description: The printed lines.
  type: list
  elements: str
  returned: always
"""
