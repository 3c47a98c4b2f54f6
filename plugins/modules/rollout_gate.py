# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_gate
short_description: Judge whether the next wave may begin
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Puts together what each watcher registered of M(skywalking.banyandb.cluster_watch), which hosts of the play failed or could not be reached, and
    what went wrong on the hosts of the wave, and says whether the gate is open. It judges all hosts of the play, and not only those that are left.
  - It does not fail when the gate is closed, so that the wave can be put back; see RV(open).
  - Runs on the controller alone.
options:
  title:
    description: Which gate it is, for what is printed.
    type: str
    required: true
  register:
    description: Name of the variable in which each watcher registered its watch.
    type: str
    required: true
  failure:
    description: Name of the variable that holds the failure on each host whose change failed, as a mapping with C(reason) and C(log).
    type: str
    required: true
  keep_first:
    description:
      - Leave the first finding out of what is printed.
      - P(skywalking.banyandb.wave_summary#filter) ends the run with the first finding, so that the finding is printed once.
    type: bool
    default: true
  watchers:
    description: Hosts that watched.
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
  description: Whether the next wave may begin.
  type: bool
  returned: always
reasons:
  description: Why not, in sentences that name who does not see whom.
  type: list
  elements: str
  returned: always
  sample: ["liaison1 shows data1 as evictable in tire2 (expected active). Refresh data1 on liaison1: it answers, yet that liaison does not use it."]
failures:
  description: The failures that the hosts noted, by host.
  type: dict
  returned: always
  sample: {"data1": {"reason": "banyandb-data did not start: it exited with status 1", "log": "journalctl -u banyandb-data"}}
revisions:
  description: Schema revisions at which the nodes stand, for the next gate. Empty when this one is closed.
  type: list
  elements: int
  returned: always
lines:
  description: The judgement as it was printed.
  type: list
  elements: str
  returned: always
"""
