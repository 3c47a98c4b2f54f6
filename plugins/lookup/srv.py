# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: srv
author: The skywalking.banyandb contributors (@skywalking-banyandb)
short_description: Query DNS for SRV records and the addresses of their targets
version_added: 0.9.0
description:
  - Queries DNS in parallel for the SRV records (RFC 2782) of all names, and for the addresses of their targets.
  - Fails if DNS cannot resolve a name. The error has the outcome of the query. The lookup never returns an empty list instead of an error.
  - A name is absolute with and without a trailing dot.
options:
  _terms:
    description: Names to query, such as C(_grpc._tcp.example.org).
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - skywalking.banyandb.srv
seealso:
  - module: skywalking.banyandb.srv_info
"""

EXAMPLES = r"""
- name: Show the data nodes in DNS
  ansible.builtin.debug:
    msg: "{{ item.target }} port {{ item.port }} at {{ item.addresses | join(', ') }}"
  loop: "{{ query('skywalking.banyandb.srv', '_data._tcp.example.org', nameservers=['192.0.2.53']) }}"

- name: Show the cluster view of every liaison
  skywalking.banyandb.cluster_state_info:
    endpoints: "{{ dict(targets | zip(targets | map('regex_replace', '$', ':17912'))) | dict2items('name', 'address') }}"
  delegate_to: localhost
  vars:
    targets: "{{ query('skywalking.banyandb.srv', '_liaison._tcp.example.org') | map(attribute='target') }}"
"""

RETURN = r"""
_raw:
  description: The records of all names. The records of one name are sorted by target and port.
  type: list
  elements: dict
  contains:
    name:
      description: Absolute name of the query.
      type: str
      sample: _data._tcp.example.org.
    target:
      description: Absolute name of the host that offers the service.
      type: str
      sample: node1.example.org.
    port:
      description: Port of the service.
      type: int
      sample: 17912
    priority:
      description: Clients try the record with the lowest priority first.
      type: int
      sample: 10
    weight:
      description: Relative share among records of the same priority.
      type: int
      sample: 5
    ttl:
      description: Seconds for which a cache may keep the record. The value is the minimum of the SRV record and its address records.
      type: int
      sample: 30
    addresses:
      description: IPv4 addresses, then IPv6 addresses. Empty only for a bad target with O(on_bad_target=warn).
      type: list
      elements: str
      sample: [192.0.2.1, "2001:db8::1"]
    unanswered:
      description: Address types, C(A) or C(AAAA), for which no server answered. C(addresses) may lack addresses of these types.
      type: list
      elements: str
      sample: []
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_options import RefusedError, consulted, warnings_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import DNS_IMPORT_ERROR, SrvTermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServerError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

display = Display()


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        if DNS_IMPORT_ERROR:
            raise AnsibleLookupError(missing_required_lib("dnspython", reason="to ask DNS for SRV records"))
        self.set_options(var_options=variables, direct=kwargs)
        try:
            answers = consulted(terms, self.get_options())
        except (SrvTermsError, NameServerError, SnapshotError, RefusedError) as error:
            raise AnsibleLookupError(message(error)) from None
        for answer in answers:
            for warning in warnings_of(answer):
                display.warning(message(warning))
        return [{"name": answer.outcome.name, **record.to_mapping()} for answer in answers for record in answer.records]
