# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; nothing runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_report
short_description: Judge the views that many hosts gave, and print who sees whom
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Puts together what each host has said of its own server, judges each cluster of the inventory, prints the table of who sees whom with
    what to do about each finding, and can write it all to a JSON file.
  - Prints the table only where a person reads the output, with the callback C(default) or one made of it. With C(oneline), C(minimal), C(json)
    and the like, the table is in the result.
  - Runs on the controller alone.
options:
  register:
    description:
      - Names of the variables in which each host registered what it was asked (the first that says anything counts), the result of
        M(skywalking.banyandb.cluster_state_info) with one endpoint named after the host, or of M(skywalking.banyandb.topology). Hosts that
        failed or could not be reached count too, and are told so when any of these tasks had that end.
    type: list
    elements: str
    required: true
  path:
    description: A file on the controller for the result as JSON.
    type: path
  failed_parts:
    description: Name of the variable in which liaisons registered the result of M(skywalking.banyandb.failed_parts_info), to be told of too.
    type: str
  accept:
    description: Fail when the verdict of a cluster is none of these.
    type: list
    elements: str
    choices: [converged, converging, unknown, drift, stuck, partitioned]
    default: [converged, converging, unknown, drift, stuck, partitioned]
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
seealso:
  - module: skywalking.banyandb.cluster_state_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Ask each server on its own host
  skywalking.banyandb.cluster_state_info:
    protocol: http
    endpoints:
      - name: "{{ inventory_hostname }}"
        address: 127.0.0.1:17913
  register: state
  ignore_unreachable: true

- name: Print who sees whom
  skywalking.banyandb.cluster_report:
    register: state
    accept: [converged]
  run_once: true
"""

RETURN = r"""
clusters:
  description: For each cluster its C(verdict), C(pairs), C(matrix) and the printed C(lines).
  type: dict
  returned: always; on failure with -v, or with a callback for programs
  sample:
    default:
      verdict: unknown
      pairs:
        - observer: data2
          subject: data2
          table: ""
          expected: a view
          seen: "refused: 127.0.0.1:17913: connection refused"
          verdict: unknown
          remedy: "Find out why data2 could not be asked (refused): its service, its host, the way to it."
      matrix: {"data1": {"data1": "registered", "data2": "registered"}, "data2": {"data1": "?", "data2": "?"}}
      lines: ["cluster default, 2 nodes: unknown"]
"""
