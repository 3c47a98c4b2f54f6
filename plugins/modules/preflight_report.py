# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin preflight_report. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: "Internal: judge the preflight results of all hosts"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Collects the result of each host. Fails if a host was refused, or if two inventory names lead to one machine. Also fails if a host cannot resolve
    the name of a node of its cluster.
  - Fails if the limits of a rollout, such as C(banyandb_waves), are wrong, or not the same for all hosts of a cluster.
  - Warns if two machines have the same machine-id, because clones of one image have the same machine-id.
  - Warns about variables C(banyandb_*) that no role has, and about groups with nearly the name of a group of this collection.
  - Runs only on the controller.
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  register:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.probe) or M(skywalking.banyandb.host_info).
    type: str
    required: true
  refusal:
    description: Name of the variable with the result of the task that refused the host.
    type: str
    required: true
  certificates:
    description: Name of the variable with the result of M(skywalking.banyandb.certificate_orders). The report has its problems.
    type: str
  table:
    description: Whether to print a table with a row for each host of the play and a column for each check.
    type: bool
    default: false
  changes_tls:
    description:
      - Whether the playbook can change C(banyandb_tls) of servers that were already configured. If not, such a change fails.
      - The run must reach every host of the cluster. If a server runs, the cluster also needs C(banyandb_allow_downtime=true).
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
- name: Stop if a host fails a preflight check
  skywalking.banyandb.preflight_report:
    clusters: "{{ __banyandb_clusters }}"
    register: __banyandb_host
    refusal: __banyandb_refusal
  run_once: true
"""

RETURN = r"""
findings:
  description: All problems. C(level) is V(warn) or V(fail). C(check) is V(host), V(variables), V(machine) or V(names).
  type: list
  elements: dict
  returned: success; on failure only with -v or with a callback for programs
  sample:
    - hosts: [data1, data1b]
      check: machine
      level: fail
      message: "data1, data1b: these inventory names lead to one machine. Leave one of them in the inventory, or correct ansible_host."
lines:
  description: The table, line by line.
  type: list
  elements: str
  returned: with O(table=true); on failure only with -v or with a callback for programs
  sample:
    - preflight  host  variables  machine  names
    - node1      pass  pass       pass     pass
"""
