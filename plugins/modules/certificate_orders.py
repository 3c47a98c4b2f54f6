# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin certificate_orders. No code runs on a host.

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_orders
short_description: "Internal: decide which hosts get a certificate"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection. Runs only on the controller.
  - Compares the certificate of each host with its names and addresses, its remaining life and the CA.
  - Checks the files of C(banyandb_tls_source=files).
  - With O(round=0) the module changes nothing, and returns its problems without a failure.
  - With any other O(round) the module prints the certificates of each cluster, and fails with its problems. With O(rotate) the module makes
    the new CA in O(round=1), and deletes the old CA when no host trusts or uses the old CA.
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  found:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.probe).
    type: str
    required: true
  round:
    description: Round of the playbook C(certificates), 0 for C(deploy).
    type: int
    choices: [0, 1, 2, 3, 4]
    default: 0
  renew:
    description: Hosts that get a new certificate now. V(true) means all hosts.
    type: raw
    default: []
  new_key:
    description: Whether the hosts of O(renew) get a new key too.
    type: bool
    default: false
  rotate:
    description: Whether to replace the CA. V(trust) ends when every host trusts the new CA. Only the command line may set this variable.
    type: raw
    default: false
extends_documentation_fragment:
  - skywalking.banyandb.on_controller
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Decide which hosts get a certificate
  skywalking.banyandb.certificate_orders:
    clusters: "{{ __banyandb_clusters }}"
    found: __banyandb_host
  register: __banyandb_certificates
  run_once: true
"""

RETURN = r"""
orders:
  description: Host, then what the host does (C(action)), why (C(reasons)), the CAs that it trusts (C(bundle)) and the CA that signs (C(issuer)).
  type: dict
  returned: success; on failure only with -v or with a callback for programs
  sample: {"data1": {"action": "issue", "reasons": ["no_certificate"], "bundle": ["first"], "issuer": "first", "ca_changes": false}}
groups:
  description: Host, then the groups for the plays that change the host and for the next round.
  type: dict
  returned: success; on failure only with -v or with a callback for programs
  sample: {"data1": ["__banyandb_certify_0"]}
problems:
  description: Why hosts get no certificate. Each has C(hosts) and a C(message).
  type: list
  elements: dict
  returned: success; on failure only with -v or with a callback for programs
  sample: []
lines:
  description: The table, line by line.
  type: list
  elements: str
  returned: with O(round) above 0; on failure only with -v or with a callback for programs
  sample: ["certificates of cluster default"]
"""
