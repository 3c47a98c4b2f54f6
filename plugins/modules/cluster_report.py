# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin cluster_report. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_report
short_description: "Internal: judge the cluster views of all hosts and print them as a table"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Collects the cluster view of each host's server and judges each cluster of the inventory. Prints the cluster views as a table, with a remedy
    for each finding. Can write the result to a JSON file.
  - Prints the table only with the callback C(default) or a callback derived from C(default). With other callbacks, such as C(oneline),
    C(minimal) or C(json), the table is in the result.
  - Runs only on the controller.
options:
  register:
    description:
      - Names of the variables in which each host registered its result. The first variable with a result counts.
      - A result is of M(skywalking.banyandb.cluster_state_info) with one endpoint that has the host's name, or of
        M(skywalking.banyandb.topology).
      - A host that failed or was unreachable in one of these tasks is in the report as failed or unreachable.
    type: list
    elements: str
    required: true
  path:
    description: File on the controller to which the module writes the result as JSON.
    type: path
  failed_parts:
    description: Name of the variable in which liaisons registered the result of M(skywalking.banyandb.failed_parts_info). The report lists the parts.
    type: str
  certificates:
    description:
      - Whether to report when the certificates of hosts with TLS end. The module fails if fewer days than C(banyandb_certificate_least_days) are
        left, or if no TLS port of a host serves a certificate.
    type: bool
    default: false
  only:
    description: Names of the clusters to report. The default is all clusters.
    type: list
    elements: str
  open_ports:
    description: Whether the report says which ports answer every host without a password. Needs the result of the filter
      P(skywalking.banyandb.local_servers#filter) in the variable C(__banyandb_local_servers).
    type: bool
    default: false
  accept:
    description: Accepted verdicts. The module fails if a cluster has a different verdict.
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

- name: Print the cluster views
  skywalking.banyandb.cluster_report:
    register: state
    accept: [converged]
  run_once: true
"""

RETURN = r"""
clusters:
  description: Cluster name, then its C(verdict), C(pairs), C(matrix) and the printed C(lines).
  type: dict
  returned: success; on failure only with -v or with a callback for programs
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
          remedy: "Run skywalking.banyandb.deploy, which starts the server of data2."
      matrix: {"data1": {"data1": "registered", "data2": "registered"}, "data2": {"data1": "?", "data2": "?"}}
      lines: ["cluster default, 2 nodes: unknown"]
"""
