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
  - Internal to the playbooks of this collection. Runs only on the controller, and changes nothing.
  - Compares the certificate of each host with its names and addresses, its remaining life and the CA.
  - Checks the files of C(banyandb_tls_source=files).
options:
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  found:
    description: Name of the variable in which each host registered the result of M(skywalking.banyandb.probe).
    type: str
    required: true
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
  returned: always
  sample: {"data1": {"action": "issue", "reasons": ["no_certificate"], "bundle": ["first"], "issuer": "first"}}
"""
