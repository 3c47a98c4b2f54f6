#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: srv_info
author: The skywalking.banyandb contributors (@skywalking-banyandb)
short_description: Query DNS for the SRV records of a name, and return the outcome of the query
version_added: 0.9.0
description:
  - Queries DNS for the SRV records (RFC 2782) of one name, and for the addresses of their targets.
  - Uses the DNS servers of the host on which the task runs. Delegate the task to C(localhost) to use the DNS servers of the controller.
options:
  name:
    description: Name to query, such as C(_grpc._tcp.example.org). The name is absolute with and without a trailing dot.
    type: str
    required: true
extends_documentation_fragment:
  - skywalking.banyandb.srv
attributes:
  check_mode:
    description: Returns the same in check mode as outside of check mode.
    support: full
    details: The module changes nothing except O(snapshot_dir).
  diff_mode:
    description: Returns the changes in diff mode.
    support: N/A
    details: The module changes nothing.
seealso:
  - plugin: skywalking.banyandb.srv
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Query DNS for the data nodes
  skywalking.banyandb.srv_info:
    name: _data._tcp.example.org
    nameservers: [192.0.2.53]
  delegate_to: localhost
  register: found

- name: List the data nodes
  ansible.builtin.debug:
    msg: "{{ found.records | map(attribute='target') | join(' ') }}"
"""

RETURN = r"""
outcome:
  description:
    - Outcome of the query. The module also returns the outcome when it fails.
    - V(records), V(no_data), V(no_such_name) (NXDOMAIN), V(server_failure) or V(no_answer).
    - V(no_data) means that the name has no SRV records, or withdraws the service with C(.). V(server_failure) means that a server answered with an
      error. V(no_answer) means that no server answered in time.
  returned: if the module queried DNS
  type: str
  sample: records
code:
  description: Why the server failed. A DNS response code, or C(TRUNCATED), C(MALFORMED) or C(DISAGREEMENT).
  returned: when RV(outcome=server_failure)
  type: str
  sample: SERVFAIL
records:
  description: The records, sorted by target and port.
  returned: success
  type: list
  elements: dict
  contains:
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
      description: IPv4 addresses, then IPv6 addresses.
      type: list
      elements: str
      sample: [192.0.2.1, "2001:db8::1"]
    unanswered:
      description: Address types, C(A) or C(AAAA), for which no server answered. RV(records[].addresses) may lack addresses of these types.
      type: list
      elements: str
      sample: []
problems:
  description: Bad targets.
  returned: when RV(outcome=records)
  type: list
  elements: dict
  contains:
    target:
      description: The target.
      type: str
      sample: also1.example.org.
    kind:
      description: V(alias), V(withdrawn), V(port) (the port is 0), V(no_data) or V(no_such_name).
      type: str
      sample: alias
    message:
      description: The problem of the target.
      type: str
      sample: target also1.example.org. is an alias of node1.example.org., which RFC 2782 forbids
gaps:
  description: Address types for which no server answered. The targets have addresses of the other type. Each gap is also a warning.
  returned: when RV(outcome=records)
  type: list
  elements: dict
  contains:
    address_type:
      description: V(A) or V(AAAA).
      type: str
      sample: AAAA
    targets:
      description: The targets.
      type: list
      elements: str
      sample: [node1.example.org.]
    reason:
      description: Outcome of the query for the first of the targets.
      type: str
      sample: "node1.example.org. AAAA: NOTIMP from 192.0.2.53 port 53; look into that server's log"
confirmed:
  description: V(false) if a long UDP answer could not be confirmed by TCP. Records may then be missing. The module also warns.
  returned: when RV(outcome=records)
  type: bool
  sample: true
age:
  description: Seconds since DNS returned these records. The records come from the snapshot.
  returned: when the records are stale
  type: float
  sample: 92.5
serial:
  description:
    - Zone serial at the time of the query, from the server that returned the records. Compare the serial with the current zone to find stale records.
  returned: with O(serve_stale), if the server returned the serial
  type: int
  sample: 2026112101
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_options import (
    RefusedError,
    argument_spec,
    consulted,
    warnings_of,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import DNS_IMPORT_ERROR, SrvTermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import SnapshotError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServerError, Records, ServerFailure, Standing
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message


def result(standing: Standing) -> dict[str, Any]:
    outcome = standing.outcome
    found: dict[str, Any] = {"outcome": outcome.kind, "records": [record.to_mapping() for record in standing.records]}
    if isinstance(outcome, Records):
        found["problems"] = [problem.to_mapping() for problem in outcome.problems]
        found["gaps"] = [gap.to_mapping() for gap in outcome.gaps]
        found["confirmed"] = not outcome.unconfirmed
    if isinstance(outcome, ServerFailure):
        found["code"] = outcome.code
    if standing.age is not None:
        found["age"] = round(standing.age, 3)
    if standing.serial is not None:
        found["serial"] = standing.serial
    return found


def main() -> None:
    module = AnsibleModule(argument_spec=dict(name=dict(type="str", required=True), **argument_spec()), supports_check_mode=True)
    if DNS_IMPORT_ERROR:
        reason = "to ask DNS for SRV records; delegate the task to localhost, or install it where the task runs"
        module.fail_json(msg=missing_required_lib("dnspython", reason=reason), exception=DNS_IMPORT_ERROR)
    try:
        (standing,) = consulted([module.params["name"]], module.params)
    except RefusedError as refused:
        module.fail_json(msg=message(refused), **result(refused.standing))
    except (SrvTermsError, NameServerError, SnapshotError) as error:
        module.fail_json(msg=message(error))
    for warning in warnings_of(standing):
        module.warn(message(warning))
    module.exit_json(changed=False, **result(standing))


if __name__ == "__main__":
    main()
