# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of plugins that query DNS for SRV records."""

    DOCUMENTATION = r"""
requirements:
  - dnspython >= 2.6 on the machine where the plugin or module runs
options:
  nameservers:
    description:
      - DNS servers in the order of queries. Each is an C(address), C(address:port) or C([IPv6 address]:port).
      - The default is the servers of C(/etc/resolv.conf). Its options C(timeout), C(attempts), C(ndots), C(rotate), C(use-vc), C(no-aaaa) and
        C(edns0) then apply.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait for the answer to one query. A server that is not responding costs O(timeout) times O(attempts).
      - The default is the value of C(/etc/resolv.conf) if O(nameservers) is empty, and 2 if O(nameservers) has servers.
    type: float
  attempts:
    description:
      - How often to query all O(nameservers).
      - The default is the value of C(/etc/resolv.conf) if O(nameservers) is empty, and 2 if O(nameservers) has servers.
    type: int
  tcp:
    description:
      - V(auto) queries by UDP first. It queries by TCP if an answer is truncated or long (about nine SRV records), because some servers
        truncate long answers without a mark. If TCP gives no answer, V(auto) uses the records of UDP and warns.
      - V(always) queries by TCP only.
    type: str
    choices: [auto, always]
    default: auto
  search:
    description: Whether to complete names without a trailing dot by the system's search list. With V(false) every name is absolute.
    type: bool
    default: false
  address_types:
    description:
      - Address types to query for each target. The queries run in parallel.
      - If only one type gets an answer, the plugin uses the addresses of that type and warns.
    type: list
    elements: str
    choices: [A, AAAA]
    default: [A, AAAA]
  second_opinion:
    description:
      - Whether to query all O(nameservers) if an answer denies a name, or lacks a target of the last good answer (see O(snapshot_dir)).
      - Such an answer counts only if at least two servers answer and all answers agree. If not, the outcome is C(server_failure) with
        the code C(DISAGREEMENT).
    type: bool
    default: false
  on_no_such_name:
    description: What to do if the zone does not have the name (NXDOMAIN).
    type: str
    choices: [fail, empty]
    default: fail
  on_no_data:
    description: What to do if the name has no SRV records, or only the target C(.), which withdraws the service (RFC 2782).
    type: str
    choices: [fail, empty]
    default: fail
  on_bad_target:
    description:
      - What to do about a bad target.
      - A target is bad if the target is an alias, does not exist, has no address or has port 0. C(.) next to other targets is bad too.
    type: str
    choices: [fail, warn]
    default: fail
  serve_stale:
    description:
      - Whether to use the last good answer if no server answers, or a server fails. A warning names the age of the answer, the zone serial if
        known, and the cause.
      - Only V(true) stores good answers in O(snapshot_dir). The zone serial needs one more query for each name, in parallel with the address
        queries. A missing serial is no failure.
    type: bool
    default: false
  snapshot_dir:
    description: Directory for the last five good answers of each name, on the machine that queries DNS.
    type: path
    default: ~/.cache/skywalking.banyandb/srv
  max_age:
    description: Maximum age of a stored answer in seconds. A name with an older answer fails.
    type: float
    default: 86400.0
"""
