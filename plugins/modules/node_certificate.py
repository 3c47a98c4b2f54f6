# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin node_certificate.

from __future__ import annotations

DOCUMENTATION = r"""
module: node_certificate
short_description: "Internal: give a host its certificate"
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
  - Makes the certificate on the controller, and sends it to the host with M(skywalking.banyandb.tls_files).
  - The key of a host leaves the memory of the controller only for this host, and only when it is new.
options:
  order:
    description: The order of the host, from M(skywalking.banyandb.certificate_orders).
    type: dict
    required: true
  found:
    description: What the host holds, as RV(skywalking.banyandb.host_info#module:tls).
    type: dict
    required: true
  directory:
    description: Absolute path of the directory of the files.
    type: path
    required: true
  user:
    description: Account of the server.
    type: str
    required: true
  service:
    description: Unit of the server.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts the change. Makes no CA and no certificate.
  diff_mode:
    support: none
    description: A difference of certificates tells a person nothing.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Give the host its certificate
  skywalking.banyandb.node_certificate:
    order: "{{ __banyandb_certificates.orders[inventory_hostname] }}"
    found: "{{ __banyandb_host.tls }}"
    directory: /etc/banyandb/tls
    user: banyandb
    service: banyandb-data.service
  become: true
"""

RETURN = r"""
reasons:
  description: Why the host gets a certificate.
  type: list
  elements: str
  returned: success
  sample: [renewal_due]
files:
  description: As RV(skywalking.banyandb.tls_files#module:files).
  type: list
  elements: str
  returned: success, not in check mode
  sample: [node.crt]
served:
  description: As RV(skywalking.banyandb.tls_files#module:served).
  type: dict
  returned: success, not in check mode
  sample: {"127.0.0.1:17912": {"serial": "3f9a", "not_after": "2027-11-29T10:00:00Z"}}
"""
