# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Judge what preflight found on the hosts, and fail where a run must not go on
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Puts together what each host registered. It fails when a host was refused, when two inventory names lead to one machine, or when a host cannot
    resolve the name of a node of its cluster.
  - Two machines with the same machine-id give a warning, because clones of one image have it.
  - Runs on the controller alone.
options:
  clusters:
    description: What P(skywalking.banyandb.clusters#filter) gave.
    type: dict
    required: true
  register:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.probe) or M(skywalking.banyandb.host_info).
    type: str
    required: true
  refusal:
    description: Name of the variable in which a host keeps why it is refused.
    type: str
    required: true
  table:
    description: Print a table with a row for each host of the play and a column for each check.
    type: bool
    default: false
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.probe
  - module: skywalking.banyandb.host_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Refuse to go on while a host is not fit
  skywalking.banyandb.preflight_report:
    clusters: "{{ __banyandb_clusters }}"
    register: __banyandb_host
    refusal: __banyandb_refusal
  run_once: true
"""

RETURN = r"""
findings:
  description: Everything that is wrong. C(level) is V(warn) or V(fail), C(check) is V(host), V(machine) or V(names).
  type: list
  elements: dict
  returned: always; on failure with -v, or with a callback for programs
  sample:
    - hosts: [data1, data1b]
      check: machine
      level: fail
      message: "data1, data1b: these inventory names lead to one machine. Leave one of them in the inventory, or correct ansible_host."
lines:
  description: The table, line by line.
  type: list
  elements: str
  returned: when O(table) is true; on failure with -v, or with a callback for programs
  sample:
    - preflight  host  machine  names
    - node1      pass  pass     pass
"""
